"""Reads all interrupts with their events, and finds what was tampered with."""

from collections import defaultdict
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from functools import partial

from loopin_mcp.api.audit.audit_keys import AuditKeys
from loopin_mcp.api.audit.events import EVENT, event_of
from loopin_mcp.api.audit.replay import STATE
from loopin_mcp.api.audit.trail import Fault, Trail
from loopin_mcp.api.database.rows import refuse_damage, short_id
from loopin_mcp.api.database.steps import Archive, Row, Steps, Value
from loopin_mcp.errors import UnavailableError
from loopin_mcp.wire.models import Event

# How many interrupts are in memory at a time.
RECORDS_AT_ONCE = 200

# Somebody may have deleted an interrupt and not its events, or the other way round.
_IDS = f"""
    SELECT interrupt_id FROM (SELECT interrupt_id FROM interrupts
        WHERE interrupt_id > :after ORDER BY interrupt_id LIMIT {RECORDS_AT_ONCE}) AS stored
    UNION SELECT interrupt_id FROM (SELECT DISTINCT interrupt_id FROM events
        WHERE interrupt_id > :after ORDER BY interrupt_id LIMIT {RECORDS_AT_ONCE}) AS recorded
    ORDER BY interrupt_id LIMIT {RECORDS_AT_ONCE}
    """  # noqa: S608 - only constants
_STATES = f"""
    SELECT {STATE} FROM interrupts WHERE interrupt_id > :after AND interrupt_id <= :last
    """  # noqa: S608 - only constants
_EVENTS = f"""
    SELECT {EVENT} FROM events WHERE interrupt_id > :after AND interrupt_id <= :last
    ORDER BY interrupt_id, sequence
    """  # noqa: S608 - only constants


@dataclass(frozen=True)
class Record:
    """The row of an interrupt, None if it is missing, and the rows of its events."""

    interrupt_id: Value
    row: Row | None
    event_rows: Sequence[Row]

    @property
    def shown_id(self) -> Value:
        """The id; of a pending interrupt only the beginning, since the whole one decides."""
        is_pending = self.row is not None and self.row["status"] == "pending"
        return short_id(self.interrupt_id) if is_pending else self.interrupt_id

    def events(self) -> list[Event]:
        """The events.

        Raises:
            UnavailableError: One of them is damaged.
        """
        return [event_of(row) for row in self.event_rows]

    def is_of_other_keys(self, keys: AuditKeys) -> bool:
        """Whether the hashes of its events cannot be checked with these keys."""
        return any(keys.fault_of(event.detail.get("keyId")) for event in self.events()[:1])

    def faults(self, keys: AuditKeys) -> list[Fault]:
        """All its faults."""
        if self.row is None:
            return [Fault("it is missing, but its events exist")]
        try:
            with refuse_damage(self.row):
                return list(Trail(keys, self.row, self.event_rows).faults())
        except UnavailableError:
            return [Fault("its stored data cannot be read")]


async def records(archive: Archive) -> AsyncIterator[Record]:
    """All interrupts in the order of their ids, each as of one moment."""
    after: Value = ""
    while portion := await archive.transact(partial(_portion, after)):
        for record in portion:
            yield record
        after = portion[-1].interrupt_id


def _portion(after: Value) -> Steps[list[Record]]:
    found = yield _IDS, {"after": after}
    if not found:
        return []
    among = {"after": after, "last": found[-1]["interrupt_id"]}
    interrupts = yield _STATES, {**among, "now": 0}
    rows = {row["interrupt_id"]: row for row in interrupts}
    events = defaultdict(list)
    for event in (yield _EVENTS, among):
        events[event["interrupt_id"]].append(event)
    ids = [row["interrupt_id"] for row in found]
    return [Record(each, rows.get(each), events[each]) for each in ids]
