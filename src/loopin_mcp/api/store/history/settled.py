"""The settled interrupts, newest first: those that match a search, a part at a time."""

from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import datetime
from functools import partial

import anyio

from loopin_mcp.api.audit.replay import STATE
from loopin_mcp.api.audit.stored_trails import Trails
from loopin_mcp.api.audit.trail import Fault
from loopin_mcp.api.clock import Clock, moment
from loopin_mcp.api.database.paging import cursor_at, next_cursor, page_of, position_of
from loopin_mcp.api.database.rows import RowReader
from loopin_mcp.api.database.steps import Database, Row, Value
from loopin_mcp.api.store.search import Search, indexed, others, params_of
from loopin_mcp.wire.models import Interrupt

# How many settled interrupts one call searches through.
SEARCHED_AT_ONCE = 5000
# How many such searches may run at once, so that shorter reads find a thread and a connection.
SEARCHES = 2
# Longer contexts are not shown in lists, and so not checked for them: it would take long.
LONGEST_CONTEXT = 40_000
_LAST = 2**62
# SQLite uses the partial index only if its condition, which the comparison implies, is repeated.
_SETTLED = "settled_ms IS NOT NULL AND (settled_ms, ordinal) < (:before_ms, :before)"
_UNTIL = " AND (settled_ms, ordinal) >= (:until_ms, :until)"
NEWEST_FIRST = "settled_ms DESC, ordinal DESC"


@dataclass(frozen=True)
class Settled:
    """A settled interrupt, when it was settled, and the fault of its trail."""

    interrupt: Interrupt
    settled_at: datetime
    fault: Fault | None = None


@dataclass(frozen=True)
class History:
    """A page of the settled interrupts, newest first.

    `looked_back_to` is set if a search stopped there to save time; the next page continues it.
    """

    settled: tuple[Settled, ...]
    next_cursor: str | None
    looked_back_to: datetime | None = None


class SettledInterrupts:
    """Lists the settled interrupts of all users."""

    def __init__(self, database: Database, reader: RowReader, trails: Trails, clock: Clock) -> None:
        self._database = database
        self._reader = reader
        self._trails = trails
        self._clock = clock
        self._searches = anyio.Semaphore(SEARCHES)

    async def list_settled(
        self,
        search: Search,
        *,
        limit: int,
        cursor: str | None = None,
        search_through: int = SEARCHED_AT_ONCE,
    ) -> History:
        """The settled interrupts that match, from `cursor` on.

        If no index serves the search, it reads at most `search_through` interrupts.

        Raises:
            InvalidRequestError: `cursor` does not come from an earlier page.
        """
        async with self._searches if others(search) else nullcontext():
            params, end = await self.params(search, cursor, search_through)
            statement = page_of(STATE, matching(search), NEWEST_FIRST)
            rows = await self._database.read(statement, **params, limit=limit)
        faults = await self._trails.faults(rows, LONGEST_CONTEXT)
        settled = tuple(self._reader.undamaged(rows, partial(self.settled, faults)))
        if following := next_cursor(rows, "settled_ms"):
            return History(settled, following)
        if end:
            return History(settled, cursor_at(end, "settled_ms"), moment(end["settled_ms"]))
        return History(settled, None)

    async def params(
        self,
        search: Search,
        cursor: str | None = None,
        search_through: int = SEARCHED_AT_ONCE,
    ) -> tuple[dict[str, Value], Row | None]:
        """The parameters of `matching`, and the last interrupt to search through, if any."""
        first_ms, end_ms = search.days_ms
        start = (_LAST if end_ms is None else end_ms, 0)
        before_ms, before = min(position_of(cursor), start) if cursor else start
        params: dict[str, Value] = {"before_ms": before_ms, "before": before, "now": self._clock()}
        params |= params_of(search)
        end = await self._end_of_search(search, params, search_through) if others(search) else None
        until = first_ms or 0, 0
        if end:
            until = max(until, (int(end["settled_ms"] or 0), int(end["ordinal"] or 0)))
            # Nothing of these days is left to search.
            end = end if until == (end["settled_ms"], end["ordinal"]) else None
        return params | dict(zip(("until_ms", "until"), until, strict=True)), end

    async def _end_of_search(
        self, search: Search, params: dict[str, Value], search_through: int
    ) -> Row | None:
        """The last interrupt to search through in this call, or None if there are fewer."""
        rows = await self._database.read(
            f"""
            SELECT settled_ms, ordinal FROM interrupts
            WHERE {_SETTLED}{indexed(search)}
            ORDER BY {NEWEST_FIRST} LIMIT 1 OFFSET :searched
            """,  # noqa: S608 - only constants
            **params,
            searched=search_through - 1,
        )
        return rows[0] if rows else None

    def settled(self, faults: Mapping[Value, Fault], row: Row) -> Settled:
        """The settled interrupt in a row."""
        fault = faults.get(row["interrupt_id"])
        return Settled(self._reader.interrupt(row), moment(row["settled_ms"]), fault)


def matching(search: Search) -> str:
    """The condition for the settled interrupts that match."""
    return f"{_SETTLED}{indexed(search)}{others(search)}{_UNTIL}"
