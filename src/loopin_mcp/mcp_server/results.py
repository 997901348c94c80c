"""What the tools return: the REST shapes, with what they mean for the agent, and in bounds."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any, TypeVar

from pydantic import Field
from pydantic.json_schema import SkipJsonSchema

from loopin_mcp.wire import fields
from loopin_mcp.wire.models import (
    Analytics,
    Cancelled,
    Created,
    Decided,
    Interrupt,
    PendingPage,
    Unset,
    Wire,
)
from loopin_mcp.wire.plain_text import time_in_words

# Hosts refuse a result of more than 25,000 tokens. Some count text and structured content, and a
# token of ids or of Chinese may have only two bytes.
MOST_BYTES = 25_000
_ROOM_FOR_THE_REST = 1_000
_LONGEST_TEXT = 1_000

NOTE = "Ignored or cut"
NextStep = Annotated[str, Field(description="What to do now")]
Note = Annotated[Unset[str], Field(description=NOTE)]


class CreatedResult(Created):
    """A new interrupt."""

    status: str = Field(description="pending")
    next_step: NextStep


class InterruptStatus(Interrupt):
    """An interrupt, and whether the agent may act on it."""

    # These are for the programs that hold calls.
    call: SkipJsonSchema[None] = Field(default=None, exclude=True)
    use_within: SkipJsonSchema[None] = Field(default=None, exclude=True)
    # The agent that asks knows these.
    editable: SkipJsonSchema[None] = Field(default=None, exclude=True)
    options: SkipJsonSchema[None] = Field(default=None, exclude=True)
    approved: bool = Field(description="True only if a human approved: act only then")
    wait_lowered_to: Unset[float] = Field(None, description="Longest wait here")
    next_step: NextStep
    note: Note = None


class DecidedResult(Decided):
    """A recorded decision."""

    status: str = Field(description="resolved; decision says how")
    next_step: NextStep


class CancelledResult(Cancelled):
    """A cancelled interrupt."""

    next_step: NextStep


class PendingItem(Wire):
    """A pending interrupt, without its context."""

    interrupt_id: fields.InterruptId
    status: str = Field(description="pending")
    action: str = Field(description="What happens if approved")
    agent_id: Unset[str] = Field(default=None, description="Agent that asks")
    user_id: Unset[str] = Field(default=None, description="Human asked")
    urgency: Unset[str] = Field(default=None, description="low, medium or high")
    created_at: Unset[fields.Timestamp] = Field(default=None, description="When created")
    expires_at: Unset[fields.Timestamp] = Field(default=None, description="When it expires")
    review_url: Unset[str] = Field(default=None, description="Link for the human")


class PendingList(Wire):
    """One page of pending interrupts."""

    user_id: str = Field(description="Human asked")
    count: int = Field(description="How many on this page")
    interrupts: tuple[PendingItem, ...] = Field(description="Newest first")
    next_cursor: Unset[str] = Field(default=None, description="cursor of the next page")
    note: Note = None


_Result = TypeVar("_Result", CreatedResult, DecidedResult, CancelledResult)

_CANCELLED = "The interrupt was cancelled: do not act on it."
# By an interrupt's status, or by the kind of result. A status may be any text that a server sends.
_NEXT_STEPS: Mapping[object, str] = {
    CreatedResult: "Do not act yet: nothing is approved. Show reviewUrl to the user as a link, "
    "then call get_interrupt_status with waitSeconds {wait}.",
    "pending": "Nobody has decided yet: do not act.{left} Call get_interrupt_status again with "
    "waitSeconds {wait}; it returns as soon as a human decides. If you cannot keep waiting, tell "
    "the user that it waits for them at reviewUrl, and stop; check again when they write.",
    "approved": "{decided}: do exactly the approved action, once.",
    "rejected": "{decided}: do not act. Follow the reason, if there is one.",
    "expired": "Nobody decided in time: do not act. If it still matters, create a new interrupt.",
    "cancelled": _CANCELLED,
    DecidedResult: "Recorded and final; read decision, not status. Tell the user. If you are the "
    "agent that asked, call get_interrupt_status now.",
    CancelledResult: _CANCELLED,
}
_MODIFIED = (
    "{decided} with changes: do the action once, with modifiedParams instead of the proposed "
    "parameters."
)
_USED = "{decided}, and the approval was used, which counts once: do not act on it again."
_UNKNOWN = "This status is unknown here, so it is not an approval: do not act."
_WITHHELD = (
    "A human changed the values, and they are too large for a tool result: do not act. Tell the "
    "user to pass you the values from the page at reviewUrl."
)
_LEFT_OUT = ("call", "use_within", "editable", "options")
# The API's own names for those who decide without a reviewer key.
_NOT_REVIEWERS = (None, "anonymous", "api-key", "review-link")


def with_next_step(kind: type[_Result], answer: Wire, max_wait_s: float = 0) -> _Result:
    """The API's answer as a tool's result of this kind, which says what to do next."""
    next_step = _NEXT_STEPS[kind].format(wait=f"{max_wait_s:g}")
    return kind(**dict(answer), next_step=next_step)


def status_result(
    interrupt: Interrupt,
    max_wait_s: float,
    *,
    is_asker: bool = False,
    is_confirmed: bool = False,
    wait_lowered: bool = False,
) -> InterruptStatus:
    """An interrupt as a result that says whether to act, and what to do next.

    The agent that asked knows the context, so it gets none while it waits. `is_confirmed` says that
    a human has confirmed the decision in a form of this host.
    """
    next_step = _next_step(interrupt, max_wait_s, is_confirmed=is_confirmed)
    if interrupt.is_pending and wait_lowered:
        next_step += f" waitSeconds was lowered to {max_wait_s:g}, the longest wait here."
    if interrupt.is_pending and is_asker:
        interrupt = interrupt.model_copy(update={"context": None})
    status = InterruptStatus(
        **dict(interrupt.model_copy(update=dict.fromkeys(_LEFT_OUT))),
        approved=interrupt.status == "approved",
        wait_lowered_to=max_wait_s if wait_lowered else None,
        next_step=next_step,
    )
    return _bounded(status)


def pending_list(page: PendingPage) -> PendingList:
    """As many interrupts of a page as fit into a result, at least one, without their contexts."""
    left = MOST_BYTES - _ROOM_FOR_THE_REST
    items: list[PendingItem] = []
    for interrupt in page.interrupts:
        item = PendingItem(**dict(interrupt))
        if _size(item) > left and not items:
            item = item.model_copy(update={"action": _cut(item.action)})
        left -= _size(item) + 1
        if left < 0 and items:
            break
        items.append(item)
    return PendingList(
        user_id=page.user_id,
        count=len(items),
        interrupts=tuple(items),
        next_cursor=page.next_cursor,
    )


def with_short_actions(figures: Analytics) -> Analytics:
    """The figures, with types of action short enough for a result."""
    types = (
        kind.model_copy(update={"action": _cut(kind.action)}) for kind in figures.top_action_types
    )
    return figures.model_copy(update={"top_action_types": tuple(types)})


def _next_step(interrupt: Interrupt, max_wait_s: float, *, is_confirmed: bool) -> str:
    left = ""
    if interrupt.expires_at is not None:
        seconds = (interrupt.expires_at - datetime.now(UTC)).total_seconds()
        left = f" It expires in {time_in_words(seconds)}."
    words = _NEXT_STEPS.get(interrupt.status, _UNKNOWN)
    if interrupt.status == "approved" and interrupt.modified_params is not None:
        words = _MODIFIED
    if interrupt.used_at is not None:
        words = _USED
    decided = _who_decided(interrupt, is_confirmed=is_confirmed)
    return words.format(wait=f"{max_wait_s:g}", left=left, decided=decided)


def _who_decided(interrupt: Interrupt, *, is_confirmed: bool) -> str:
    """Whether a human decided, or somebody said so: nobody knows who calls the API or a tool."""
    via = interrupt.decided_via
    by_reviewer = interrupt.decided_by not in _NOT_REVIEWERS
    if is_confirmed or by_reviewer or via in ("review-page", "inbox"):
        return f"A human {interrupt.status} this"
    what = "An approval" if interrupt.status == "approved" else "A rejection"
    return f"{what} was recorded through {'an MCP server' if via == 'mcp' else 'the API'}"


def _bounded(status: InterruptStatus) -> InterruptStatus:
    """The status without its context if it is too large, then with short texts, then refused."""
    place = f"at {status.review_url}" if status.review_url else "on the review page"
    cuts: list[dict[str, Any]] = [
        {"context": None, "note": f"The context is too large to be shown here; it is {place}."},
        {
            "action": _cut(status.action),
            "reason": status.reason and _cut(status.reason),
            "note": f"This was cut; the whole is {place}.",
        },
        {"modified_params": None, "approved": False, "next_step": _WITHHELD},
    ]
    for cut in cuts:
        if _size(status) <= MOST_BYTES:
            break
        status = status.model_copy(update=cut)
    return status


def _size(model: Wire) -> int:
    return len(model.model_dump_json(by_alias=True).encode())


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST_TEXT else f"{text[:_LONGEST_TEXT]} … (cut here)"
