"""The trail of an interrupt: every change an event, each chained to the one before by its hash."""

import json
from collections.abc import Iterable, Mapping
from typing import Literal

from pydantic import JsonValue

from loopin_mcp.api.access.actors import Actor
from loopin_mcp.api.audit.digests import digest
from loopin_mcp.api.clock import moment
from loopin_mcp.api.database.rows import ALL_COLUMNS, number, object_of, refuse_damage
from loopin_mcp.api.database.steps import Row, Statement, Steps, Value
from loopin_mcp.errors import NotFoundError
from loopin_mcp.wire.models import Event

EventType = Literal[
    "created",
    "notified",
    "viewed",
    "decided",
    "cancelled",
    "expired",
    "callback-delivered",
    "callback-given-up",
    "migrated",
]

# The columns that `event_of` reads.
EVENT = "interrupt_id, sequence, type, at_ms, actor, channel, detail, previous_hash, hash"

_SEEN = """
    SELECT 1 AS one FROM events WHERE interrupt_id = :interrupt_id AND type = 'viewed'
        AND actor = :actor AND channel = :channel
    """

_TRAIL = """
    SELECT events.* FROM interrupts LEFT JOIN events USING (interrupt_id)
    WHERE interrupts.interrupt_id = :interrupt_id ORDER BY sequence
    """


def append(
    row: Row,
    kind: EventType,
    at_ms: int,
    actor: Actor,
    detail: Mapping[str, JsonValue],
    **changes: Value,
) -> Steps[Row]:
    """Add an event to the chain of the interrupt in `row`, which this transaction has locked.

    The columns in `changes` are set with it. Returns the row as it is then.

    Raises:
        UnavailableError: What is stored of the interrupt is damaged.
    """
    with refuse_damage(row):
        event = Event(
            interrupt_id=str(row["interrupt_id"]),
            sequence=number(row["event_count"]) + 1,
            type=kind,
            at=moment(at_ms),
            actor=actor.name,
            channel=actor.channel,
            detail=dict(detail),
            previous_hash=str(row["events_head"]),
            hash="",
        )
    event = event.model_copy(update={"hash": hash_of(event)})
    yield _insert(event, at_ms)
    changes |= {"events_head": event.hash, "event_count": event.sequence}
    columns = ", ".join(f"{column} = :{column}" for column in changes)
    yield (
        f"UPDATE interrupts SET {columns} WHERE interrupt_id = :interrupt_id",  # noqa: S608 - names that stand in the code
        {**changes, "interrupt_id": event.interrupt_id},
    )
    return {**row, **changes}


def hash_of(event: Event) -> str:
    """The SHA-256 of the RFC 8785 form of all fields of an event but `hash`."""
    return digest(event.model_dump(mode="json", by_alias=True, exclude={"hash"}))


def chain_fault(chain: Iterable[Event]) -> str | None:
    """What shows that the events of one interrupt are not as they were written, or None."""
    previous = ""
    for sequence, event in enumerate(chain, 1):
        if event.sequence != sequence:
            return f"event {sequence} is missing"
        if event.previous_hash != previous:
            return f"event {sequence} does not follow the one before it"
        if event.hash != hash_of(event):
            return f"event {sequence} was changed"
        previous = event.hash
    return None


def trail(interrupt_id: str) -> Statement:
    """Yields the events of an interrupt in their order; a row without one, if it has none."""
    return _TRAIL, {"interrupt_id": interrupt_id}


def seen(interrupt_id: str, actor: Actor) -> Statement:
    """Yields a row where it is recorded that someone was shown an interrupt."""
    return _SEEN, {"interrupt_id": interrupt_id, "actor": actor.name, "channel": actor.channel}


def view(interrupt_id: str, now: int, actor: Actor) -> Steps[None]:
    """Record that someone was shown an interrupt that is pending, the first time.

    Raises:
        NotFoundError: There is none of that id.
    """
    row = yield from locked(interrupt_id, now)
    before = yield seen(interrupt_id, actor)
    if row["status"] == "pending" and not before:
        yield from append(row, "viewed", now, actor, {})


def locked(interrupt_id: str, now: int) -> Steps[Row]:
    """The row of an interrupt, which nobody else changes until this transaction ends.

    Raises:
        NotFoundError: There is none of that id.
    """
    rows = yield (
        f"""
        UPDATE interrupts SET event_count = event_count WHERE interrupt_id = :interrupt_id
        RETURNING {ALL_COLUMNS}
        """,  # noqa: S608 - constants alone
        {"interrupt_id": interrupt_id, "now": now},
    )
    if not rows:
        raise NotFoundError("Interrupt not found")
    return rows[0]


def event_of(row: Row) -> Event:
    """The event that a row of the table holds.

    Raises:
        UnavailableError: What is stored of it is damaged.
    """
    with refuse_damage(row):
        return Event.model_validate(
            {**row, "at": moment(row["at_ms"]), "detail": object_of(row["detail"])}
        )


def _insert(event: Event, at_ms: int) -> Statement:
    return (
        f"""
        INSERT INTO events ({EVENT}) VALUES (:interrupt_id, :sequence, :type, :at_ms, :actor,
            :channel, :detail, :previous_hash, :hash)
        """,  # noqa: S608 - constants alone
        {**event.model_dump(exclude={"at"}), "at_ms": at_ms, "detail": json.dumps(event.detail)},
    )
