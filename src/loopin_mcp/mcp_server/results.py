"""What the tools return: the REST shapes, with what they mean for the agent."""

from collections.abc import Mapping
from typing import Annotated, TypeVar

from pydantic import Field

from loopin_mcp.wire.models import Cancelled, Created, Decided, Interrupt, Unset, Wire

NextStep = Annotated[str, Field(description="What to do now")]


class CreatedResult(Created):
    """A new interrupt."""

    next_step: NextStep


class InterruptStatus(Interrupt):
    """An interrupt, and whether the agent may act on it."""

    approved: bool = Field(description="True only if a human approved: act only then")
    wait_lowered_to: Unset[float] = Field(
        None, description="Longest wait here, if waitSeconds was above it"
    )
    next_step: NextStep


class DecidedResult(Decided):
    """A recorded decision."""

    next_step: NextStep


class CancelledResult(Cancelled):
    """A cancelled interrupt."""

    next_step: NextStep


_Result = TypeVar("_Result", CreatedResult, DecidedResult, CancelledResult)

# By an interrupt's status, or by the kind of result. A status may be any text that a server sends.
_NEXT_STEPS: Mapping[object, str] = {
    CreatedResult: "Do not act yet. Show reviewUrl to the user, then call get_interrupt_status "
    "with waitSeconds.",
    "pending": "Nobody has decided yet: do not act. Call get_interrupt_status again with "
    "waitSeconds.",
    "approved": "A human approved this: do exactly the approved action.",
    "rejected": "A human rejected this: do not act. Follow the reason, if there is one.",
    "expired": "Nobody decided in time: do not act. If it still matters, create a new interrupt.",
    "cancelled": "The interrupt was cancelled: do not act on it.",
    DecidedResult: "The decision is final. The agent that asked reads it with "
    "get_interrupt_status.",
    CancelledResult: "The interrupt was cancelled: do not act on it.",
}
_MODIFIED = (
    "A human approved this with changes: do the action with modifiedParams instead of the "
    "proposed parameters."
)
_UNKNOWN = "This status is unknown here, so it is not an approval: do not act."


def with_next_step(kind: type[_Result], answer: Wire) -> _Result:
    """The API's answer as a tool's result of this kind, which says what to do next."""
    return kind(**dict(answer), next_step=_NEXT_STEPS[kind])


def status_result(interrupt: Interrupt, wait_lowered_to: float | None = None) -> InterruptStatus:
    """An interrupt as a result that says whether to act, and what to do next.

    `wait_lowered_to` is the longest wait allowed, in seconds, if the call asked for more.
    """
    approved = interrupt.status == "approved"
    next_step = _NEXT_STEPS.get(interrupt.status, _UNKNOWN)
    if approved and interrupt.modified_params is not None:
        next_step = _MODIFIED
    if interrupt.is_pending and wait_lowered_to is not None:
        next_step += f" waitSeconds was lowered to {wait_lowered_to:g}, the longest wait here."
    return InterruptStatus(
        **dict(interrupt), approved=approved, wait_lowered_to=wait_lowered_to, next_step=next_step
    )
