"""An agent that asks a human before it pays, with LoopinClient.

Start an API in one terminal and the agent in another, then open the link it prints:

    loopin-mcp api
    python examples/pay_with_approval.py

LOOPIN_API_URL, LOOPIN_API_KEY and LOOPIN_USER_ID name another API, its key and the human to ask.
"""

import os
from typing import Any

import anyio

from loopin_mcp import LoopinClient, NewInterrupt

PAYMENT: dict[str, Any] = {
    "payee": "Harbour Print Ltd",
    "invoice": "2026-117",
    "amount": 4200,
    "currency": "EUR",
}


async def main() -> None:
    """Ask, wait, and pay only if a human approved."""
    url = os.environ.get("LOOPIN_API_URL", "http://127.0.0.1:3002")
    async with LoopinClient(url, os.environ.get("LOOPIN_API_KEY")) as loopin:
        question = NewInterrupt(
            agent_id="payment-agent",
            user_id=os.environ.get("LOOPIN_USER_ID", "accounting"),
            action="Pay invoice 2026-117 of Harbour Print Ltd: 4,200.00 EUR",
            context=PAYMENT,
            urgency="high",
            expires_in=600,
        )
        created = await loopin.create_interrupt(question)
        print(f"Decide at {created.review_url}")
        answer = await loopin.wait_for_decision(created.interrupt_id)
    if answer.status == "approved":
        # What the human changed replaces what was proposed.
        pay(PAYMENT | (answer.modified_params or {}))
    else:
        print(f"Not paid, {answer.status}: {answer.reason or 'no reason given'}")


def pay(payment: dict[str, Any]) -> None:
    """Stand in for the real payment."""
    print(f"Paid {payment['amount']} {payment['currency']} to {payment['payee']}")


anyio.run(main)
