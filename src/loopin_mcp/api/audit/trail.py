"""The trail of an interrupt: checked against its row, and continued by new events."""

import json
import marshal
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from hashlib import blake2b
from operator import itemgetter
from typing import Self

from pydantic import JsonValue

from loopin_mcp.api.access.actors import Actor
from loopin_mcp.api.audit.audit_keys import NO_KEYS, AuditKeys
from loopin_mcp.api.audit.digests import canonical
from loopin_mcp.api.audit.events import (
    EVENT,
    OF_EVENT,
    EventType,
    event_of,
    hashed_part,
    order_fault,
)
from loopin_mcp.api.audit.replay import STATE, state_after, state_of
from loopin_mcp.api.database.rows import fields_of, refuse_damage
from loopin_mcp.api.database.steps import Row, Steps, Value
from loopin_mcp.errors import TamperedError
from loopin_mcp.wire.fields import JSONObject
from loopin_mcp.wire.models import Event

_INSERT = f"""
    INSERT INTO events ({EVENT}) VALUES (:interrupt_id, :sequence, :type, :at_ms, :actor,
        :channel, :detail, :previous_hash, :hash)
    """  # noqa: S608 - only constants
LOCK = "UPDATE interrupts SET event_count = event_count WHERE interrupt_id = :interrupt_id"
TRAIL = f"""
    SELECT {STATE}, traceparent, {OF_EVENT} FROM interrupts LEFT JOIN events USING (interrupt_id)
    WHERE interrupt_id = :interrupt_id ORDER BY sequence
    """  # noqa: S608 - only constants
_text = json.JSONEncoder().encode
# The columns that change after the creation, as they are until then.
_UNSETTLED: Row = {
    "decided_ms": None,
    "decided_by": None,
    "decided_via": None,
    "reason": None,
    "modified_params": None,
    "used_ms": None,
    "standing": None,
    "standing_until_ms": None,
    "covered_by": None,
    "stored_status": "pending",
    "stored_settled_ms": None,
}
# What is checked of a row: not what depends on the time.
_ROW_VALUES = itemgetter(
    "interrupt_id",
    "agent_id",
    "user_id",
    "action",
    "context",
    "urgency",
    "created_ms",
    "expires_ms",
    "call",
    "use_within",
    "editable",
    "options",
    "payload_digest",
    "events_head",
    "event_count",
    "callback_url",
    *_UNSETTLED,
)
_EVENT_VALUES = itemgetter(*OF_EVENT.split(", "))


@dataclass(frozen=True)
class Fault:
    """A sign of tampering, or, if it is none, why a trail cannot be checked with these keys."""

    text: str
    is_tampering: bool = True


@dataclass(frozen=True)
class Trail:
    """The row of an interrupt with the columns of `STATE`, and those of its events by `keys`.

    `newer` is the row's number of events and their head if the events were read after the row.
    """

    keys: AuditKeys
    row: Row
    event_rows: Sequence[Row]
    newer: tuple[Value, Value] | None = None

    @classmethod
    def of_rows(cls, keys: AuditKeys, rows: Sequence[Row]) -> Self | None:
        """The trail in the rows of a statement of `TRAIL`, or None if there are none."""
        if not rows:
            return None
        return cls(keys, rows[0], [row for row in rows if row["sequence"] is not None])

    @cached_property
    def events(self) -> Sequence[Event]:
        """The events.

        Raises:
            UnavailableError: One of them is damaged.
        """
        return [event_of(row) for row in self.event_rows]

    def faults(self, *, deep: bool = True) -> Iterator[Fault]:
        """The faults of the events, and those of the row, which must be as the events say.

        If it is `deep`, what the row asks is digested, which takes a while if that is long.
        """
        # Damage counts before tampering. Without the context, its digest cannot be made.
        fields = fields_of(self.row if deep else {**self.row, "context": "{}"})
        if not self.events:
            yield Fault("it has no events")
            return
        key_fault = self.keys.fault_of(self.events[0].detail.get("keyId"))
        in_chain = chain_fault(self.events, None if key_fault else self.keys)
        for fault in (in_chain, order_fault(self.events), self._end_fault()):
            if fault:
                yield Fault(fault)
        yield from map(Fault, self._row_faults(fields, deep=deep))
        if key_fault:
            yield Fault(f"its events {key_fault}", is_tampering=False)

    def fault(self, *, deep: bool = True) -> Fault | None:
        """The first of the faults, tampering first, or None.

        Raises:
            UnavailableError: The interrupt is damaged.
        """
        with refuse_damage(self.row):
            return next(self.faults(deep=deep), None)

    @property
    def is_known_whole(self) -> bool:
        """Whether exactly this was found whole before, and nothing was added since."""
        is_latest = self.newer in (None, self._end)
        return is_latest and self.keys.is_known_whole(str(self.row["interrupt_id"]), self._mark)

    def require_whole(self, *, deep: bool = True) -> None:
        """Refuse a trail with a fault, unless exactly this trail was found whole before.

        Raises:
            TamperedError: It has one.
            UnavailableError: The interrupt is damaged.
        """
        interrupt_id, mark = str(self.row["interrupt_id"]), self._mark
        if self.keys.is_known_whole(interrupt_id, mark):
            return
        if fault := self.fault(deep=deep):
            raise tampered(interrupt_id, fault)
        if deep:
            self.keys.remember_whole(interrupt_id, mark)

    def not_before(self, at_ms: int) -> int:
        """This time, or that of the latest event: the clock may have been set back."""
        return max(at_ms, int(self.event_rows[-1]["at_ms"] or 0)) if self.event_rows else at_ms

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
        changes = yield from self.add(kind, at_ms, actor, detail, **changes)
        columns = ", ".join(f"{column} = :{column}" for column in changes)
        yield (
            f"UPDATE interrupts SET {columns} WHERE interrupt_id = :interrupt_id",  # noqa: S608 - names from the code
            {**changes, "interrupt_id": self.row["interrupt_id"]},
        )
        return {**self.row, **changes}

    def add(
        self,
        kind: EventType,
        at_ms: int,
        actor: Actor,
        detail: Mapping[str, JsonValue],
        **changes: Value,
    ) -> Steps[dict[str, Value]]:
        """Store an event; returns all columns of the interrupt that have to change with it."""
        number, last = len(self.event_rows) + 1, self.event_rows[-1] if self.event_rows else None
        key_id = None if last else self.keys.key_id
        detail = {**detail} | ({"keyId": key_id} if key_id else {})
        event: dict[str, Value] = {
            "interrupt_id": self.row["interrupt_id"],
            "sequence": number,
            "type": kind,
            "at_ms": self.not_before(at_ms),
            "actor": actor.name,
            "channel": actor.channel,
            "detail": _text(detail),
            "previous_hash": last["hash"] if last else "",
            "hash": "",
        }
        event["hash"] = self.keys.hash_of(hashed_part(event_of(event)))
        yield _INSERT, event
        changes |= {"events_head": event["hash"], "event_count": number}
        if last is None or self.keys.is_known_whole(str(event["interrupt_id"]), self._mark):
            self._remember_with(event, changes)
        return changes

    @cached_property
    def _mark(self) -> bytes:
        """A digest of all that is stored and can be checked."""
        values = [_ROW_VALUES(self.row), *map(_EVENT_VALUES, self.event_rows)]
        # Version 2 makes the same bytes of the same values.
        return blake2b(marshal.dumps(values, 2), digest_size=16).digest()

    def _remember_with(self, event: Row, changes: Mapping[str, Value]) -> None:
        """Remember what is stored after a change that was made here to what was whole."""
        stored = {f"stored_{column}": value for column, value in changes.items()}
        row = {**_UNSETTLED, **self.row, **changes, **stored}
        after = Trail(self.keys, row, [*self.event_rows, event])
        self.keys.remember_whole(str(row["interrupt_id"]), after._mark)

    def _end_fault(self) -> str | None:
        count, head = self.newer or self._end
        if count != len(self.events):
            return f"it has {len(self.events)} events and should have {count}"
        heads = (head, self._end[1])
        if heads != (self.events[-1].hash, self._events_of_row[-1].hash):
            return "its eventsHead is not the hash of its last event"
        return None

    def _row_faults(self, fields: JSONObject, *, deep: bool) -> Iterator[str]:
        replayed, stored = state_after(self._events_of_row), state_of(self.row, fields, deep=deep)
        if self.row["payload_digest"] != stored["payloadDigest"]:
            yield "its payloadDigest does not match what it asks"
        if canonical(replayed) != canonical(stored):
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


def locked_trail(keys: AuditKeys, interrupt_id: str, now: int) -> Steps[Trail | None]:
    """The trail of an interrupt, locked until this transaction ends, or None if there is none."""
    yield LOCK, {"interrupt_id": interrupt_id}
    return Trail.of_rows(keys, (yield TRAIL, {"interrupt_id": interrupt_id, "now": now}))
