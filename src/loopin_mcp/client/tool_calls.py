"""Asks a human about one call of an agent's tool, waits, and uses the approval."""

from dataclasses import dataclass

from pydantic import JsonValue, ValidationError

from loopin_mcp.client.client import LoopinClient
from loopin_mcp.errors import ConflictError, LoopinError
from loopin_mcp.wire.fields import JSONObject, shown
from loopin_mcp.wire.models import Interrupt, NewInterrupt
from loopin_mcp.wire.strict_json import canonical, changes_to
from loopin_mcp.wire.validation import explain, parse_json

_HOUR_S = 3600
_IN_VAIN = {
    "rejected": "A human rejected this call",
    "cancelled": "The request about this call was cancelled",
}
_NOBODY = "Nobody decided about this call in time"


@dataclass(frozen=True)
class CallAnswer:
    """Whether a tool call may run, once and now, and why, in words for the model.

    If the human changed arguments, `edited` has all arguments to run it with.
    """

    approved: bool
    reason: str
    edited: JSONObject | None = None


async def ask_about_call(
    loopin: LoopinClient,
    tool: str,
    arguments: JSONObject | str,
    *,
    call_id: str,
    agent_id: str,
    user_id: str,
    can_edit: bool = True,
    expires_in: int = _HOUR_S,
) -> CallAnswer:
    """Ask a human whether a tool may run with exactly these arguments, and use the approval.

    `arguments` may be JSON text. `call_id` names the call: the same after a restart of the agent,
    and different for each of its other calls. For a day the same call finds its request again, and
    its approval lets it run once. The human has `expires_in` seconds. Without `can_edit` they
    cannot change arguments. All that goes wrong is an answer that is not approved.
    """
    try:
        given = _object(arguments)
        question = NewInterrupt(
            agent_id=agent_id,
            user_id=user_id,
            action=f"Run the tool {tool}",
            context=given,
            editable=[*given] if can_edit else [],
            expires_in=expires_in,
            use_within=expires_in,
        )
        key = canonical([agent_id, user_id, call_id])
        created = await loopin.create_interrupt(question, idempotency_key=key)
        interrupt = await loopin.wait_for_decision(created.interrupt_id, expires_in)
        if interrupt.status != "approved":
            return CallAnswer(False, _why_not(interrupt))
        edited = _edited(question, interrupt.modified_params or {})
        await _use(loopin, interrupt.interrupt_id)
    except (LoopinError, ValueError) as error:
        why = explain(error) if isinstance(error, ValidationError) else error
        return CallAnswer(False, f"This call was not approved, so it did not run: {why}")
    return CallAnswer(True, "A human approved this call.", edited)


def _object(arguments: JSONObject | str) -> JSONObject:
    """The arguments of a call.

    Raises:
        ValueError: Their text is not one JSON object that every reader reads alike.
    """
    try:
        given = parse_json(arguments) if isinstance(arguments, str) else arguments
    except ValueError as error:
        raise ValueError(f"the JSON of its arguments {error}") from None
    if not isinstance(given, dict):
        raise ValueError("its arguments are not a JSON object")
    return given


def _why_not(interrupt: Interrupt) -> str:
    why = _IN_VAIN.get(interrupt.status, _NOBODY)
    reason = f" The reason: {interrupt.reason}" if interrupt.reason else ""
    return f"{why}, so it did not run.{reason}"


def _edited(question: NewInterrupt, decided: JSONObject) -> JSONObject | None:
    """All arguments of the call, if the human changed some of them.

    Raises:
        LoopinError: A change would be lost, or is a value of another type.
    """
    given = question.context
    changes = changes_to(given, decided)
    for name, value in changes.items():
        if name not in (question.editable or ()):
            raise LoopinError(f"the human changed {shown(name)}, which cannot be changed here.")
        if given[name] is not None and _kind(value) != _kind(given[name]):
            raise LoopinError(f"the human gave {shown(name)} a value of another type.")
    return {**given, **changes} if changes else None


def _kind(value: JsonValue) -> type:
    """The JSON type of a value, in which integers are numbers like any other."""
    return float if type(value) is int else type(value)


async def _use(loopin: LoopinClient, interrupt_id: str) -> None:
    """Use the approval of a call.

    Raises:
        LoopinError: It cannot be relied on that nothing had used it.
    """
    try:
        await loopin.use_approval(interrupt_id)
    except ConflictError as error:
        raise LoopinError(
            "its approval was used before, or is too old. The call may have run already: check "
            "that before you call again."
        ) from error
