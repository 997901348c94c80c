"""The lists of the inbox: what waits, what was settled last, and names to filter by."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from loopin_mcp.api.audit.events import OF_EVENT
from loopin_mcp.api.audit.replay import STATE
from loopin_mcp.api.audit.stored_trails import Found, Trails
from loopin_mcp.api.audit.trail import Fault
from loopin_mcp.api.clock import Clock
from loopin_mcp.api.database.paging import cursor_at, next_cursor, page_of, position_of
from loopin_mcp.api.database.rows import RowReader
from loopin_mcp.api.database.steps import Database, Row, Value, listed
from loopin_mcp.api.store.history.settled import (
    LONGEST_CONTEXT,
    NEWEST_FIRST,
    Settled,
    SettledInterrupts,
    matching,
)
from loopin_mcp.api.store.search import Search, waiting
from loopin_mcp.wire.models import Interrupt

MOST_NAMES = 100
# How many new requests an open page tells of at once.
MOST_NEW = 5
# High urgency first, then the earliest expiry. An index has exactly this expression.
_PLACE = """(expires_ms + CASE urgency WHEN 'high' THEN 0 WHEN 'medium' THEN 1000000000000000
    ELSE 2000000000000000 END)"""
_PENDING = "status = 'pending' AND expires_ms > :now"
# Without the calls that standing approvals covered, which may be many: it looks through the last
# ones only.
_BY_PEOPLE = f""" AND covered_by IS NULL AND settled_ms >= COALESCE((
    SELECT settled_ms FROM interrupts WHERE settled_ms IS NOT NULL
    ORDER BY {NEWEST_FIRST} LIMIT 1 OFFSET 1000), 0)"""  # noqa: S608 - constants


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
class Newest:
    """How many interrupts are pending, the place of the newest, and the new ones among them."""

    count: int
    last: int
    interrupt_ids: tuple[str, ...]


@dataclass(frozen=True)
class Names:
    """The users and the agents, each sorted and at most `MOST_NAMES`."""

    users: tuple[str, ...]
    agents: tuple[str, ...]


class Overview:
    """Lists the interrupts of all users."""

    def __init__(
        self,
        database: Database,
        reader: RowReader,
        trails: Trails,
        clock: Clock,
        history: SettledInterrupts,
    ) -> None:
        self._database = database
        self._reader = reader
        self._trails = trails
        self._clock = clock
        self._history = history

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
        place, ordinal = position_of(cursor) if cursor else (0, 0)
        settled, _ = await self._history.params(search)
        statement, ids = _inbox(search, shown or Shown())
        params = {**settled, **ids, "place": place, "ordinal": ordinal}
        return await self._lists(
            await self._database.read(statement, **params, limit=limit, recent=recent)
        )

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

    async def list_newest(self, after: int | None) -> Newest:
        """The pending interrupts that came after a place; the oldest of many are left out."""
        now = self._clock()
        [found] = await self._database.read(
            f"SELECT COUNT(*) AS count, MAX(ordinal) AS last FROM interrupts WHERE {_PENDING}",  # noqa: S608 - a constant
            now=now,
        )
        rows = await self._database.read(
            f"""
            SELECT interrupt_id FROM interrupts WHERE {_PENDING} AND ordinal > :after
            ORDER BY ordinal DESC LIMIT {MOST_NEW}
            """,  # noqa: S608 - constants
            now=now,
            after=2**62 if after is None else after,
        )
        ids = tuple(str(row["interrupt_id"]) for row in reversed(rows))
        return Newest(int(found["count"] or 0), int(found["last"] or 0), ids)

    async def list_names(self) -> Names:
        """The users and the agents of all interrupts."""
        users = await self._names("user_id", "tallies")
        return Names(users, await self._names("agent_id", "interrupts"))

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
        settled = partial(self._history.settled, faults)
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

    def _waiting(self, faults: Mapping[Value, Fault], row: Row) -> Waiting:
        fault = faults.get(row["interrupt_id"])
        return Waiting(self._reader.interrupt(row), cursor_at(row, "place"), fault)

    def _recent(self, faults: Mapping[Value, Fault], row: Row) -> Settled | str:
        return str(row["id"]) if row["interrupt_id"] is None else self._history.settled(faults, row)


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
        f"{matching(search)}{_BY_PEOPLE}",
        NEWEST_FIRST,
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
