"""The trail of an interrupt: checked against its row, and continued by new events."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from pydantic import JsonValue

from loopin_mcp.api.access.actors import Actor
from loopin_mcp.api.audit.audit_keys import NO_KEYS, AuditKeys
from loopin_mcp.api.audit.digests import canonical
from loopin_mcp.api.audit.events import EVENT, EventType, event_of, hashed_part, order_fault
from loopin_mcp.api.audit.replay import STATE, state_after, state_of
from loopin_mcp.api.clock import moment, ms_of
from loopin_mcp.api.database.rows import refuse_damage
from loopin_mcp.api.database.steps import Row, Steps, Value
from loopin_mcp.errors import TamperedError
from loopin_mcp.wire.models import Event

_INSERT = f"""
    INSERT INTO events ({EVENT}) VALUES (:interrupt_id, :sequence, :type, :at_ms, :actor,
        :channel, :detail, :previous_hash, :hash)
    """  # noqa: S608 - only constants
_LOCK = f"""
    UPDATE interrupts SET event_count = event_count WHERE interrupt_id = :interrupt_id
    RETURNING {STATE}
    """  # noqa: S608 - only constants
_EVENTS = f"""
    SELECT {EVENT} FROM events WHERE interrupt_id = :interrupt_id ORDER BY sequence
    """  # noqa: S608 - only constants


@dataclass(frozen=True)
class Fault:
    """A sign of tampering, or, if it is none, why a trail cannot be checked with these keys."""

    text: str
    is_tampering: bool = True


@dataclass(frozen=True)
class Trail:
    """The row of an interrupt with the columns of `STATE`, and its events, which `keys` made.

    `newer` is the row's number of events and their head if the events were read after the row.
    """

    keys: AuditKeys
    row: Row
    events: Sequence[Event]
    newer: tuple[Value, Value] | None = None

    def faults(self, *, deep: bool = True) -> Iterator[Fault]:
        """The faults of the events, and those of the row, which must be as the events say.

        If it is `deep`, what the row asks is digested, which takes a while if that is long.
        """
        if not self.events:
            yield Fault("it has no events")
            return
        key_fault = self.keys.fault_of(self.events[0].detail.get("keyId"))
        in_chain = chain_fault(self.events, None if key_fault else self.keys)
        for fault in (in_chain, order_fault(self.events), self._end_fault()):
            if fault:
                yield Fault(fault)
        yield from map(Fault, self._row_faults(deep=deep))
        if key_fault:
            yield Fault(f"its events {key_fault}", is_tampering=False)

    def fault(self, *, deep: bool = True) -> Fault | None:
        """The first of the faults, tampering first, or None.

        Raises:
            UnavailableError: The interrupt is damaged.
        """
        with refuse_damage(self.row):
            return next(self.faults(deep=deep), None)

    def require_whole(self, *, deep: bool = True) -> None:
        """Refuse a trail with a fault.

        Raises:
            TamperedError: It has one.
            UnavailableError: The interrupt is damaged.
        """
        if fault := self.fault(deep=deep):
            raise tampered(self.row["interrupt_id"], fault)

    def not_before(self, at_ms: int) -> int:
        """This time, or that of the latest event: the clock may have been set back."""
        return max(at_ms, ms_of(self.events[-1].at)) if self.events else at_ms

    def append(
        self,
        kind: EventType,
        at_ms: int,
        actor: Actor,
        detail: Mapping[str, JsonValue],
        **changes: Value,
    ) -> Steps[Row]:
        """Append an event, whose interrupt this transaction has locked, and return the new row.

        Sets the columns in `changes` too.
        """
        event = self._next(kind, at_ms, actor, detail)
        stored = event.model_dump(exclude={"at"}) | {"at_ms": ms_of(event.at)}
        yield _INSERT, {**stored, "detail": json.dumps(event.detail)}
        changes |= {"events_head": event.hash, "event_count": event.sequence}
        columns = ", ".join(f"{column} = :{column}" for column in changes)
        yield (
            f"UPDATE interrupts SET {columns} WHERE interrupt_id = :interrupt_id",  # noqa: S608 - names from the code
            {**changes, "interrupt_id": event.interrupt_id},
        )
        return {**self.row, **changes}

    def _next(
        self, kind: EventType, at_ms: int, actor: Actor, detail: Mapping[str, JsonValue]
    ) -> Event:
        key_id = None if self.events else self.keys.key_id
        with refuse_damage(self.row):
            event = Event(
                interrupt_id=str(self.row["interrupt_id"]),
                sequence=len(self.events) + 1,
                type=kind,
                at=moment(self.not_before(at_ms)),
                actor=actor.name,
                channel=actor.channel,
                detail={**detail} | ({"keyId": key_id} if key_id else {}),
                previous_hash=self.events[-1].hash if self.events else "",
                hash="",
            )
        return event.model_copy(update={"hash": self.keys.hash_of(hashed_part(event))})

    def _end_fault(self) -> str | None:
        count, head = self.newer or self._end
        if count != len(self.events):
            return f"it has {len(self.events)} events and should have {count}"
        heads = (head, self._end[1])
        if heads != (self.events[-1].hash, self._events_of_row[-1].hash):
            return "its eventsHead is not the hash of its last event"
        return None

    def _row_faults(self, *, deep: bool) -> Iterator[str]:
        replayed, stored = state_after(self._events_of_row), state_of(self.row, deep=deep)
        if self.row["payload_digest"] != stored["payloadDigest"]:
            yield "its payloadDigest does not match what it asks"
        for name in sorted(replayed.keys() | stored.keys()):
            if canonical(replayed.get(name)) != canonical(stored.get(name)):
                yield f"its {name} does not match its events"

    @property
    def _end(self) -> tuple[Value, Value]:
        return self.row["event_count"], self.row["events_head"]

    @property
    def _events_of_row(self) -> Sequence[Event]:
        """The events that the row knows, of which there is at least one."""
        count = int(self.row["event_count"] or 0)
        return self.events[:count] or self.events if self.newer else self.events


def chain_fault(chain: Iterable[Event], keys: AuditKeys | None = NO_KEYS) -> str | None:
    """The first event that is not chained to the one before it, or None.

    Without `keys` the hashes themselves are not checked.
    """
    previous = ""
    for sequence, event in enumerate(chain, 1):
        if event.sequence != sequence:
            return f"event {sequence} is missing"
        if event.previous_hash != previous:
            return f"event {sequence} does not follow the one before it"
        if keys and not keys.has_made(event.hash, hashed_part(event)):
            return f"event {sequence} was changed"
        previous = event.hash
    return None


def tampered(interrupt_id: Value, fault: Fault) -> TamperedError:
    """The error for a fault of an interrupt."""
    if not fault.is_tampering:
        return TamperedError(f"Interrupt {interrupt_id} cannot be trusted, since {fault.text}")
    return TamperedError(
        f"Interrupt {interrupt_id} was changed after it was created, and not by LoopIn "
        f"({fault.text}): do not act on it, and have `loopin-mcp audit verify` run"
    )


def locked_row(interrupt_id: str, now: int) -> Steps[Row | None]:
    """The row of an interrupt, locked until this transaction ends, or None if there is none."""
    rows = yield _LOCK, {"interrupt_id": interrupt_id, "now": now}
    return rows[0] if rows else None


def trail_of(keys: AuditKeys, row: Row) -> Steps[Trail]:
    """The trail of an interrupt whose row this transaction has locked.

    Raises:
        UnavailableError: An event is damaged.
    """
    rows = yield _EVENTS, {"interrupt_id": row["interrupt_id"]}
    return Trail(keys, row, [event_of(event) for event in rows])
