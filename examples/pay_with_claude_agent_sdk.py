"""An agent of the Claude Agent SDK that asks a human before it acts, with can_use_tool.

    python -m pip install claude-agent-sdk
    ANTHROPIC_API_KEY=… python examples/pay_with_claude_agent_sdk.py "Pay invoice 2026-117"

Claude Code asks about every call that it would ask its user about. Nothing is kept: if the program
ends, its requests stay open, and a new run asks again. LOOPIN_API_URL, LOOPIN_API_KEY and
LOOPIN_USER_ID name the API, its key and the human to ask.
"""

import asyncio
import os
import sys
import uuid
from typing import Any

from claude_agent_sdk import (
    ClaudeAgentOptions,
    ClaudeSDKClient,
    PermissionResultAllow,
    PermissionResultDeny,
    ResultMessage,
    ToolPermissionContext,
    create_sdk_mcp_server,
    tool,
)

from loopin_mcp import LoopinClient, ask_about_call

API_URL = os.environ.get("LOOPIN_API_URL", "http://127.0.0.1:3002")
USER = os.environ.get("LOOPIN_USER_ID", "accounting")


@tool("pay", "Pay somebody", {"payee": str, "amount": float, "currency": str})
async def pay(payment: dict[str, Any]) -> dict[str, Any]:
    """Stand in for the real payment."""
    print(f"Paid {payment['amount']:g} {payment['currency']} to {payment['payee']}")
    return {"content": [{"type": "text", "text": "Paid"}]}


async def run(prompt: str) -> str:
    """The agent's last words, after every call was decided."""
    name = str(uuid.uuid4())

    async def can_use_tool(
        tool_name: str, given: dict[str, Any], context: ToolPermissionContext
    ) -> PermissionResultAllow | PermissionResultDeny:
        answer = await ask_about_call(
            loopin,
            tool_name,
            given,
            call_id=f"{name}/{context.tool_use_id}",
            agent_id="payment-agent",
            user_id=USER,
        )
        if answer.approved:
            return PermissionResultAllow(updated_input=answer.edited)
        return PermissionResultDeny(message=answer.reason)

    options = ClaudeAgentOptions(
        mcp_servers={"payments": create_sdk_mcp_server("payments", tools=[pay])},
        can_use_tool=can_use_tool,
        # Rules in the settings of a user or project could allow calls without asking.
        setting_sources=[],
    )
    said = ""
    async with (
        LoopinClient(API_URL, os.environ.get("LOOPIN_API_KEY")) as loopin,
        ClaudeSDKClient(options) as claude,
    ):
        await claude.query(prompt)
        async for message in claude.receive_response():
            if isinstance(message, ResultMessage):
                said = message.result or message.subtype
    return said


if __name__ == "__main__":
    print(f"Decide at {API_URL}")
    print(asyncio.run(run(sys.argv[1])))
