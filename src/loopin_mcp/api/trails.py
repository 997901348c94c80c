"""What happened to an interrupt, as its page tells it: in our own words alone."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from loopin_mcp.api.events import fault_of
from loopin_mcp.api.pages import doer
from loopin_mcp.api.payloads import payload_digest
from loopin_mcp.api.states import state_after
from loopin_mcp.models import Event, Interrupt

_WORDS = {
    "created": "Asked",
    "notified": "Notice sent",
    "viewed": "Opened",
    "cancelled": "Withdrawn",
    "expired": "Expired",
    "callback-delivered": "Callback delivered",
    "callback-given-up": "Callback given up",
    "migrated": "Taken over from an earlier version",
}


@dataclass(frozen=True)
class Step:
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
    def steps(self) -> tuple[Step, ...]:
        """What happened, in its order."""
        return tuple(
            Step(_what(event), event.at, doer(event.actor, event.channel), event.hash)
            for event in self.events
        )

    @property
    def fault(self) -> str | None:
        """What shows that something was changed afterwards, or None."""
        if not self.events:
            return "all its events are missing"
        if state_after(self.events).get("payloadDigest") != payload_digest(self.interrupt):
            return "what is asked is not what was asked at first"
        # Since then there may be more of them.
        if self.interrupt.events_head not in [event.hash for event in self.events]:
            return "events at its end are missing"
        return fault_of(self.events)


def _what(event: Event) -> str:
    if event.type == "decided":
        return str(event.detail.get("decision")).capitalize()
    return _WORDS.get(event.type, event.type)
