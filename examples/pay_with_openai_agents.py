"""An agent of the OpenAI Agents SDK that asks a human before it pays, with needs_approval.

    python -m pip install openai-agents
    OPENAI_API_KEY=… python examples/pay_with_openai_agents.py march "Pay invoice 2026-117"

The first argument names the run. While calls wait, its state is in a file of that name: after a
restart, the same command waits for the same requests. The SDK cannot change the arguments of a
call, so the human approves or rejects. LOOPIN_API_URL, LOOPIN_API_KEY and LOOPIN_USER_ID name the
API, its key and the human to ask.
"""

import asyncio
import os
import sys
from pathlib import Path

from agents import Agent, Model, Runner, RunState, ToolApprovalItem, function_tool

from loopin_mcp import CallAnswer, LoopinClient, ask_about_call

API_URL = os.environ.get("LOOPIN_API_URL", "http://127.0.0.1:3002")
USER = os.environ.get("LOOPIN_USER_ID", "accounting")


@function_tool(needs_approval=True)
def pay(payee: str, amount: float, currency: str) -> str:
    """Pay somebody. A human approves each payment first."""
    print(f"Paid {amount:g} {currency} to {payee}")
    return "Paid"


async def ask(loopin: LoopinClient, run: str, call: ToolApprovalItem) -> CallAnswer:
    """What a human decides about a call."""
    return await ask_about_call(
        loopin,
        call.qualified_name or "",
        call.arguments or "",
        call_id=f"{run}/{call.call_id}",
        agent_id="payment-agent",
        user_id=USER,
        can_edit=False,
    )


async def run(model: str | Model | None, name: str, prompt: str) -> str:
    """The agent's last words, after every call was decided."""
    agent = Agent("payment-agent", model=model, tools=[pay])
    file = Path(f"{name}.json")
    async with LoopinClient(API_URL, os.environ.get("LOOPIN_API_KEY")) as loopin:
        if file.exists():
            state = await RunState.from_string(agent, file.read_text("utf-8"))
        else:
            result = await Runner.run(agent, prompt)
            state = result.to_state()
        while calls := state.get_interruptions():
            file.write_text(state.to_string(), "utf-8")
            answers = await asyncio.gather(*(ask(loopin, name, call) for call in calls))
            for call, answer in zip(calls, answers, strict=True):
                if answer.approved:
                    state.approve(call)
                else:
                    state.reject(call, rejection_message=answer.reason)
            result = await Runner.run(agent, state)
            state = result.to_state()
    file.unlink(missing_ok=True)
    return str(result.final_output)


if __name__ == "__main__":
    print(f"Decide at {API_URL}")
    print(asyncio.run(run(None, *sys.argv[1:3])))
