"""PostgreSQL behind the Database protocol; needs the extra `server`."""

import contextlib
import re
import uuid
from collections.abc import Awaitable, Callable, Collection, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from functools import partial
from typing import Any, Self, TypeVar

import anyio

from loopin_mcp.api.database.migrations import (
    Upgrades,
    change_nothing,
    migrate,
    of_this_version,
)
from loopin_mcp.api.database.outages import Breakdown
from loopin_mcp.api.database.postgres_connections import (
    CONNECT_TIMEOUT_S,
    FOR_POOLERS,
    AsyncConnectionPool,
    connection_string,
    dict_row,
    fault_of,
    psycopg,
)
from loopin_mcp.api.database.steps import Load, Row, Statement, Steps, Value
from loopin_mcp.errors import ConfigurationError, UnavailableError

POOL_SIZE = 10
# How long the server may take for one statement, and to answer at all. Clients wait for longer.
STATEMENT_S = 5
ANSWER_S = 6
# How long a call waits for a connection, and for its answer, while an outage lasts.
CONNECT_IN_OUTAGE_S = 1
ANSWER_IN_OUTAGE_S = 2
# The same for an audit: one of its statements counts the figures of all interrupts again.
AUDIT_S = 3600
# How often to look for changes of other processes through a pooler, which passes on no NOTIFY.
LOOK_S = 0.5
# An arbitrary advisory lock, so that two processes do not change the schema at once.
_SCHEMA_LOCK = 7_466_301
MOST_ATTEMPTS = 5
MAYBE_STORED = "it may have been stored, so look before you repeat it"
_NAME = "The database of DATABASE_URL"
# Errors caused by a concurrent transaction, which go away if this one is repeated.
_CONFLICTS = (
    psycopg.errors.DeadlockDetected,
    psycopg.errors.SerializationFailure,
    psycopg.errors.UniqueViolation,
)
# Errors caused by a rule or by a value of one statement, which steps may expect.
_REFUSALS = (
    psycopg.errors.IntegrityError,
    psycopg.errors.DataError,
    psycopg.errors.RaiseException,
)
_T = TypeVar("_T")


@dataclass
class _End:
    """Whether a transaction was being committed, so that it may be stored if that fails."""

    is_begun: bool = False


class PostgreSQL:
    """A pool of connections to one PostgreSQL database; many API processes may share it."""

    def __init__(
        self, url: str, pool: "AsyncConnectionPool[Any]", process: str, begin: str, answer_s: float
    ) -> None:
        self._url = url
        self._pool = pool
        self._process = process
        self._begin = begin.encode()
        self._answer_s = answer_s
        self._listener: psycopg.AsyncConnection[Any] | None = None
        # The transactions that were seen last, if a pooler passes on no NOTIFY.
        self._seen: list[Row] | None = None
        self._reads = Breakdown(_NAME, "be read", fault_of)
        self._writes = Breakdown(_NAME, "be used", fault_of)

    @classmethod
    async def open(cls, url: str, upgrades: Upgrades, answer_s: float = ANSWER_S) -> Self:
        """Connect, and create or upgrade the tables.

        `answer_s` is how long the server may take for one read or transaction.

        Raises:
            ConfigurationError: Connecting failed, a newer program wrote the database, or it
                cannot store all text.
        """
        url = connection_string(url)
        try:
            async with await psycopg.AsyncConnection.connect(
                url, row_factory=dict_row, prepare_threshold=None
            ) as first:
                await _require_unicode(first)
                await first.execute("SELECT pg_advisory_xact_lock(%s)", [_SCHEMA_LOCK])
                # Without parameters PostgreSQL takes a whole script as one statement.
                await _run(first, migrate(upgrades, "postgresql", _NAME, lambda script: [script]))
        except psycopg.Error as error:
            raise ConfigurationError(
                "DATABASE_URL cannot be used. Check that PostgreSQL runs there, has this database, "
                f"and lets this user in: {str(error).strip()}"
            ) from error
        return await cls._connected(url, answer_s)

    @classmethod
    async def open_to_read(cls, url: str) -> Self:
        """Connect read-only; each transaction sees the database as of one moment.

        Raises:
            ConfigurationError: The URL is not a connection URL.
        """
        return await cls._connected(connection_string(url), AUDIT_S, read_only=True)

    @classmethod
    async def _connected(cls, url: str, answer_s: float, *, read_only: bool = False) -> Self:
        process = str(uuid.uuid4())
        # Poolers forget settings of a session. The trigger that notifies of changes adds the
        # process that made them.
        begin = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY" if read_only else "BEGIN"
        statement_s = AUDIT_S if read_only else STATEMENT_S
        begin += f"; SET LOCAL statement_timeout = '{statement_s}s'"
        begin += f"; SET LOCAL loopin.process = '{process}'"
        pool = AsyncConnectionPool(
            url,
            min_size=1,
            max_size=POOL_SIZE,
            timeout=CONNECT_TIMEOUT_S,
            # The default backs off for minutes, and so would prolong an outage.
            reconnect_timeout=CONNECT_TIMEOUT_S,
            kwargs={**FOR_POOLERS, "row_factory": dict_row},
            check=AsyncConnectionPool.check_connection,
            open=False,
        )
        await pool.open()
        return cls(url, pool, process, begin, answer_s)

    async def read(self, sql: str, **params: Value) -> list[Row]:
        """See `Database.read`."""
        with self._reads.watched(), anyio.fail_after(self._longest_s):
            async with self._connection() as connection:
                return await _execute(connection, sql, params)

    find = read

    async def transact(self, steps: Callable[[], Steps[_T]]) -> _T:
        """See `Database.transact`."""
        end = _End()
        try:
            with self._writes.watched(), anyio.fail_after(self._longest_s):
                for _ in range(MOST_ATTEMPTS - 1):
                    with contextlib.suppress(*_CONFLICTS):
                        return await self._attempt(steps, end)
                return await self._attempt(steps, end)
        except UnavailableError as error:
            if not end.is_begun:
                raise
            raise UnavailableError(f"{error}; {MAYBE_STORED}") from error

    async def check(self) -> None:
        """See `Database.check`."""
        self._writes.require_whole()
        await self.transact(change_nothing)

    async def changed(self, wanted: Callable[[], Awaitable[None]]) -> Collection[str] | None:
        """See `Database.changed`; a trigger notifies of every change."""
        if self._seen is not None:
            await self._look(wanted)
            return None
        try:
            if self._listener is None:
                await self._listen()
                # Changes from before it listened are not reported.
                return None
            changed: list[str] = []
            while not changed:
                async for change in self._listener.notifies(stop_after=1):
                    interrupt_id, _, process = change.payload.partition(" ")
                    if process != self._process:
                        changed.append(interrupt_id)
            return changed
        except psycopg.Error as error:
            await self._stop_listening()
            raise UnavailableError("The database cannot report changes right now") from error

    def load(self) -> Load:
        """See `Database.load`; each transaction has a commit of its own."""
        return Load("postgresql", pool=self._pool.get_stats())

    async def size_bytes(self) -> int:
        """See `Database.size_bytes`."""
        [found] = await self.read("SELECT pg_database_size(current_database()) AS bytes")
        return int(found["bytes"] or 0)

    async def aclose(self) -> None:
        """Release all connections."""
        await self._stop_listening()
        await self._pool.close()

    @property
    def _is_away(self) -> bool:
        return self._reads.lasts or self._writes.lasts

    @property
    def _longest_s(self) -> float:
        return min(self._answer_s, ANSWER_IN_OUTAGE_S) if self._is_away else self._answer_s

    def _connection(self) -> AbstractAsyncContextManager["psycopg.AsyncConnection[Any]"]:
        """A connection of the pool."""
        return self._pool.connection(CONNECT_IN_OUTAGE_S if self._is_away else None)

    async def _attempt(self, steps: Callable[[], Steps[_T]], end: "_End") -> _T:
        end.is_begun = False
        # The pool rolls back after an error.
        async with self._connection() as connection:
            await connection.execute(self._begin)
            result = await _run(connection, of_this_version(steps()))
            end.is_begun = True
            await connection.commit()
        return result

    async def _listen(self) -> None:
        """Listen for changes, or through a pooler begin to look for them."""
        listener = await psycopg.AsyncConnection.connect(self._url, **FOR_POOLERS)
        self._listener = listener
        [[process_id]] = await (await listener.execute("SELECT pg_backend_pid()")).fetchall()
        # A pooler answers for itself when a connection begins.
        if process_id == listener.info.backend_pid:
            await listener.execute("LISTEN loopin_changes")
        else:
            await self._stop_listening()
            self._seen = []

    async def _look(self, wanted: Callable[[], Awaitable[None]]) -> None:
        """Return once a transaction of any process has changed something in this server."""
        while True:
            await wanted()
            found = await self.read("SELECT CAST(txid_current_snapshot() AS TEXT) AS transactions")
            if found != self._seen:
                self._seen = found
                return
            await anyio.sleep(LOOK_S)

    async def _stop_listening(self) -> None:
        listener, self._listener = self._listener, None
        if listener is not None:
            with contextlib.suppress(psycopg.Error):
                await listener.close()


async def _require_unicode(connection: psycopg.AsyncConnection[Any]) -> None:
    """Refuse a database that cannot store all text.

    Raises:
        ConfigurationError: Its encoding is not UTF8.
    """
    [found] = await (await connection.execute("SHOW server_encoding")).fetchall()
    if found["server_encoding"] != "UTF8":
        raise ConfigurationError(
            f"{_NAME} has the encoding {found['server_encoding']}, which cannot store all text. "
            "Create one with UTF8: createdb --encoding UTF8 --locale C --template template0 name."
        )


async def _run(connection: psycopg.AsyncConnection[Any], steps: Steps[_T]) -> _T:
    """Run steps on a connection, within its current transaction."""
    resume: Callable[[], Statement] = partial(next, steps)
    while True:
        try:
            sql, params = resume()
        except StopIteration as end:
            result: _T = end.value
            return result
        try:
            resume = partial(steps.send, await _execute(connection, sql, params))
        except _REFUSALS as error:
            resume = partial(steps.throw, error)


async def _execute(
    connection: psycopg.AsyncConnection[Any], sql: str, params: Mapping[str, Value]
) -> list[Row]:
    # Without parameters, psycopg takes `%` and `:` literally.
    if params:
        sql = re.sub(r"(?<!:):(\w+)", r"%(\1)s", sql.replace("%", "%%"))
    cursor = await connection.execute(sql.encode(), params or None)
    return await cursor.fetchall() if cursor.description else []
