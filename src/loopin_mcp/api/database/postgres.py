"""PostgreSQL behind the Database protocol; needs the extra `server`."""

import contextlib
import re
import uuid
from collections.abc import Awaitable, Callable, Collection, Mapping
from functools import partial
from typing import Any, Self, TypeVar

import anyio

from loopin_mcp.api.database.migrations import Upgrades, migrate, of_this_version
from loopin_mcp.api.database.outages import Breakdown, Fault
from loopin_mcp.api.database.steps import Row, Statement, Steps, Value
from loopin_mcp.errors import ConfigurationError, UnavailableError

try:
    import psycopg
    from psycopg.rows import dict_row
    from psycopg_pool import AsyncConnectionPool
except ImportError as error:
    raise ConfigurationError(
        "DATABASE_URL names PostgreSQL, which needs an extra. Install it by pip install "
        "'loopin-mcp[server]'."
    ) from error

CONNECT_TIMEOUT_S = 5
POOL_SIZE = 10
# How long the server may take for one statement, and to answer at all.
STATEMENT_S = 10
ANSWER_S = 15
# Defaults that detect a dead server quickly; the URL can override them.
_KEEPALIVE: Mapping[str, Any] = {
    "connect_timeout": CONNECT_TIMEOUT_S,
    "tcp_user_timeout": 10_000,
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 3,
}
# An arbitrary advisory lock, so that two processes do not change the schema at once.
_SCHEMA_LOCK = 7_466_301
MOST_ATTEMPTS = 5
_NAME = "The database of DATABASE_URL"
# A URL in which `:`, `/` and `@` occur only as separators.
_PLAIN_URL = re.compile(r"\w+://(?:[^\s:/@]*(?::[^\s/@]*)?@)?[^\s@]*")
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
# The first match counts.
_FAULTS: Mapping[type[Exception], Fault] = {
    psycopg.errors.DiskFull: Fault("its disk is full", "Make room there"),
    psycopg.errors.ReadOnlySqlTransaction: Fault(
        "it takes no changes", "Find out why it is read-only"
    ),
    psycopg.errors.QueryCanceled: Fault("it is too slow", "Find out what locks or slows it"),
    psycopg.OperationalError: Fault(
        "there is no connection", "Check that it runs and accepts this user"
    ),
    TimeoutError: Fault("it does not answer", "Check that it runs and can be reached"),
    psycopg.Error: Fault("PostgreSQL refuses", "Look at its log"),
}

_T = TypeVar("_T")


class PostgreSQL:
    """A pool of connections to one PostgreSQL database; many API processes may share it."""

    def __init__(
        self, url: str, pool: "AsyncConnectionPool[Any]", process: str, answer_s: float
    ) -> None:
        self._url = url
        self._pool = pool
        self._process = process
        self._answer_s = answer_s
        self._listener: psycopg.AsyncConnection[Any] | None = None
        self._reads = Breakdown(_NAME, "be read", _fault_of)
        self._writes = Breakdown(_NAME, "be used", _fault_of)

    @classmethod
    async def open(cls, url: str, upgrades: Upgrades, answer_s: float = ANSWER_S) -> Self:
        """Connect, and create or upgrade the tables.

        `answer_s` is how long the server may take for one read or transaction.

        Raises:
            ConfigurationError: There is no connection, or a newer program wrote the database.
        """
        url = _readable(url)
        try:
            async with await psycopg.AsyncConnection.connect(url, row_factory=dict_row) as first:
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
        return await cls._connected(_readable(url), ANSWER_S, read_only=True)

    @classmethod
    async def _connected(cls, url: str, answer_s: float, *, read_only: bool = False) -> Self:
        process = str(uuid.uuid4())

        async def configure(connection: psycopg.AsyncConnection[Any]) -> None:
            # The trigger that notifies of changes adds the process that made them.
            setting = f"SET statement_timeout = '{STATEMENT_S}s'; SET loopin.process = '{process}'"
            await connection.execute(setting.encode())
            if read_only:
                await connection.set_read_only(True)
                await connection.set_isolation_level(psycopg.IsolationLevel.REPEATABLE_READ)

        pool = AsyncConnectionPool(
            url,
            min_size=1,
            max_size=POOL_SIZE,
            timeout=CONNECT_TIMEOUT_S,
            # The default backs off for minutes, and so would prolong an outage.
            reconnect_timeout=CONNECT_TIMEOUT_S,
            kwargs={"autocommit": True, "row_factory": dict_row},
            configure=configure,
            check=AsyncConnectionPool.check_connection,
            open=False,
        )
        await pool.open()
        return cls(url, pool, process, answer_s)

    async def read(self, sql: str, **params: Value) -> list[Row]:
        """See `Database.read`."""
        with self._reads.watched(), anyio.fail_after(self._answer_s):
            async with self._pool.connection() as connection:
                return await _execute(connection, sql, params)

    async def transact(self, steps: Callable[[], Steps[_T]]) -> _T:
        """See `Database.transact`."""
        with self._writes.watched(), anyio.fail_after(self._answer_s):
            for _ in range(MOST_ATTEMPTS - 1):
                with contextlib.suppress(*_CONFLICTS):
                    return await self._attempt(steps)
            return await self._attempt(steps)

    async def changed(self, wanted: Callable[[], Awaitable[None]]) -> Collection[str] | None:
        """See `Database.changed`; a trigger notifies of every change."""
        try:
            if self._listener is None:
                self._listener = await psycopg.AsyncConnection.connect(self._url, autocommit=True)
                await self._listener.execute("LISTEN loopin_changes")
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

    async def aclose(self) -> None:
        """Release all connections."""
        await self._stop_listening()
        await self._pool.close()

    async def _attempt(self, steps: Callable[[], Steps[_T]]) -> _T:
        async with self._pool.connection() as connection, connection.transaction():
            return await _run(connection, of_this_version(steps()))

    async def _stop_listening(self) -> None:
        listener, self._listener = self._listener, None
        if listener is not None:
            with contextlib.suppress(psycopg.Error):
                await listener.close()


def _readable(url: str) -> str:
    """The connection string of a URL, with the keepalive defaults."""
    # If libpq cannot parse a URL, its error may quote the password.
    if _PLAIN_URL.fullmatch(url):
        with contextlib.suppress(psycopg.Error, UnicodeError):
            given = psycopg.conninfo.conninfo_to_dict(url)
            return psycopg.conninfo.make_conninfo(**{**_KEEPALIVE, **given})
    raise ConfigurationError(
        "DATABASE_URL is not a connection URL such as postgresql://user:password@host/name. "
        "In user name and password write %40 for @, %2F for / and %25 for %."
    )


def _fault_of(error: Exception) -> Fault | None:
    """The fault behind an error, or None if the error is not PostgreSQL's."""
    return next((fault for kind, fault in _FAULTS.items() if isinstance(error, kind)), None)


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
