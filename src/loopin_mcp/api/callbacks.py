"""The outbox of callbacks: what is still to be told to receivers, row by row."""

from dataclasses import dataclass
from functools import partial

from loopin_mcp.api.actors import SYSTEM
from loopin_mcp.api.database import Database
from loopin_mcp.api.events import append, locked
from loopin_mcp.api.rows import number
from loopin_mcp.api.statements import Row, Steps
from loopin_mcp.fields import JSONObject


@dataclass(frozen=True)
class Callback:
    """What is to be told, where, since when, and how often it was tried with this time."""

    callback_id: str
    interrupt_id: str
    url: str
    host: str
    body: str
    created_ms: int
    tries: int


class Callbacks:
    """Takes callbacks that are due, one taker at a time. `now` is epoch milliseconds."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def take_due(self, now: int, *, lease_ms: int, limit: int) -> list[Callback]:
        """Callbacks to be sent now, each given to one caller alone for `lease_ms`."""
        return await self._database.transact(partial(_take_due, now, lease_ms, limit))

    async def postpone(self, callback: Callback, due_ms: int) -> None:
        """Have a callback sent again at `due_ms`."""
        await self._database.transact(partial(_postpone, callback, due_ms))

    async def settle(self, callback: Callback, outcome: str, now: int, detail: JSONObject) -> None:
        """Send a callback no more, and record its outcome as an event of that type."""
        await self._database.transact(partial(_settle, callback, outcome, now, detail))


def _take_due(now: int, lease_ms: int, limit: int) -> Steps[list[Callback]]:
    rows = yield (
        """
        UPDATE callbacks SET due_ms = :leased_until, tries = tries + 1
        WHERE due_ms <= :now AND callback_id IN (
            SELECT callback_id FROM callbacks WHERE due_ms <= :now ORDER BY due_ms LIMIT :limit)
        RETURNING *
        """,
        {"now": now, "leased_until": now + lease_ms, "limit": limit},
    )
    return [_callback(row) for row in rows]


def _postpone(callback: Callback, due_ms: int) -> Steps[None]:
    yield (
        "UPDATE callbacks SET due_ms = :due_ms WHERE callback_id = :callback_id",
        {"due_ms": due_ms, "callback_id": callback.callback_id},
    )


def _settle(callback: Callback, outcome: str, now: int, detail: JSONObject) -> Steps[None]:
    gone = yield (
        "DELETE FROM callbacks WHERE callback_id = :callback_id RETURNING callback_id",
        {"callback_id": callback.callback_id},
    )
    if gone:
        row = yield from locked(callback.interrupt_id, now)
        yield from append(row, outcome, now, SYSTEM, detail)


def _callback(row: Row) -> Callback:
    return Callback(
        callback_id=str(row["callback_id"]),
        interrupt_id=str(row["interrupt_id"]),
        url=str(row["url"]),
        host=str(row["host"]),
        body=str(row["body"]),
        created_ms=number(row["created_ms"]),
        tries=number(row["tries"]),
    )
