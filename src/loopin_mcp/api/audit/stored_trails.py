"""The trails of stored interrupts: which cannot be trusted, and who has seen them."""

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass

import anyio.to_thread

from loopin_mcp.api.access.actors import Actor
from loopin_mcp.api.audit.audit_keys import AuditKeys
from loopin_mcp.api.audit.events import EVENT, event_of
from loopin_mcp.api.audit.trail import Fault, Trail, locked_row, trail_of
from loopin_mcp.api.database.steps import Database, Row, Statement, Steps, Value, listed
from loopin_mcp.errors import NotFoundError, UnavailableError

_SEEN = """
    SELECT 1 AS one FROM events WHERE interrupt_id = :interrupt_id AND type = 'viewed'
        AND actor = :actor AND channel = :channel
    """


@dataclass(frozen=True)
class Found:
    """The rows of the events of an interrupt, and its number of events and head at that moment."""

    events: list[Row]
    end: tuple[Value, Value]


class Trails:
    """The trails in a database. Events are read after the row, so there may be newer ones."""

    def __init__(self, database: Database, keys: AuditKeys) -> None:
        self._database = database
        self._keys = keys

    async def of(self, row: Row) -> Trail:
        """The trail of an interrupt, whose row has the columns of `STATE`.

        Raises:
            NotFoundError: It was deleted since.
            UnavailableError: An event is damaged.
        """
        found = await self._found([row])
        if row["interrupt_id"] not in found:
            raise NotFoundError("Interrupt not found")
        return self._trail(row, found[row["interrupt_id"]])

    async def faults(
        self, rows: Collection[Row], longest: float = math.inf
    ) -> Mapping[Value, Fault]:
        """The first fault of each of these interrupts that has one, by its id.

        A context longer than `longest` characters is not digested.
        """
        found = await self._found(rows)
        # It may take long, which must not delay other requests.
        return await anyio.to_thread.run_sync(self._faults, rows, found, longest)

    def _faults(
        self, rows: Collection[Row], found: Mapping[Value, Found], longest: float
    ) -> Mapping[Value, Fault]:
        faults = {}
        for row in rows:
            fault = self._fault(row, found.get(row["interrupt_id"]), longest)
            if fault:
                faults[row["interrupt_id"]] = fault
        return faults

    def _fault(self, row: Row, found: Found | None, longest: float) -> Fault | None:
        if found is None:
            return Fault("it does not exist any more", is_tampering=False)
        try:
            return self._trail(row, found).fault(deep=len(str(row["context"])) <= longest)
        except UnavailableError:
            return Fault("its stored data cannot be read")

    def _trail(self, row: Row, found: Found) -> Trail:
        return Trail(self._keys, row, [event_of(event) for event in found.events], found.end)

    async def _found(self, rows: Collection[Row]) -> Mapping[Value, Found]:
        among, ids = listed("id", (str(row["interrupt_id"]) for row in rows))
        joined = await self._database.read(
            f"""
            SELECT {EVENT}, event_count, events_head FROM interrupts LEFT JOIN events
            USING (interrupt_id) WHERE interrupts.interrupt_id IN ({among}) ORDER BY sequence
            """,  # noqa: S608 - constants and names made here
            **ids,
        )
        found: dict[Value, Found] = {}
        for row in joined:
            end = row["event_count"], row["events_head"]
            events = found.setdefault(row["interrupt_id"], Found([], end)).events
            if row["sequence"] is not None:
                events.append(row)
        return found


def seen(interrupt_id: str, actor: Actor) -> Statement:
    """Finds a row if it is recorded that someone has seen an interrupt."""
    return _SEEN, {"interrupt_id": interrupt_id, "actor": actor.name, "channel": actor.channel}


def view(keys: AuditKeys, interrupt_id: str, now: int, actor: Actor) -> Steps[None]:
    """Record that someone has seen a pending interrupt, the first time."""
    row = yield from locked_row(interrupt_id, now)
    if row is None:
        raise NotFoundError("Interrupt not found")
    before = yield seen(interrupt_id, actor)
    if row["status"] == "pending" and not before:
        trail = yield from trail_of(keys, row)
        trail.require_whole(deep=False)
        yield from trail.append("viewed", now, actor, {})
