"""A reviewer's script: shows what waits for a user, one by one, and records the decisions.

    python examples/review.py accounting

LOOPIN_API_URL (http://127.0.0.1:3002) and LOOPIN_API_KEY name the API and its key. Where the API
has REVIEWER_KEYS, it has to be one of these.
"""

import json
import os
import sys

import anyio
import anyio.to_thread

from loopin_mcp import ConflictError, Decision, Interrupt, LoopinClient, LoopinError


async def main(user_id: str) -> None:
    """Go through every pending interrupt of the user."""
    url = os.environ.get("LOOPIN_API_URL", "http://127.0.0.1:3002")
    async with LoopinClient(url, os.environ.get("LOOPIN_API_KEY")) as loopin:
        page = await loopin.list_pending_interrupts(user_id)
        waiting = list(page.interrupts)
        while page.next_cursor:
            page = await loopin.list_pending_interrupts(user_id, cursor=page.next_cursor)
            waiting += page.interrupts
        print(f"{len(waiting)} to decide")
        for interrupt in waiting:
            await review(loopin, interrupt)


async def review(loopin: LoopinClient, interrupt: Interrupt) -> None:
    """Show one interrupt and pass on what the human at the terminal says."""
    question = {
        "agent": interrupt.agent_id,
        "asks to": interrupt.action,
        "context": interrupt.context,
    }
    # JSON in ASCII escapes control characters, so that no agent can write over the terminal.
    print(json.dumps(question, indent=2))
    match await ask("a = approve, r = reject, anything else = later: "):
        case "a":
            decision = Decision(decision="approved")
        case "r":
            decision = Decision(decision="rejected", reason=await ask("Why? ") or None)
        case _:
            return
    try:
        decided = await loopin.decide_interrupt(interrupt.interrupt_id, decision)
    except ConflictError as error:
        print(error)
    else:
        print(f"Recorded: {decided.decision}")


async def ask(prompt: str) -> str:
    """Read a line from the terminal; Ctrl-C ends the wait."""
    return await anyio.to_thread.run_sync(input, prompt, abandon_on_cancel=True)


if len(sys.argv) != 2:
    sys.exit(__doc__)
try:
    anyio.run(main, sys.argv[1])
except LoopinError as error:
    sys.exit(str(error))
except EOFError:
    sys.exit("The input ended. What is not recorded is still pending.")
