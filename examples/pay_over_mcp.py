"""The same agent as an MCP client: it starts loopin-mcp over stdio and calls its tools.

    python examples/pay_over_mcp.py

The server reads its settings from the environment. Without any it brings its own API, so there
is nothing else to start. With LOOPIN_API_URL and LOOPIN_API_KEY it uses the API named there, and
LOOPIN_USER_ID has to name the human to ask. The exit code is 0 only if the agent paid.
"""

import os
import sys
from typing import Any

import anyio
from mcp import Client, MCPError, StdioServerParameters
from mcp_types import Implementation, TextContent


class RefusedError(Exception):
    """A tool was not carried out."""


PAYMENT = {"payee": "Harbour Print Ltd", "invoice": "2026-117", "amount": 4200, "currency": "EUR"}


async def ask() -> dict[str, Any]:
    """Ask a human, and wait until the request is settled."""
    server = StdioServerParameters(
        command=sys.executable, args=["-P", "-m", "loopin_mcp"], env=dict(os.environ)
    )
    agent = Implementation(name="payment-agent", version="1.0")
    async with Client(server, client_info=agent) as loopin:
        question = {
            "action": "Pay invoice 2026-117 of Harbour Print Ltd: 4,200.00 EUR",
            "context": PAYMENT,
            "urgency": "high",
            "expiresIn": 600,
        }
        created = await call(loopin, "create_interrupt", question)
        print(f"Decide at {created['reviewUrl']}")
        wait = {"interruptId": created["interruptId"], "waitSeconds": 45}
        answer = await call(loopin, "get_interrupt_status", wait)
        while answer["status"] == "pending":
            answer = await call(loopin, "get_interrupt_status", wait)
        return answer


async def call(loopin: Client, tool: str, arguments: dict[str, Any]) -> dict[str, Any]:
    """Call a tool.

    Raises:
        RefusedError: The tool says why.
    """
    result = await loopin.call_tool(tool, arguments)
    if result.is_error:
        text = " ".join(part.text for part in result.content if isinstance(part, TextContent))
        raise RefusedError(f"{tool}: {text}")
    content: dict[str, Any] = result.structured_content
    return content


def pay(payment: dict[str, Any]) -> None:
    """Stand in for the real payment."""
    print(f"Paid {payment['amount']} {payment['currency']} to {payment['payee']}")


answer: dict[str, Any] = {}
problem: BaseException | None = None
try:
    answer = anyio.run(ask)
except* (RefusedError, MCPError, OSError, KeyboardInterrupt) as failed:
    problem = failed
# The client's task groups wrap what went wrong.
while isinstance(problem, BaseExceptionGroup):
    problem = problem.exceptions[0]
if problem:
    sys.exit(f"Not paid: {str(problem) or 'stopped'}")
if not answer["approved"]:
    sys.exit(f"Not paid, {answer['status']}: {answer.get('reason', 'no reason given')}")
# What the human changed replaces what was proposed.
pay(PAYMENT | answer.get("modifiedParams", {}))
