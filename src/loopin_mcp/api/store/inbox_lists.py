"""What reviewers look through: all that waits, and all that is settled."""

from dataclasses import dataclass
from datetime import datetime

from loopin_mcp.api.clock import Clock, moment
from loopin_mcp.api.database.rows import (
    INTERRUPT,
    RowReader,
    cursor_at,
    number,
    position_of,
    refuse_damage,
)
from loopin_mcp.api.database.steps import Database, Row, Value
from loopin_mcp.api.store.search import Search, indexed, others, params_of, waiting
from loopin_mcp.wire.models import Interrupt

# How many settled interrupts one look searches through.
SEARCHED_AT_ONCE = 5000
MOST_NAMES = 100
# High urgency first, then what expires first; an index has this very expression.
_PLACE = """(expires_ms + CASE urgency WHEN 'high' THEN 0 WHEN 'medium' THEN 1000000000000000
    ELSE 2000000000000000 END)"""
_FIRST, _LAST = 0, 2**62
_PENDING = "status = 'pending' AND expires_ms > :now"
# What is null is not smaller either, but SQLite takes a partial index only where that is said.
_SETTLED = "settled_ms IS NOT NULL AND (settled_ms, interrupt_id) < (:before_ms, :last_id)"


@dataclass(frozen=True)
class Queue:
    """A part of what waits, most urgent first, then soonest to expire; `count` is of the whole."""

    count: int
    interrupts: tuple[Interrupt, ...]
    next_cursor: str | None


@dataclass(frozen=True)
class Settled:
    """An interrupt that is no longer pending, and since when."""

    interrupt: Interrupt
    settled_at: datetime


@dataclass(frozen=True)
class History:
    """A part of what is settled, newest first.

    A search ends at `looked_back_to` though older ones are there, lest it take too long; the next
    goes on from there.
    """

    settled: tuple[Settled, ...]
    next_cursor: str | None
    looked_back_to: datetime | None = None


@dataclass(frozen=True)
class Names:
    """The users and the agents there are, each in order and at most `MOST_NAMES`."""

    users: tuple[str, ...]
    agents: tuple[str, ...]


class Overview:
    """Looks over the interrupts of all users, as they are by `clock`."""

    def __init__(self, database: Database, reader: RowReader, clock: Clock) -> None:
        self._database = database
        self._reader = reader
        self._clock = clock

    async def list_pending(self, search: Search, *, limit: int, cursor: str | None = None) -> Queue:
        """What waits and is looked for, from `cursor` on.

        Raises:
            InvalidRequestError: `cursor` is not one that an earlier part gave.
        """
        place, last_id = position_of(cursor) if cursor else (_FIRST, "")
        params = {"now": self._clock(), **params_of(search)}
        rows = await self._database.read(
            f"""
            SELECT {INTERRUPT}, {_PLACE} AS place FROM interrupts
            WHERE {_PENDING}{waiting(search)} AND ({_PLACE}, interrupt_id) > (:place, :last_id)
            ORDER BY {_PLACE}, interrupt_id LIMIT :limit
            """,  # noqa: S608 - constants alone
            **params,
            place=place,
            last_id=last_id,
            limit=limit + 1,
        )
        [counted] = await self._database.read(
            f"SELECT COUNT(*) AS count FROM interrupts WHERE {_PENDING}{waiting(search)}",  # noqa: S608 - constants alone
            **params,
        )
        interrupts = tuple(self._reader.interrupts(rows[:limit]))
        following = cursor_at(rows[limit - 1], "place") if len(rows) > limit else None
        return Queue(number(counted["count"]), interrupts, following)

    async def list_settled(
        self,
        search: Search,
        *,
        limit: int,
        cursor: str | None = None,
        search_through: int = SEARCHED_AT_ONCE,
    ) -> History:
        """What is settled and looked for, from `cursor` on.

        Where there is no index for the search, it looks at `search_through` interrupts at most.

        Raises:
            InvalidRequestError: `cursor` is not one that an earlier part gave.
        """
        before_ms, last_id = position_of(cursor) if cursor else (_LAST, "")
        look = {"before_ms": before_ms, "last_id": last_id, **params_of(search)}
        end = await self._end_of_look(search, look, search_through) if others(search) else None
        until: dict[str, Value] = {"until_ms": _FIRST, "until_id": ""}
        if end:
            until = {"until_ms": end["settled_ms"], "until_id": end["interrupt_id"]}
        rows = await self._settled_rows(
            search, {**look, **until, "now": self._clock(), "limit": limit + 1}
        )
        settled = tuple(self._reader.undamaged(rows[:limit], self._settled))
        if len(rows) > limit:
            return History(settled, cursor_at(rows[limit - 1], "settled_ms"))
        if end:
            return History(settled, cursor_at(end, "settled_ms"), moment(end["settled_ms"]))
        return History(settled, None)

    async def list_names(self) -> Names:
        """Who is asked and who asks, each name found by a step through an index."""
        return Names(await self._names("user_id"), await self._names("agent_id"))

    async def _settled_rows(self, search: Search, look: dict[str, Value]) -> list[Row]:
        return await self._database.read(
            f"""
            SELECT {INTERRUPT}, settled_ms FROM interrupts
            WHERE {_SETTLED}{indexed(search)}{others(search)}
                AND (settled_ms, interrupt_id) >= (:until_ms, :until_id)
            ORDER BY settled_ms DESC, interrupt_id DESC LIMIT :limit
            """,  # noqa: S608 - constants alone
            **look,
        )

    async def _end_of_look(
        self, search: Search, look: dict[str, Value], search_through: int
    ) -> Row | None:
        """The last of the interrupts to be searched through now, or None if there are fewer."""
        rows = await self._database.read(
            f"""
            SELECT settled_ms, interrupt_id FROM interrupts
            WHERE {_SETTLED}{indexed(search)}
            ORDER BY settled_ms DESC, interrupt_id DESC LIMIT 1 OFFSET :searched
            """,  # noqa: S608 - constants alone
            **look,
            searched=search_through - 1,
        )
        return rows[0] if rows else None

    async def _names(self, column: str) -> tuple[str, ...]:
        rows = await self._database.read(
            f"""
            SELECT name FROM (WITH RECURSIVE names (name) AS (
                SELECT MIN({column}) FROM interrupts UNION ALL
                SELECT (SELECT MIN({column}) FROM interrupts WHERE {column} > names.name)
                FROM names WHERE names.name IS NOT NULL
            ) SELECT name FROM names WHERE name IS NOT NULL LIMIT :limit) AS found
            """,  # noqa: S608 - constants alone
            limit=MOST_NAMES,
        )
        return tuple(str(row["name"]) for row in rows)

    def _settled(self, row: Row) -> Settled:
        with refuse_damage(row):
            return Settled(self._reader.interrupt(row), moment(row["settled_ms"]))
