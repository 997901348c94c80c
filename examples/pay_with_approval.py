"""An agent that asks a human before it pays, with LoopinClient.

Start an API in one terminal and the agent in another, then open the link it prints:

    loopin-mcp api
    python examples/pay_with_approval.py

LOOPIN_API_URL, LOOPIN_API_KEY and LOOPIN_USER_ID name another API, its key and the human to ask.
The exit code is 0 only if the agent paid.
"""

import os
import sys
from typing import Any

import anyio

from loopin_mcp import Interrupt, LoopinClient, LoopinError, NewInterrupt

PAYMENT: dict[str, Any] = {
    "payee": "Harbour Print Ltd",
    "invoice": "2026-117",
    "amount": 4200,
    "currency": "EUR",
}


async def ask() -> Interrupt:
    """Ask a human, and wait until the request is settled."""
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
        return await loopin.wait_for_decision(created.interrupt_id)


def pay(payment: dict[str, Any]) -> None:
    """Stand in for the real payment."""
    print(f"Paid {payment['amount']} {payment['currency']} to {payment['payee']}")


try:
    answer = anyio.run(ask)
except (LoopinError, KeyboardInterrupt) as error:
    sys.exit(f"Not paid: {str(error) or 'stopped'}")
if answer.status != "approved":
    sys.exit(f"Not paid, {answer.status}: {answer.reason or 'no reason given'}")
# What the human changed replaces what was proposed.
pay(PAYMENT | (answer.modified_params or {}))
