"""The lists that reviewers see: the inbox, settled interrupts, and names to filter by."""

from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import datetime
from functools import partial

import anyio

from loopin_mcp.api.audit.events import OF_EVENT
from loopin_mcp.api.audit.replay import STATE
from loopin_mcp.api.audit.stored_trails import Found, Trails
from loopin_mcp.api.audit.trail import Fault
from loopin_mcp.api.clock import Clock, moment
from loopin_mcp.api.database.paging import cursor_at, next_cursor, page_of, position_of
from loopin_mcp.api.database.rows import RowReader
from loopin_mcp.api.database.steps import Database, Row, Value, listed
from loopin_mcp.api.store.search import Search, indexed, others, params_of, waiting
from loopin_mcp.wire.models import Interrupt

# How many settled interrupts one call searches through.
SEARCHED_AT_ONCE = 5000
# How many such searches may run at once, so that shorter reads find a thread and a connection.
SEARCHES = 2
MOST_NAMES = 100
# Longer contexts are not shown in lists, and so not checked for them: it would take long.
LONGEST_CONTEXT = 40_000
# High urgency first, then the earliest expiry. An index has exactly this expression.
_PLACE = """(expires_ms + CASE urgency WHEN 'high' THEN 0 WHEN 'medium' THEN 1000000000000000
    ELSE 2000000000000000 END)"""
_FIRST, _LAST = 0, 2**62
_PENDING = "status = 'pending' AND expires_ms > :now"
# SQLite uses the partial index only if its condition, which the comparison implies, is repeated.
_SETTLED = "settled_ms IS NOT NULL AND (settled_ms, ordinal) < (:before_ms, :before)"
_UNTIL = " AND (settled_ms, ordinal) >= (:until_ms, :until)"
_NEWEST_FIRST = "settled_ms DESC, ordinal DESC"
# Without the calls that standing approvals covered, which may be many: it looks through the last
# ones only.
_BY_PEOPLE = f""" AND covered_by IS NULL AND settled_ms >= COALESCE((
    SELECT settled_ms FROM interrupts WHERE settled_ms IS NOT NULL
    ORDER BY {_NEWEST_FIRST} LIMIT 1 OFFSET 1000), 0)"""  # noqa: S608 - constants


@dataclass(frozen=True)
class Shown:
    """The ids of the interrupts that a page shows already, as pending and as settled ones."""

    waiting: Sequence[str] = ()
    settled: Sequence[str] = ()


@dataclass(frozen=True)
class Waiting:
    """A pending interrupt, its rank among all of them, and the fault of its trail.

    Ranks are compared by the two numbers in them.
    """

    interrupt: Interrupt
    rank: str
    fault: Fault | None = None


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
class InboxLists:
    """A part of the pending interrupts, most urgent first, and those settled last, newest first.

    Those that are shown already are left out of `waiting`, and only ids in `recent`. Those shown
    as pending that are `gone` are settled. `count` is of all parts, `listed` of this one. `is_used`
    says whether there are any interrupts at all.
    """

    count: int
    listed: int
    waiting: tuple[Waiting, ...]
    next_cursor: str | None
    recent: tuple[Settled | str, ...]
    gone: tuple[Settled, ...] = ()
    is_used: bool = True


@dataclass(frozen=True)
class Queue:
    """How many requests wait, and the id of the most urgent one, if any."""

    count: int
    next_id: str | None


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
        self._searches = anyio.Semaphore(SEARCHES)

    async def list_inbox(
        self,
        search: Search,
        *,
        limit: int,
        recent: int = 0,
        cursor: str | None = None,
        shown: Shown | None = None,
    ) -> InboxLists:
        """The inbox from `cursor` on, without what is `shown` already.

        Raises:
            InvalidRequestError: `cursor` does not come from an earlier part.
        """
        place, ordinal = position_of(cursor) if cursor else (_FIRST, 0)
        settled, _ = await self._settled_params(search, None, SEARCHED_AT_ONCE)
        statement, ids = _inbox(search, shown or Shown())
        params = {**settled, **ids, "place": place, "ordinal": ordinal}
        return await self._lists(
            await self._database.read(statement, **params, limit=limit, recent=recent)
        )

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
            params, end = await self._settled_params(search, cursor, search_through)
            statement = page_of(STATE, _settled(search), _NEWEST_FIRST)
            rows = await self._database.read(statement, **params, limit=limit)
        faults = await self._trails.faults(rows, LONGEST_CONTEXT)
        settled = tuple(self._reader.undamaged(rows, partial(self._settled, faults)))
        if following := next_cursor(rows, "settled_ms"):
            return History(settled, following)
        if end:
            return History(settled, cursor_at(end, "settled_ms"), moment(end["settled_ms"]))
        return History(settled, None)

    async def queue(self) -> Queue:
        """The requests that wait now."""
        [row] = await self._database.read(
            f"""
            SELECT (SELECT COUNT(*) FROM interrupts WHERE {_PENDING}) AS count, (
                SELECT interrupt_id FROM interrupts WHERE {_PENDING}
                ORDER BY {_PLACE}, ordinal LIMIT 1
            ) AS next_id
            """,  # noqa: S608 - only constants
            now=self._clock(),
        )
        next_id = row["next_id"]
        return Queue(int(row["count"] or 0), None if next_id is None else str(next_id))

    async def list_names(self) -> Names:
        """The users and the agents of all interrupts."""
        users = await self._names("user_id", "tallies")
        return Names(users, await self._names("agent_id", "interrupts"))

    async def _settled_params(
        self, search: Search, cursor: str | None, search_through: int
    ) -> tuple[dict[str, Value], Row | None]:
        """The parameters of `_settled`, and the last interrupt to search through, if any."""
        first_ms, end_ms = search.days_ms
        start = (_LAST if end_ms is None else end_ms, 0)
        before_ms, before = min(position_of(cursor), start) if cursor else start
        params: dict[str, Value] = {"before_ms": before_ms, "before": before, "now": self._clock()}
        params |= params_of(search)
        end = await self._end_of_search(search, params, search_through) if others(search) else None
        until = _FIRST if first_ms is None else first_ms, 0
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
            ORDER BY {_NEWEST_FIRST} LIMIT 1 OFFSET :searched
            """,  # noqa: S608 - only constants
            **params,
            searched=search_through - 1,
        )
        return rows[0] if rows else None

    async def _lists(self, rows: list[Row]) -> InboxLists:
        """The lists in the rows of the statement that `_inbox` makes."""
        states = {row["id"]: row for row in rows if row["interrupt_id"] is not None}
        found = {
            each: Found([], (row["event_count"], row["events_head"]))
            for each, row in states.items()
        }
        # The events of an interrupt that is in two of the lists come twice.
        events = {(row["id"], row["sequence"]): row for row in rows if row["sequence"] is not None}
        for (each, _), event in events.items():
            found[each].events.append({**event, "interrupt_id": each})
        faults = await self._trails.faults_of(states.values(), found, LONGEST_CONTEXT)
        pending = _in_order(rows, "waiting")
        new = [row for row in pending if row["interrupt_id"] is not None]
        settled = partial(self._settled, faults)
        recent = partial(self._recent, faults)
        return InboxLists(
            count=int(rows[0]["count"] or 0),
            listed=len(pending),
            waiting=tuple(self._reader.undamaged(new, partial(self._waiting, faults))),
            next_cursor=next_cursor(pending, "place"),
            recent=tuple(self._reader.undamaged(_in_order(rows, "settled")[::-1], recent)),
            gone=tuple(self._reader.undamaged(_in_order(rows, "gone"), settled)),
            is_used=bool(rows[0]["is_used"]),
        )

    async def _names(self, column: str, table: str) -> tuple[str, ...]:
        # The recursion takes one index step for each name, in place of reading all rows.
        rows = await self._database.read(
            f"""
            SELECT name FROM (WITH RECURSIVE names (name) AS (
                SELECT MIN({column}) FROM {table} WHERE {column} > '' UNION ALL
                SELECT (SELECT MIN({column}) FROM {table} WHERE {column} > names.name)
                FROM names WHERE names.name IS NOT NULL
            ) SELECT name FROM names WHERE name IS NOT NULL LIMIT :limit) AS found
            """,  # noqa: S608 - only constants
            limit=MOST_NAMES,
        )
        return tuple(str(row["name"]) for row in rows)

    def _settled(self, faults: Mapping[Value, Fault], row: Row) -> Settled:
        fault = faults.get(row["interrupt_id"])
        return Settled(self._reader.interrupt(row), moment(row["settled_ms"]), fault)

    def _waiting(self, faults: Mapping[Value, Fault], row: Row) -> Waiting:
        fault = faults.get(row["interrupt_id"])
        return Waiting(self._reader.interrupt(row), cursor_at(row, "place"), fault)

    def _recent(self, faults: Mapping[Value, Fault], row: Row) -> Settled | str:
        return str(row["id"]) if row["interrupt_id"] is None else self._settled(faults, row)


def _settled(search: Search) -> str:
    """The condition for the settled interrupts that match."""
    return f"{_SETTLED}{indexed(search)}{others(search)}{_UNTIL}"


def _inbox(search: Search, shown: Shown) -> tuple[str, dict[str, str]]:
    """The statement for all lists of the inbox, and the parameters for what is shown already.

    Each row has the `count`. Each interrupt in a list has a row, with the columns of `STATE` unless
    it is shown there already, and then a row for each of its events.
    """
    waiting_ids, params = listed("waiting", shown.waiting)
    settled_ids, more = listed("settled", shown.settled)
    pending = page_of(
        f"'waiting' AS part, id, {_PLACE} AS place, id NOT IN ({waiting_ids}) AS is_new",
        f"{_PENDING}{waiting(search)} AND ({_PLACE}, ordinal) > (:place, :ordinal)",
        f"{_PLACE}, ordinal",
    )
    settled = page_of(
        f"'settled' AS part, id, settled_ms AS place, id NOT IN ({settled_ids}) AS is_new",
        f"{_settled(search)}{_BY_PEOPLE}",
        _NEWEST_FIRST,
        ":recent",
    )
    return (
        f"""
        SELECT count, is_used, part, id, place, shown.ordinal AS ordinal, found, is_event,
            {STATE}, {OF_EVENT}
        FROM (
            SELECT COUNT(*) AS count,
                EXISTS (SELECT 1 FROM interrupts WHERE interrupt_id > '') AS is_used
            FROM interrupts WHERE {_PENDING}{waiting(search)}
        ) AS counted
        LEFT JOIN (
            SELECT * FROM ({pending}) AS pending UNION ALL SELECT * FROM ({settled}) AS settled
            UNION ALL SELECT 'gone', interrupt_id, 0, TRUE, ordinal, 0 FROM interrupts
            WHERE interrupt_id IN ({waiting_ids}) AND NOT ({_PENDING})
        ) AS shown ON TRUE
        LEFT JOIN (SELECT FALSE AS is_event UNION ALL SELECT TRUE) AS kinds ON is_new
        LEFT JOIN interrupts ON NOT is_event AND interrupt_id = id
        LEFT JOIN (SELECT interrupt_id AS event_of, {OF_EVENT} FROM events) AS trail
        ON is_event AND event_of = id ORDER BY sequence
        """,  # noqa: S608 - constants and names made here
        params | more,
    )


def _in_order(rows: list[Row], part: str) -> list[Row]:
    """The first row of each interrupt in a list."""
    found = [row for row in rows if row["part"] == part and not row["is_event"]]
    return sorted(found, key=lambda row: (int(row["place"] or 0), int(row["ordinal"] or 0)))
