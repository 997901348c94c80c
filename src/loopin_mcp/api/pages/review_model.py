"""The model of the review page: an interrupt, its activity, and what the human typed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from loopin_mcp.api.audit.events import RESTORED
from loopin_mcp.api.audit.trail import Fault
from loopin_mcp.api.outbox.callbacks import fault_of_answer
from loopin_mcp.api.pages.changes.changes import ChangeForm
from loopin_mcp.api.pages.changes.decision_form import Entry
from loopin_mcp.api.pages.changes.differences import in_words
from loopin_mcp.api.pages.filters import who_decided, who_did
from loopin_mcp.api.pages.history.unusual import Panel
from loopin_mcp.api.store.inbox_lists import Queue
from loopin_mcp.wire.models import Event, Interrupt
from loopin_mcp.wire.plain_text import plain_text

# How many characters of an action are in the title.
LONGEST_TITLE = 60
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
    "used": "Approval used",
    "ended": "Standing approval ended",
    "migrated": "Imported from an earlier version",
}
_WORDS_IF_RESTORED = {"used": "Approval counted as used", "callback-given-up": "Callback dropped"}


@dataclass(frozen=True)
class Activity:
    """One line of the activity: what happened, when, by whom if that is known, and what changed."""

    what: str
    at: datetime
    by: str
    hash: str
    changes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Coverage:
    """What a standing approval covers, in words, and until when."""

    scope: str
    until: datetime


@dataclass(frozen=True)
class ReviewPage:
    """An interrupt, what the human typed, and the events with their fault, if any.

    `answered` is the HTTP status that a callback got which will be tried again, or 0 for none.
    `queue` has the other pending requests, for people who may see the inbox. `unusual` compares it
    with similar ones, and `reasons` are offered to those who reject.
    """

    interrupt: Interrupt
    entry: Entry
    events: Sequence[Event]
    fault: Fault | None = None
    answered: int | None = None
    queue: Queue | None = None
    unusual: Panel | None = None
    reasons: tuple[str, ...] = ()

    @property
    def activities(self) -> tuple[Activity, ...]:
        """What happened, oldest first."""
        return tuple(
            Activity(
                _what(event),
                event.at,
                who_did(event.actor, event.channel),
                event.hash,
                self._changes_in(event),
            )
            for event in self.events
        )

    def _changes_in(self, event: Event) -> tuple[str, ...]:
        """What a decision changed, in words."""
        params = event.detail.get("modifiedParams") if event.type == "decided" else None
        return in_words(self.interrupt.context or {}, params) if isinstance(params, dict) else ()

    @property
    def scopes(self) -> Mapping[str, str]:
        """Which calls an approval can cover, in words; none unless the request is about a call."""
        call = self.interrupt.call
        if call is None or self.interrupt.urgency == "high":
            return {}
        return {"call": "This very call", "tool": f"All calls of {call['tool']} in this session"}

    @property
    def changes(self) -> ChangeForm:
        """The part of the form that changes values."""
        entry = self.entry
        return ChangeForm(
            self.interrupt, entry.values, entry.modified_params, entry.faults, entry.new_keys
        )

    @property
    def standing(self) -> Coverage | None:
        """Which further calls the approval covers, and until when."""
        stood = self._of_decision("standing")
        if stood is None:
            return None
        until = datetime.fromisoformat(str(self._of_decision("standingUntil")))
        ended = next((event.at for event in self.events if event.type == "ended"), until)
        return Coverage(self.scopes[str(stood)], ended)

    @property
    def covered_by(self) -> str | None:
        """The interrupt whose standing approval approved this one."""
        return self._of_decision("coveredBy")

    def _of_decision(self, name: str) -> str | None:
        """What a decision that can be trusted says of standing approvals."""
        decided = next((event for event in self.events if event.type == "decided"), None)
        value = decided.detail.get(name) if decided and not self.fault else None
        return None if value is None else str(value)

    @property
    def callback_fault(self) -> str | None:
        """Why the callback was not delivered, or not yet, and what to do; None if it was."""
        if self.answered is not None:
            fault = _fault_of_callback(self.answered)
            return f"The callback is not delivered yet: {fault}. LoopIn tries again for three days."
        for event in self.events:
            if event.type == "callback-given-up":
                if event.detail.get("reason") == RESTORED:
                    return f"The callback was not sent again: {RESTORED}."
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
        """The action, then the state, or whether the human has to correct something."""
        action = self.interrupt.action
        short = plain_text(action[:LONGEST_TITLE]) + ("…" if len(action) > LONGEST_TITLE else "")
        has_to_correct = self.interrupt.is_pending and self.problem
        return f"{short} · {'Not recorded yet' if has_to_correct else self.state}"

    @property
    def to_confirm(self) -> str:
        """The decision that the page asks to confirm, if any: it does so for high urgency."""
        return self.entry.decision if self.problem == "unconfirmed" else ""

    @property
    def verdict(self) -> str | None:
        """The button that the human pressed, if any."""
        return _VERDICTS.get(self.entry.decision)

    @property
    def problem(self) -> Literal["faulty", "unconfirmed", "changed", "late"] | None:
        """Why nothing was recorded: a faulty form, a changed request, or one already settled."""
        if self.interrupt.is_pending and self.entry.faults:
            return "unconfirmed" if set(self.entry.faults) == {"confirmed"} else "faulty"
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
    def expiry(self) -> str | None:
        """The label of the time of expiry, if that still matters."""
        return _EXPIRY.get(self.interrupt.status)

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
    what = _WORDS.get(event.type, event.type)
    if event.detail.get("reason") == RESTORED:
        return f"{_WORDS_IF_RESTORED.get(event.type, what)}: {RESTORED}"
    return what


def _fault_of_callback(answered: object) -> str:
    return fault_of_answer(answered) if isinstance(answered, int) and answered else "no answer came"
