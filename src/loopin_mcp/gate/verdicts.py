"""What a human's decision means for the call that it is about."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from loopin_mcp.errors import LoopinError
from loopin_mcp.gate.calls import JSONObject, Verdict
from loopin_mcp.gate.questions import Question
from loopin_mcp.wire.plain_text import plain_text
from loopin_mcp.wire.strict_json import canonical, changes_to

if TYPE_CHECKING:
    from pydantic import JsonValue

_PENDING = (
    "No human has decided in time, so this call is not approved. The request still waits for them: "
    "try the same call again later, and it finds the same request."
)
# The fields in which an interrupt has to match the question.
_SHOWN = ("agentId", "userId", "action", "urgency", "context", "editable", "call")


def verdict_on(interrupt: Mapping[str, "JsonValue"], question: Question) -> Verdict:
    """What an interrupt, as it goes over the wire, means for the call that is asked about.

    Raises:
        LoopinError: It is about something else, nobody has decided yet, or it has no known status.
    """
    _refuse_another(interrupt, question)
    match interrupt.get("status"):
        case "approved":
            changes = interrupt.get("modifiedParams") or {}
            if isinstance(changes, dict):
                return _permission(question, changes)
        case "pending":
            raise LoopinError(_PENDING)
        case "rejected":
            reason = interrupt.get("reason")
            return Verdict(
                "deny", f"A human rejected this in LoopIn{f': {reason}' if reason else '.'}"
            )
        case "expired":
            said = "Nobody decided in LoopIn in time. If it still matters, try again."
            return Verdict("deny", said)
        case "cancelled":
            return Verdict("deny", "The request for this in LoopIn was cancelled.")
    raise LoopinError("LoopIn gave an answer that is unknown here, so this call is not approved.")


def _refuse_another(interrupt: Mapping[str, "JsonValue"], question: Question) -> None:
    """Refuse an interrupt that does not show this call.

    An agent that has the API key could have made it, with the digest of this call.

    Raises:
        LoopinError: It does.
    """
    shown, asked = (
        canonical([fields.get(name) for name in _SHOWN]) for fields in (interrupt, question.request)
    )
    if shown != asked:
        raise LoopinError(
            "The request in LoopIn shows something else than this call, so it is not approved."
        )


def _permission(question: Question, decided: JSONObject) -> Verdict:
    """The permission to run an approved call with these values, or why that cannot be done."""
    changes = changes_to(question.facts.context, decided)
    if not changes:
        return Verdict("allow", "A human approved this in LoopIn.")
    approved = "A human approved this in LoopIn with other values"
    if lost := sorted(changes.keys() - {*question.editable}):
        return Verdict(
            "deny",
            f"{approved}, but {plain_text(lost[0])} cannot be changed in this call, so the change "
            "would be lost.",
        )
    return Verdict("allow", f"{approved}.", {**question.call.input, **changes})
