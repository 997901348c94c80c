"""What the review page says of an interrupt."""

from dataclasses import dataclass

from loopin_mcp.api.entry import Entry
from loopin_mcp.api.pages import decider
from loopin_mcp.api.trails import Trail
from loopin_mcp.models import Interrupt

STATES = {
    "pending": "Waiting for your decision",
    "approved": "Approved",
    "rejected": "Rejected",
    "expired": "Expired",
    "cancelled": "Cancelled",
}
_VERDICTS = {"approved": "Approve", "rejected": "Reject"}
_EXPIRY = {"pending": "Expires", "expired": "Expired"}


@dataclass(frozen=True)
class ReviewPage:
    """What the review page says of an interrupt, and of what the human typed."""

    interrupt: Interrupt
    entry: Entry
    trail: Trail

    @property
    def state(self) -> str:
        """The status in words."""
        return STATES[self.interrupt.status]

    @property
    def is_decidable(self) -> bool:
        """Whether the human can decide here: it waits for them, and is as it was asked."""
        return self.interrupt.is_pending and self.trail.fault is None

    @property
    def title(self) -> str:
        """The state; where the human has to mend something, that comes first."""
        is_open = self.is_faulty or self.is_for_another
        return f"Not recorded yet · {self.state}" if is_open else self.state

    @property
    def verdict(self) -> str | None:
        """The button that the human has pressed."""
        return _VERDICTS.get(self.entry.decision)

    @property
    def is_faulty(self) -> bool:
        """Whether the human has to mend something before they can decide."""
        return self.interrupt.is_pending and bool(self.entry.faults)

    @property
    def came_too_late(self) -> bool:
        """Whether the human decided what was settled already."""
        return not self.interrupt.is_pending and self.verdict is not None

    @property
    def is_for_another(self) -> bool:
        """Whether the human decided what is not what is asked here."""
        return self.interrupt.is_pending and self.verdict is not None and not self.entry.faults

    @property
    def remedy(self) -> str:
        """What to do about a faulty form."""
        if self.verdict is None:
            return "Choose Approve or Reject."
        return "Correct what is marked below, then decide again."

    @property
    def expiry(self) -> str:
        """What to call the moment of expiry."""
        return _EXPIRY.get(self.interrupt.status, "Expiry")

    @property
    def outcome(self) -> str:
        """What became of the interrupt, to one who had its page open."""
        if self.interrupt.status == "expired":
            return "It expired before anybody decided."
        if self.interrupt.status == "cancelled":
            return "It was withdrawn before anybody decided."
        return f"It was {self.interrupt.status}. Decided by: {decider(self.interrupt)}."
