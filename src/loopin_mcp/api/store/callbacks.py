"""The outbox of callbacks: what is still to be told to receivers, row by row."""

import contextlib
import ipaddress
import socket
import uuid
from collections import Counter
from collections.abc import Collection
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from urllib.parse import urlsplit

from loopin_mcp.api.access.actors import SYSTEM
from loopin_mcp.api.audit.events import EventType, append, locked
from loopin_mcp.api.clock import Clock
from loopin_mcp.api.database.rows import interrupt_of, number
from loopin_mcp.api.database.steps import Database, Row, Steps, Value, listed, named, single
from loopin_mcp.errors import NotFoundError, UnavailableError
from loopin_mcp.wire.fields import JSONObject

# No callback is put off for longer; what is due later was, before the clock was set back.
LONGEST_DELAY_MS = 8 * 3600 * 1000
_DUE = f"(due_ms <= :now OR due_ms > :now + {LONGEST_DELAY_MS})"

# The fields of an interrupt that its callback tells.
_TOLD = {
    "interrupt_id",
    "status",
    "decision",
    "decided_at",
    "reason",
    "modified_params",
    "events_head",
}


@dataclass(frozen=True)
class Callback:
    """What is to be told, where, since when, and how often it was tried, this time included.

    It belongs to whoever took it until `leased_until_ms`.
    """

    callback_id: str
    interrupt_id: str
    url: str = field(repr=False)
    host: str
    body: str = field(repr=False)
    created_ms: int
    tries: int
    leased_until_ms: int


class Callbacks:
    """Takes callbacks that are due by `clock`, one taker at a time."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def take_due(
        self,
        *,
        lease_ms: int,
        limit: int,
        limit_each: int,
        under_way: Collection[str] = (),
    ) -> list[Callback]:
        """Callbacks to be sent now, each given to one caller alone for `lease_ms`.

        There are at most `limit`, and to each host no more than `limit_each` with those to the
        hosts `under_way`. What was not tried yet comes first.
        """
        now = self._clock()
        busy = Counter(under_way)
        full = named(host for host in busy if busy[host] >= limit_each)
        due = await self._database.read(
            f"""
            SELECT callback_id, host FROM callbacks
            WHERE {_DUE} AND host NOT IN ({listed(full)})
            ORDER BY tries > 0, due_ms LIMIT :limit
            """,  # noqa: S608 - names made here
            now=now,
            limit=limit,
            **full,
        )
        chosen = []
        for row in due:
            busy[str(row["host"])] += 1
            if busy[str(row["host"])] <= limit_each:
                chosen.append(str(row["callback_id"]))
        return await self._take(chosen, now, now + lease_ms) if chosen else []

    async def postpone(self, callback: Callback, due_ms: int) -> None:
        """Have a callback sent again at `due_ms`, unless another caller has it by now."""
        sql = """
            UPDATE callbacks SET due_ms = :due_ms
            WHERE callback_id = :callback_id AND due_ms = :leased_until
            """
        params: dict[str, Value] = {
            "due_ms": due_ms,
            "callback_id": callback.callback_id,
            "leased_until": callback.leased_until_ms,
        }
        await self._database.transact(partial(single, sql, params))

    async def settle(self, callback: Callback, outcome: EventType, detail: JSONObject) -> None:
        """Send a callback no more, and record its outcome as an event of that type."""
        await self._database.transact(partial(_settle, callback, outcome, self._clock(), detail))

    async def _take(self, callback_ids: list[str], now: int, until_ms: int) -> list[Callback]:
        """Take those of these that nobody else has taken meanwhile."""
        chosen = named(callback_ids)
        sql = f"""
            UPDATE callbacks SET due_ms = :until_ms, tries = tries + 1
            WHERE {_DUE} AND callback_id IN ({listed(chosen)}) RETURNING *
            """  # noqa: S608 - names made here
        params: dict[str, Value] = {"now": now, "until_ms": until_ms, **chosen}
        rows = await self._database.transact(partial(single, sql, params))
        return [_callback(row) for row in rows]


def _settle(callback: Callback, outcome: EventType, now: int, detail: JSONObject) -> Steps[None]:
    gone = yield (
        "DELETE FROM callbacks WHERE callback_id = :callback_id RETURNING callback_id",
        {"callback_id": callback.callback_id},
    )
    if gone:
        # An interrupt that is gone, or damaged, has no trail to add to; its callback ends as well.
        with contextlib.suppress(NotFoundError, UnavailableError):
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
        leased_until_ms=number(row["due_ms"]),
    )


def owe_callback(row: Row, now: int) -> Steps[None]:
    """Put the callback of a settled interrupt into the outbox, if it has one."""
    url = row["callback_url"]
    if url is None:
        return
    # The context is not told, so it does not matter what it is.
    outcome = interrupt_of({**row, "context": "{}"}, "")
    yield (
        """
        INSERT INTO callbacks (callback_id, interrupt_id, url, host, body, created_ms, due_ms)
        VALUES (:callback_id, :interrupt_id, :url, :host, :body, :now, :now)
        """,
        {
            "callback_id": str(uuid.uuid4()),
            "interrupt_id": row["interrupt_id"],
            "url": url,
            "host": _host(str(url)),
            "body": outcome.model_dump_json(by_alias=True, include=_TOLD),
            "now": now,
        },
    )


def _host(url: str) -> str:
    """The host that a URL names, in one spelling of those that its name or address has."""
    host = str(urlsplit(url).hostname).rstrip(".")
    with suppress(OSError):
        return socket.inet_ntoa(socket.inet_aton(host))
    with suppress(ValueError):
        address = ipaddress.IPv6Address(host)
        return str(address.ipv4_mapped or address)
    return host
