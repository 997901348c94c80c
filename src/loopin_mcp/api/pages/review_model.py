"""The model of the review page: an interrupt, its activity, and what the human typed."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

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
    """One line of the activity: what happened, when, and by whom as far as it is known."""

    what: str
    at: datetime
    by: str
    hash: str


@dataclass(frozen=True)
class ReviewPage:
    """An interrupt, what the human typed, and the events, which were read after the interrupt."""

    interrupt: Interrupt
    entry: Entry
    events: Sequence[Event]

    @property
    def activities(self) -> tuple[Activity, ...]:
        """What happened, oldest first."""
        return tuple(
            Activity(_what(event), event.at, who_did(event.actor, event.channel), event.hash)
            for event in self.events
        )

    @property
    def fault(self) -> str | None:
        """The sign that stored data was tampered with, or None."""
        if not self.events:
            return "all its events are missing"
        if state_after(self.events).get("payloadDigest") != payload_digest(self.interrupt):
            return "the request differs from the one that was created"
        # It is not always the last one: newer events may have been added since.
        if self.interrupt.events_head not in [event.hash for event in self.events]:
            return "the latest events are missing"
        return chain_fault(self.events)

    @property
    def state(self) -> str:
        """The status in words."""
        return STATES[self.interrupt.status]

    @property
    def is_decidable(self) -> bool:
        """Whether the human can decide here: it is pending, and nothing was tampered with."""
        return self.interrupt.is_pending and self.fault is None

    @property
    def title(self) -> str:
        """The state, and first of all whether the human has to correct something."""
        has_to_correct = self.interrupt.is_pending and self.problem
        return f"Not recorded yet · {self.state}" if has_to_correct else self.state

    @property
    def verdict(self) -> str | None:
        """The button that the human pressed, if any."""
        return _VERDICTS.get(self.entry.decision)

    @property
    def problem(self) -> Literal["faulty", "changed", "late"] | None:
        """Why nothing was recorded: a faulty form, a changed request, or one already settled."""
        if self.interrupt.is_pending and self.entry.faults:
            return "faulty"
        if self.verdict is None:
            return None
        return "changed" if self.interrupt.is_pending else "late"

    @property
    def remedy(self) -> str:
        """How to correct a faulty form."""
        if self.verdict is None:
            return "Choose Approve or Reject."
        return "Correct the marked fields, then decide again."

    @property
    def expiry(self) -> str:
        """The label of the time of expiry."""
        return _EXPIRY.get(self.interrupt.status, "Expiry")

    @property
    def outcome(self) -> str:
        """The outcome, for people who had the page open when it was settled."""
        if self.interrupt.status == "expired":
            return "It expired before anyone decided."
        if self.interrupt.status == "cancelled":
            return "It was cancelled before anyone decided."
        return f"It was {self.interrupt.status}. Decided by: {who_decided(self.interrupt)}."


def _what(event: Event) -> str:
    if event.type == "decided":
        return str(event.detail.get("decision")).capitalize()
    return _WORDS.get(event.type, event.type)
