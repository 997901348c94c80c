"""The lists that reviewers see: pending interrupts, settled interrupts, and names to filter by."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial

from loopin_mcp.api.audit.replay import STATE
from loopin_mcp.api.audit.stored_trails import Trails
from loopin_mcp.api.audit.trail import Fault
from loopin_mcp.api.clock import Clock, moment
from loopin_mcp.api.database.rows import RowReader
from loopin_mcp.api.database.steps import Database, Row, Value
from loopin_mcp.api.store.paging import cursor_at, next_cursor, page_of, position_of
from loopin_mcp.api.store.search import Search, indexed, others, params_of, waiting
from loopin_mcp.wire.models import Interrupt

# How many settled interrupts one call searches through.
SEARCHED_AT_ONCE = 5000
MOST_NAMES = 100
# Longer contexts are not shown in lists, and so not checked for them: it would take long.
LONGEST_CONTEXT = 40_000
# High urgency first, then the earliest expiry. An index has exactly this expression.
_PLACE = """(expires_ms + CASE urgency WHEN 'high' THEN 0 WHEN 'medium' THEN 1000000000000000
    ELSE 2000000000000000 END)"""
_FIRST, _LAST = 0, 2**62
_PENDING = "status = 'pending' AND expires_ms > :now"
# SQLite uses the partial index only if its condition, which the comparison implies, is repeated.
_SETTLED = "settled_ms IS NOT NULL AND (settled_ms, ordinal) < (:before_ms, :ordinal)"


@dataclass(frozen=True)
class Queue:
    """A page of the pending interrupts, most urgent first; `count` is of all pages.

    `faults` are those of their trails, by id.
    """

    count: int
    interrupts: tuple[Interrupt, ...]
    next_cursor: str | None
    faults: Mapping[Value, Fault] = field(default_factory=dict)


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


@dataclass(frozen=True)
class Names:
    """The users and the agents, each sorted and at most `MOST_NAMES`."""

    users: tuple[str, ...]
    agents: tuple[str, ...]


class Overview:
    """Lists the interrupts of all users."""

    def __init__(self, database: Database, reader: RowReader, trails: Trails, clock: Clock) -> None:
        self._database = database
        self._reader = reader
        self._trails = trails
        self._clock = clock

    async def list_pending(self, search: Search, *, limit: int, cursor: str | None = None) -> Queue:
        """The pending interrupts that match, from `cursor` on.

        Raises:
            InvalidRequestError: `cursor` does not come from an earlier page.
        """
        place, ordinal = position_of(cursor) if cursor else (_FIRST, 0)
        params = {"now": self._clock(), **params_of(search)}
        rows = await self._database.read(
            page_of(
                f"{STATE}, {_PLACE} AS place",
                f"{_PENDING}{waiting(search)} AND ({_PLACE}, ordinal) > (:place, :ordinal)",
                f"{_PLACE}, ordinal",
            ),
            **params,
            place=place,
            ordinal=ordinal,
            limit=limit,
        )
        [counted] = await self._database.read(
            f"SELECT COUNT(*) AS count FROM interrupts WHERE {_PENDING}{waiting(search)}",  # noqa: S608 - only constants
            **params,
        )
        interrupts = tuple(self._reader.interrupts(rows))
        faults = await self._trails.faults(rows, LONGEST_CONTEXT)
        following = next_cursor(rows, "place")
        return Queue(int(counted["count"] or 0), interrupts, following, faults)

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
        before_ms, ordinal = position_of(cursor) if cursor else (_LAST, 0)
        params = {"before_ms": before_ms, "ordinal": ordinal, **params_of(search)}
        end = await self._end_of_search(search, params, search_through) if others(search) else None
        rows = await self._database.read(
            page_of(
                STATE,
                f"""{_SETTLED}{indexed(search)}{others(search)}
                    AND (settled_ms, ordinal) >= (:until_ms, :until_ordinal)""",
                "settled_ms DESC, ordinal DESC",
            ),
            **params,
            until_ms=end["settled_ms"] if end else _FIRST,
            until_ordinal=end["ordinal"] if end else 0,
            now=self._clock(),
            limit=limit,
        )
        faults = await self._trails.faults(rows, LONGEST_CONTEXT)
        settled = tuple(self._reader.undamaged(rows, partial(self._settled, faults)))
        if following := next_cursor(rows, "settled_ms"):
            return History(settled, following)
        if end:
            return History(settled, cursor_at(end, "settled_ms"), moment(end["settled_ms"]))
        return History(settled, None)

    async def list_names(self) -> Names:
        """The users and the agents of all interrupts."""
        return Names(await self._names("user_id"), await self._names("agent_id"))

    async def _end_of_search(
        self, search: Search, params: dict[str, Value], search_through: int
    ) -> Row | None:
        """The last interrupt to search through in this call, or None if there are fewer."""
        rows = await self._database.read(
            f"""
            SELECT settled_ms, ordinal FROM interrupts
            WHERE {_SETTLED}{indexed(search)}
            ORDER BY settled_ms DESC, ordinal DESC LIMIT 1 OFFSET :searched
            """,  # noqa: S608 - only constants
            **params,
            searched=search_through - 1,
        )
        return rows[0] if rows else None

    async def _names(self, column: str) -> tuple[str, ...]:
        # The recursion takes one index step for each name, in place of reading all rows.
        rows = await self._database.read(
            f"""
            SELECT name FROM (WITH RECURSIVE names (name) AS (
                SELECT MIN({column}) FROM interrupts UNION ALL
                SELECT (SELECT MIN({column}) FROM interrupts WHERE {column} > names.name)
                FROM names WHERE names.name IS NOT NULL
            ) SELECT name FROM names WHERE name IS NOT NULL LIMIT :limit) AS found
            """,  # noqa: S608 - only constants
            limit=MOST_NAMES,
        )
        return tuple(str(row["name"]) for row in rows)

    def _settled(self, faults: Mapping[Value, Fault], row: Row) -> Settled:
        fault = faults.get(row["interrupt_id"])
        return Settled(self._reader.interrupt(row), moment(row["settled_ms"]), fault)
