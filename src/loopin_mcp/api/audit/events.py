"""The events of an interrupt, one for every change, and the order in which they can follow."""

from collections.abc import Mapping, Sequence
from typing import Literal, get_args

from loopin_mcp.api.clock import moment
from loopin_mcp.api.database.rows import object_of, refuse_damage
from loopin_mcp.api.database.steps import Row
from loopin_mcp.wire.fields import JSONObject, format_time
from loopin_mcp.wire.models import Event

# The first event. Only an upgrade of a database of version 0.1.0 makes `migrated`.
Creation = Literal["created", "migrated"]
# Of these there is at most one.
Outcome = Literal["decided", "cancelled", "expired"]
Sighting = Literal["notified", "viewed"]
# These follow an outcome.
CallbackEnd = Literal["callback-delivered", "callback-given-up"]
# These follow an approval: its use, at most once, and the end of a standing one.
Use = Literal["used", "ended"]
EventType = Literal[Creation, Outcome, Sighting, CallbackEnd, Use]

# The `reason` in the detail of events that were recorded when a backup was restored.
RESTORED = "LoopIn was restored from a backup"

# The columns that `event_of` needs.
OF_EVENT = "sequence, type, at_ms, actor, channel, detail, previous_hash, hash"
EVENT = f"interrupt_id, {OF_EVENT}"


def event_of(row: Row) -> Event:
    """The event in a row.

    Raises:
        UnavailableError: The row is damaged.
    """
    with refuse_damage(row):
        return Event.model_validate(
            {**row, "at": moment(row["at_ms"]), "detail": object_of(row["detail"])}
        )


def hashed_part(event: Event) -> JSONObject:
    """What the hash of an event covers: all other fields."""
    return {
        "interruptId": event.interrupt_id,
        "sequence": event.sequence,
        "type": event.type,
        "at": format_time(event.at),
        "actor": event.actor,
        "channel": event.channel,
        "detail": event.detail,
        "previousHash": event.previous_hash,
    }


def outcome_of(events: Sequence[Event]) -> Event | None:
    """The event that settled an interrupt, or None if it is pending."""
    first, *others = events
    if first.type == "migrated" and first.detail.get("status") != "pending":
        return first
    return next((event for event in others if event.type in get_args(Outcome)), None)


def order_fault(events: Sequence[Event]) -> str | None:
    """The first event of a trail that cannot be at its place, or None."""
    first, before = events[0], events[0]
    if first.type not in get_args(Creation):
        return "event 1 does not create it"
    # The outcome, and the uses of an approval, by their types.
    marks = {"outcome": outcome} if (outcome := outcome_of([first])) else {}
    for event in events[1:]:
        if fault := _fault_of_step(first, before, event, marks):
            return f"event {event.sequence} {fault}"
        if event.type in get_args(Outcome):
            marks["outcome"] = event
        elif event.type in get_args(Use):
            marks[event.type] = event
        before = event
    return None


def _fault_of_step(
    first: Event, before: Event, event: Event, marks: Mapping[str, Event]
) -> str | None:
    """Why an event cannot follow the one before it, or None."""
    outcome = marks.get("outcome")
    if event.at < before.at:
        return "is earlier than the one before it"
    if event.type in get_args(Outcome):
        is_timely = _is_timely(event, str(first.detail.get("expiresAt")), before)
        fault = None if is_timely else "does not fit the time of expiry"
        return "is a second outcome" if outcome else fault
    if event.type in get_args(CallbackEnd):
        return None if outcome else "reports a callback before an outcome"
    if event.type in get_args(Use):
        is_approved = outcome is not None and outcome.detail.get("decision") == "approved"
        fault = None if is_approved else "uses what is not approved"
        return "comes a second time" if event.type in marks else fault
    return None if event.type in get_args(Sighting) else "cannot follow the one before it"


def _is_timely(outcome: Event, expires_at: str, before: Event) -> bool:
    is_due = format_time(outcome.at) >= expires_at
    # If the clock was set back, an outcome has the time of the event before.
    return is_due == (outcome.type == "expired") or outcome.at == before.at
