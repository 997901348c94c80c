"""The trail of an interrupt: an event for every change, chained by hashes."""

import json
from collections.abc import Iterable, Mapping
from typing import Literal

from pydantic import JsonValue

from loopin_mcp.api.access.actors import Actor
from loopin_mcp.api.audit.digests import digest
from loopin_mcp.api.clock import moment
from loopin_mcp.api.database.rows import ALL_COLUMNS, object_of, refuse_damage
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

# The columns that `event_of` needs.
EVENT = "interrupt_id, sequence, type, at_ms, actor, channel, detail, previous_hash, hash"

_INSERT = f"""
    INSERT INTO events ({EVENT}) VALUES (:interrupt_id, :sequence, :type, :at_ms, :actor,
        :channel, :detail, :previous_hash, :hash)
    """  # noqa: S608 - only constants
_SEEN = """
    SELECT 1 AS one FROM events WHERE interrupt_id = :interrupt_id AND type = 'viewed'
        AND actor = :actor AND channel = :channel
    """


def append(
    row: Row,
    kind: EventType,
    at_ms: int,
    actor: Actor,
    detail: Mapping[str, JsonValue],
    **changes: Value,
) -> Steps[Row]:
    """Append an event to the trail of an interrupt, whose `row` this transaction has locked.

    Sets the columns in `changes` too. Returns the new row.

    Raises:
        UnavailableError: The row is damaged.
    """
    with refuse_damage(row):
        event = Event(
            interrupt_id=str(row["interrupt_id"]),
            sequence=int(row["event_count"] or 0) + 1,
            type=kind,
            at=moment(at_ms),
            actor=actor.name,
            channel=actor.channel,
            detail=dict(detail),
            previous_hash=str(row["events_head"]),
            hash="",
        )
    event = event.model_copy(update={"hash": hash_of(event)})
    stored = event.model_dump(exclude={"at"})
    yield _INSERT, {**stored, "at_ms": at_ms, "detail": json.dumps(event.detail)}
    changes |= {"events_head": event.hash, "event_count": event.sequence}
    columns = ", ".join(f"{column} = :{column}" for column in changes)
    yield (
        f"UPDATE interrupts SET {columns} WHERE interrupt_id = :interrupt_id",  # noqa: S608 - names from the code
        {**changes, "interrupt_id": event.interrupt_id},
    )
    return {**row, **changes}


def hash_of(event: Event) -> str:
    """The SHA-256 of the RFC 8785 form of an event without its `hash`."""
    return digest(event.model_dump(mode="json", by_alias=True, exclude={"hash"}))


def chain_fault(chain: Iterable[Event]) -> str | None:
    """The first sign that the events of an interrupt were tampered with, or None."""
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


def seen(interrupt_id: str, actor: Actor) -> Statement:
    """Finds a row if it is recorded that someone has seen an interrupt."""
    return _SEEN, {"interrupt_id": interrupt_id, "actor": actor.name, "channel": actor.channel}


def view(interrupt_id: str, now: int, actor: Actor) -> Steps[None]:
    """Record that someone has seen a pending interrupt, the first time."""
    row = yield from locked(interrupt_id, now)
    before = yield seen(interrupt_id, actor)
    if row["status"] == "pending" and not before:
        yield from append(row, "viewed", now, actor, {})


def locked(interrupt_id: str, now: int) -> Steps[Row]:
    """The row of an interrupt, locked until this transaction ends.

    Raises:
        NotFoundError: There is no interrupt with this id.
    """
    row = yield from locked_if("TRUE", interrupt_id=interrupt_id, now=now)
    if row is None:
        raise NotFoundError("Interrupt not found")
    return row


def locked_if(condition: str, **params: Value) -> Steps[Row | None]:
    """The row of the interrupt `:interrupt_id`, locked, or None if it does not meet a condition."""
    rows = yield (
        f"""
        UPDATE interrupts SET event_count = event_count
        WHERE interrupt_id = :interrupt_id AND {condition} RETURNING callback_url, {ALL_COLUMNS}
        """,  # noqa: S608 - only constants
        params,
    )
    return rows[0] if rows else None


def event_of(row: Row) -> Event:
    """The event in a row.

    Raises:
        UnavailableError: The row is damaged.
    """
    with refuse_damage(row):
        return Event.model_validate(
            {**row, "at": moment(row["at_ms"]), "detail": object_of(row["detail"])}
        )
