"""What the review page says of an interrupt, and of what happened to it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from loopin_mcp.api.audit.digests import payload_digest
from loopin_mcp.api.audit.events import chain_fault
from loopin_mcp.api.audit.replay import state_after
from loopin_mcp.api.pages.decision_form import Entry
from loopin_mcp.api.pages.filters import who_decided, who_did
from loopin_mcp.wire.models import Event, Interrupt

STATES = {
    "pending": "Waiting for your decision",
    "approved": "Approved",
    "rejected": "Rejected",
    "expired": "Expired",
    "cancelled": "Cancelled",
}
_VERDICTS = {"approved": "Approve", "rejected": "Reject"}
_EXPIRY = {"pending": "Expires", "expired": "Expired"}

_WORDS = {
    "created": "Requested",
    "notified": "Notification sent",
    "viewed": "Opened",
    "cancelled": "Cancelled",
    "expired": "Expired",
    "callback-delivered": "Callback delivered",
    "callback-given-up": "Callback failed",
    "migrated": "Imported from an earlier version",
}


@dataclass(frozen=True)
class Activity:
    """One thing that happened: what, when, and by whom as far as it is known."""

    what: str
    at: datetime
    by: str
    hash: str


@dataclass(frozen=True)
class Trail:
    """The events of an interrupt, which was read before them."""

    interrupt: Interrupt
    events: Sequence[Event]

    @property
    def activities(self) -> tuple[Activity, ...]:
        """What happened, in its order."""
        return tuple(
            Activity(_what(event), event.at, who_did(event.actor, event.channel), event.hash)
            for event in self.events
        )

    @property
    def fault(self) -> str | None:
        """What shows that something was changed afterwards, or None."""
        if not self.events:
            return "all its events are missing"
        if state_after(self.events).get("payloadDigest") != payload_digest(self.interrupt):
            return "the request differs from the one that was created"
        # Since then there may be more of them.
        if self.interrupt.events_head not in [event.hash for event in self.events]:
            return "the latest events are missing"
        return chain_fault(self.events)


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
        return "Correct the marked fields, then decide again."

    @property
    def expiry(self) -> str:
        """What to call the moment of expiry."""
        return _EXPIRY.get(self.interrupt.status, "Expiry")

    @property
    def outcome(self) -> str:
        """What became of the interrupt, to one who had its page open."""
        if self.interrupt.status == "expired":
            return "It expired before anyone decided."
        if self.interrupt.status == "cancelled":
            return "It was cancelled before anyone decided."
        return f"It was {self.interrupt.status}. Decided by: {who_decided(self.interrupt)}."


def _what(event: Event) -> str:
    if event.type == "decided":
        return str(event.detail.get("decision")).capitalize()
    return _WORDS.get(event.type, event.type)
