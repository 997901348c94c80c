"""The trails of stored interrupts: which cannot be trusted, and who has seen them."""

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import partial

import anyio.to_thread

from loopin_mcp.api.access.actors import Actor
from loopin_mcp.api.audit.audit_keys import AuditKeys
from loopin_mcp.api.audit.events import EVENT
from loopin_mcp.api.audit.trail import TRAIL, Fault, Trail, locked_trail
from loopin_mcp.api.database.steps import Database, Row, Statement, Steps, Value, listed
from loopin_mcp.errors import NotFoundError, UnavailableError

# To check longer contexts takes time, which must not delay other requests.
LONG = 4096

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
    """The trails in a database."""

    def __init__(self, database: Database, keys: AuditKeys) -> None:
        self._database = database
        self._keys = keys

    async def of(self, interrupt_id: str, now: int) -> Trail:
        """The trail of an interrupt, whose row has the columns of `STATE`.

        Raises:
            NotFoundError: No interrupt has this id.
        """
        rows = await self._database.find(TRAIL, interrupt_id=interrupt_id, now=now)
        trail = Trail.of_rows(self._keys, rows)
        if trail is None:
            raise NotFoundError("Interrupt not found")
        return trail

    async def whole(self, interrupt_id: str, now: int) -> Row:
        """The row of an interrupt, checked against its trail.

        Raises:
            NotFoundError: No interrupt has this id.
            TamperedError: It was tampered with.
            UnavailableError: It is damaged.
        """
        trail = await self.of(interrupt_id, now)
        if len(str(trail.row["context"])) > LONG:
            await anyio.to_thread.run_sync(trail.require_whole)
        else:
            trail.require_whole()
        return trail.row

    async def record_view(self, interrupt_id: str, actor: Actor, now: int) -> None:
        """Record that someone has seen a pending interrupt, the first time.

        Raises:
            NotFoundError: No interrupt has this id.
            TamperedError: It was tampered with.
        """
        # A reload of the page must not cost a write.
        sql, params = _seen(interrupt_id, actor)
        if not await self._database.find(sql, **params):
            await self._database.transact(partial(view, self._keys, interrupt_id, now, actor))

    async def faults(
        self, rows: Collection[Row], longest: float = math.inf
    ) -> Mapping[Value, Fault]:
        """The first fault of each of these interrupts that has one, by its id.

        A context longer than `longest` characters is not digested.
        """
        return await self.faults_of(rows, await self._found(rows), longest)

    async def faults_of(
        self, rows: Collection[Row], found: Mapping[Value, Found], longest: float = math.inf
    ) -> Mapping[Value, Fault]:
        """The same as `faults`, if the events were read already."""
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
        trail = self._trail(row, found)
        if trail.is_known_whole:
            return None
        try:
            return trail.fault(deep=len(str(row["context"])) <= longest)
        except UnavailableError:
            return Fault("its stored data cannot be read")

    def _trail(self, row: Row, found: Found) -> Trail:
        return Trail(self._keys, row, found.events, found.end)

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


def _seen(interrupt_id: str, actor: Actor) -> Statement:
    """Finds a row if it is recorded that someone has seen an interrupt."""
    return _SEEN, {"interrupt_id": interrupt_id, "actor": actor.name, "channel": actor.channel}


def view(keys: AuditKeys, interrupt_id: str, now: int, actor: Actor) -> Steps[None]:
    """Record that someone has seen a pending interrupt, the first time."""
    trail = yield from locked_trail(keys, interrupt_id, now)
    if trail is None:
        raise NotFoundError("Interrupt not found")
    before = yield _seen(interrupt_id, actor)
    if trail.row["status"] == "pending" and not before:
        trail.require_whole(deep=False)
        yield from trail.append("viewed", now, actor, {})
