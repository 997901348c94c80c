"""An agent of Pydantic AI that asks a human before it pays, with deferred tools.

    python -m pip install "pydantic-ai-slim[openai]"
    MODEL=openai:gpt-5 python examples/pay_with_pydantic_ai.py march "Pay invoice 2026-117"

The first argument names the run. While calls wait, its messages are in a file of that name: after
a restart, the same command waits for the same requests. LOOPIN_API_URL, LOOPIN_API_KEY and
LOOPIN_USER_ID name the API, its key and the human to ask.
"""

import asyncio
import os
import sys
from pathlib import Path

from pydantic_ai import Agent, DeferredToolRequests, ModelMessagesTypeAdapter
from pydantic_ai.messages import ToolCallPart
from pydantic_ai.models import Model
from pydantic_ai.tools import ToolApproved, ToolDenied

from loopin_mcp import LoopinClient, ask_about_call

API_URL = os.environ.get("LOOPIN_API_URL", "http://127.0.0.1:3002")
USER = os.environ.get("LOOPIN_USER_ID", "accounting")

agent = Agent(output_type=[str, DeferredToolRequests])


@agent.tool_plain(requires_approval=True)
def pay(payee: str, amount: float, currency: str) -> str:
    """Pay somebody. A human approves each payment first."""
    print(f"Paid {amount:g} {currency} to {payee}")
    return "Paid"


async def decide(loopin: LoopinClient, run: str, call: ToolCallPart) -> ToolApproved | ToolDenied:
    """What a human decides about a call."""
    answer = await ask_about_call(
        loopin,
        call.tool_name,
        call.args_as_json_str(),
        call_id=f"{run}/{call.tool_call_id}",
        agent_id="payment-agent",
        user_id=USER,
    )
    if answer.approved:
        return ToolApproved(override_args=answer.edited)
    return ToolDenied(answer.reason)


async def run(model: str | Model, name: str, prompt: str) -> str:
    """The agent's last words, after every call was decided."""
    file = Path(f"{name}.json")
    async with LoopinClient(API_URL, os.environ.get("LOOPIN_API_KEY")) as loopin:
        if file.exists():
            history = ModelMessagesTypeAdapter.validate_json(file.read_bytes())
            result = await agent.run(model=model, message_history=history)
        else:
            result = await agent.run(prompt, model=model)
        while isinstance(requests := result.output, DeferredToolRequests):
            file.write_bytes(result.all_messages_json())
            calls = requests.approvals
            answers = await asyncio.gather(*(decide(loopin, name, call) for call in calls))
            ids = [call.tool_call_id for call in calls]
            decided = requests.build_results(approvals=dict(zip(ids, answers, strict=True)))
            result = await agent.run(
                model=model,
                message_history=result.all_messages(),
                deferred_tool_results=decided,
            )
    file.unlink(missing_ok=True)
    return result.output


if __name__ == "__main__":
    print(f"Decide at {API_URL}")
    print(asyncio.run(run(os.environ["MODEL"], *sys.argv[1:3])))
