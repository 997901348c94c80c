"""What reviewers look through: all that waits, and all that is settled."""

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Literal
from urllib.parse import urlencode

from pydantic import Field

from loopin_mcp.api.clock import moment
from loopin_mcp.api.reading import Reading
from loopin_mcp.api.rows import INTERRUPT, cursor_at, number, position_of, whole
from loopin_mcp.api.searching import ESCAPE, patterns
from loopin_mcp.api.statements import Database, Row, Value
from loopin_mcp.models import Interrupt, Wire

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

_Text = Annotated[str, Field(max_length=200, pattern=r"^[^\x00]*$")]


class Search(Wire):
    """Which interrupts are looked for; what is empty does not matter."""

    q: _Text = ""
    user: _Text = ""
    agent: _Text = ""
    urgency: Literal["", "low", "medium", "high"] = ""
    status: Literal["", "approved", "rejected", "expired", "cancelled"] = ""

    @property
    def narrows(self) -> bool:
        """Whether it leaves any out."""
        return self != Search()

    def query(self, **more: str) -> str:
        """This search, and more, as a query; empty where there is nothing to say."""
        said = {name: value for name, value in (self.model_dump() | more).items() if value}
        return f"?{urlencode(said)}" if said else ""


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
    """Looks over the interrupts of all users. `now` is epoch milliseconds."""

    def __init__(self, database: Database, reading: Reading) -> None:
        self._database = database
        self._reading = reading

    async def list_pending(
        self, search: Search, now: int, *, limit: int, cursor: str | None = None
    ) -> Queue:
        """What waits and is looked for, from `cursor` on.

        Raises:
            InvalidRequestError: `cursor` is not one that an earlier part gave.
        """
        place, last_id = position_of(cursor) if cursor else (_FIRST, "")
        params = {"now": now, **_params(search)}
        rows = await self._database.fetch(
            f"""
            SELECT {INTERRUPT}, {_PLACE} AS place FROM interrupts
            WHERE {_PENDING}{_waiting(search)} AND ({_PLACE}, interrupt_id) > (:place, :last_id)
            ORDER BY {_PLACE}, interrupt_id LIMIT :limit
            """,  # noqa: S608 - constants alone
            **params,
            place=place,
            last_id=last_id,
            limit=limit + 1,
        )
        [counted] = await self._database.fetch(
            f"SELECT COUNT(*) AS count FROM interrupts WHERE {_PENDING}{_waiting(search)}",  # noqa: S608 - constants alone
            **params,
        )
        interrupts = tuple(self._reading.interrupts(rows[:limit]))
        following = cursor_at(rows[limit - 1], "place") if len(rows) > limit else None
        return Queue(number(counted["count"]), interrupts, following)

    async def list_settled(
        self,
        search: Search,
        now: int,
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
        look = {"before_ms": before_ms, "last_id": last_id, **_params(search)}
        end = await self._end_of_look(search, look, search_through) if _others(search) else None
        until: dict[str, Value] = {"until_ms": _FIRST, "until_id": ""}
        if end:
            until = {"until_ms": end["settled_ms"], "until_id": end["interrupt_id"]}
        rows = await self._settled_rows(search, {**look, **until, "now": now, "limit": limit + 1})
        settled = tuple(self._reading.undamaged(rows[:limit], self._settled))
        if len(rows) > limit:
            return History(settled, cursor_at(rows[limit - 1], "settled_ms"))
        if end:
            return History(settled, cursor_at(end, "settled_ms"), moment(end["settled_ms"]))
        return History(settled, None)

    async def list_names(self) -> Names:
        """Who is asked and who asks, each name found by a step through an index."""
        return Names(await self._names("user_id"), await self._names("agent_id"))

    async def _settled_rows(self, search: Search, look: dict[str, Value]) -> list[Row]:
        return await self._database.fetch(
            f"""
            SELECT {INTERRUPT}, settled_ms FROM interrupts
            WHERE {_SETTLED}{_indexed(search)}{_others(search)}
                AND (settled_ms, interrupt_id) >= (:until_ms, :until_id)
            ORDER BY settled_ms DESC, interrupt_id DESC LIMIT :limit
            """,  # noqa: S608 - constants alone
            **look,
        )

    async def _end_of_look(
        self, search: Search, look: dict[str, Value], search_through: int
    ) -> Row | None:
        """The last of the interrupts to be searched through now, or None if there are fewer."""
        rows = await self._database.fetch(
            f"""
            SELECT settled_ms, interrupt_id FROM interrupts
            WHERE {_SETTLED}{_indexed(search)}
            ORDER BY settled_ms DESC, interrupt_id DESC LIMIT 1 OFFSET :searched
            """,  # noqa: S608 - constants alone
            **look,
            searched=search_through - 1,
        )
        return rows[0] if rows else None

    async def _names(self, column: str) -> tuple[str, ...]:
        rows = await self._database.fetch(
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
        with whole(row):
            return Settled(self._reading.interrupt(row), moment(row["settled_ms"]))


def _waiting(search: Search) -> str:
    """The conditions of what waits, which is never much beside what is settled."""
    # Joined to nothing, lest the index lead through all that this agent has ever asked.
    agent = " AND agent_id || '' = :agent" if search.agent else ""
    return (" AND user_id = :user" if search.user else "") + agent + _matching(search)


def _indexed(search: Search) -> str:
    """The condition of what is settled that an index answers in the order of the list."""
    if search.user:
        return " AND user_id = :user"
    return " AND agent_id = :agent" if search.agent else ""


def _others(search: Search) -> str:
    """The conditions that one settled interrupt after the other is held against."""
    agent = " AND agent_id = :agent" if search.user and search.agent else ""
    status = " AND status = :status" if search.status else ""
    return agent + status + _matching(search)


def _matching(search: Search) -> str:
    urgency = " AND urgency = :urgency" if search.urgency else ""
    words = " AND ".join(
        f"search_text LIKE :word_{word} ESCAPE '{ESCAPE}'"
        for word in range(len(patterns(search.q)))
    )
    return urgency + (f" AND (interrupt_id = :id OR {words})" if words else "")


def _params(search: Search) -> dict[str, Value]:
    words = {f"word_{place}": pattern for place, pattern in enumerate(patterns(search.q))}
    return {**search.model_dump(exclude={"q"}), "id": search.q.strip().lower(), **words}
