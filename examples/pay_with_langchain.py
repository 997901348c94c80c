"""An agent of LangChain that asks a human before it pays, with HumanInTheLoopMiddleware.

    python -m pip install langchain langchain-openai langgraph-checkpoint-sqlite
    MODEL=openai:gpt-5 python examples/pay_with_langchain.py march "Pay invoice 2026-117"

The first argument names the conversation, which is kept in agent.db: after a restart, the same
command waits for the same requests. Like the other examples, it reads LOOPIN_API_URL and so on.
"""

import asyncio
import os
import sys
from typing import Any

from langchain.agents import create_agent
from langchain.agents.middleware import HumanInTheLoopMiddleware
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import HumanMessage
from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver
from langgraph.types import Command, Interrupt

from loopin_mcp import LoopinClient, ask_about_call

API_URL = os.environ.get("LOOPIN_API_URL", "http://127.0.0.1:3002")


def pay(payee: str, amount: float, currency: str) -> str:
    """Pay somebody. A human approves each payment first."""
    print(f"Paid {amount:g} {currency} to {payee}")
    return "Paid"


async def decide(loopin: LoopinClient, thread: str, paused: Interrupt) -> list[dict[str, Any]]:
    """What a human decides about each call for which the agent paused."""

    async def about(number: int, call: dict[str, Any]) -> dict[str, Any]:
        answer = await ask_about_call(
            loopin,
            call["name"],
            call["args"],
            call_id=f"{thread}/{paused.id}/{number}",
            agent_id="payment-agent",
            user_id=os.environ.get("LOOPIN_USER_ID", "accounting"),
        )
        if not answer.approved:
            return {"type": "reject", "message": answer.reason}
        if answer.edited is None:
            return {"type": "approve"}
        return {"type": "edit", "edited_action": {"name": call["name"], "args": answer.edited}}

    calls = enumerate(paused.value["action_requests"])
    return await asyncio.gather(*(about(*call) for call in calls))


async def run(model: str | BaseChatModel, thread: str, prompt: str) -> str:
    """The agent's last words, after every call was decided."""
    gate = HumanInTheLoopMiddleware({"pay": {"allowed_decisions": ["approve", "edit", "reject"]}})
    config: RunnableConfig = {"configurable": {"thread_id": thread}}
    async with (
        LoopinClient(API_URL, os.environ.get("LOOPIN_API_KEY")) as loopin,
        AsyncSqliteSaver.from_conn_string("agent.db") as saver,
    ):
        agent = create_agent(model, [pay], middleware=[gate], checkpointer=saver)
        state = await agent.aget_state(config)
        if "tools" in state.next and not state.interrupts:
            return "The last run ended in a tool. Check what it did, then begin a new conversation."
        if not state.interrupts:
            first: Any = None if state.next else {"messages": [HumanMessage(prompt)]}
            await agent.ainvoke(first, config)
        while interrupts := (await agent.aget_state(config)).interrupts:
            decided = {"decisions": await decide(loopin, thread, interrupts[0])}
            # Only what is saved before a tool runs cannot run it again after a restart.
            await agent.ainvoke(Command(resume=decided), config, durability="sync")
        return str((await agent.aget_state(config)).values["messages"][-1].text)


if __name__ == "__main__":
    print(f"Decide at {API_URL}")
    print(asyncio.run(run(os.environ["MODEL"], *sys.argv[1:3])))
