"""Asks a human about a tool call, waits for the decision, and uses it."""

import anyio
from anyio import to_thread
from pydantic import ValidationError

from loopin_mcp.client.client import LoopinClient
from loopin_mcp.errors import ConflictError, LoopinError, NotFoundError
from loopin_mcp.gate.calls import Verdict
from loopin_mcp.gate.questions import Question
from loopin_mcp.gate.verdicts import verdict_on
from loopin_mcp.wire.models import NewInterrupt
from loopin_mcp.wire.validation import explain

# Another try of the same call may use an approval first; then a human is asked again.
_MOST_ASKED = 3


async def ask(
    client: LoopinClient, question: Question, wait_s: float, *, defer: bool = False
) -> Verdict:
    """What a human says about a call, within `wait_s` seconds; this uses an approval.

    With `defer`, this does not wait.

    Raises:
        LoopinError: Nobody decided in time, or nothing can be relied on: the call must not run.
    """
    end = anyio.current_time() + wait_s
    new = _new_interrupt(question)
    for _ in range(_MOST_ASKED):
        created = await client.create_interrupt(new)
        if created.status == "pending" and defer:
            return Verdict("defer", "The request waits for a human in LoopIn.")
        left_s = end - anyio.current_time()
        interrupt = await client.wait_for_decision(created.interrupt_id, left_s)
        verdict = verdict_on(interrupt.model_dump(mode="json", by_alias=True), question)
        # What is denied is not used, so that the same call gets the same answer again.
        if verdict.kind == "deny":
            return verdict
        await to_thread.run_sync(question.require_same_facts)
        if await _use(client, interrupt.interrupt_id):
            return verdict
    raise LoopinError(
        "Another try of this call used the approval first, so it is not approved. Try again later."
    )


def _new_interrupt(question: Question) -> NewInterrupt:
    """The request that goes to the API.

    Raises:
        LoopinError: The call is too large to be shown whole.
    """
    try:
        return NewInterrupt.model_validate(question.request)
    except ValidationError as error:
        raise LoopinError(
            "The gate cannot show this call to a human as a whole, so it is not approved: "
            f"{explain(error)}."
        ) from error


async def _use(client: LoopinClient, interrupt_id: str) -> bool:
    """Use an approval; whether nothing had used it, and it was not too late.

    Raises:
        LoopinError: The API did not say so.
    """
    try:
        await client.use_approval(interrupt_id)
    except ConflictError:
        return False
    except NotFoundError as error:
        raise LoopinError(
            "This LoopIn API is too old for the gate: it does not know that an approval is used "
            "once. Update it; until then no call is approved."
        ) from error
    return True
