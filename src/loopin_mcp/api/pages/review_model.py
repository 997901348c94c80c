"""The model of the review page: an interrupt, its activity, and what the human typed."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from loopin_mcp.api.audit.trail import Fault
from loopin_mcp.api.outbox.callbacks import fault_of_answer
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
UNTRUSTED = "Not to be trusted"
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
    """An interrupt, what the human typed, and the events with their fault, if any.

    `answered` is the HTTP status that a callback got which will be tried again, or 0 for none.
    """

    interrupt: Interrupt
    entry: Entry
    events: Sequence[Event]
    fault: Fault | None = None
    answered: int | None = None

    @property
    def activities(self) -> tuple[Activity, ...]:
        """What happened, oldest first."""
        return tuple(
            Activity(_what(event), event.at, who_did(event.actor, event.channel), event.hash)
            for event in self.events
        )

    @property
    def callback_fault(self) -> str | None:
        """Why the callback was not delivered, or not yet, and what to do; None if it was."""
        if self.answered is not None:
            fault = _fault_of_callback(self.answered)
            return f"The callback is not delivered yet: {fault}. LoopIn tries again for three days."
        for event in self.events:
            if event.type == "callback-given-up":
                fault = _fault_of_callback(event.detail.get("answered"))
                return f"The callback was not delivered within three days: {fault}."
        return None

    @property
    def state(self) -> str:
        """The status in words, if it can be trusted."""
        return UNTRUSTED if self.fault else STATES[self.interrupt.status]

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
        if self.fault:
            return "Its stored data cannot be trusted."
        if self.interrupt.status == "expired":
            return "It expired before anyone decided."
        if self.interrupt.status == "cancelled":
            return "It was cancelled before anyone decided."
        return f"It was {self.interrupt.status}. Decided by: {who_decided(self.interrupt)}."


def _what(event: Event) -> str:
    if event.type == "decided":
        return str(event.detail.get("decision")).capitalize()
    return _WORDS.get(event.type, event.type)


def _fault_of_callback(answered: object) -> str:
    return fault_of_answer(answered) if isinstance(answered, int) and answered else "no answer came"
