"""PostgreSQL behind the Database protocol; needs the extra `server`."""

import contextlib
import re
import uuid
from collections.abc import Awaitable, Callable, Collection, Mapping
from functools import partial
from typing import Any, Self, TypeVar

import anyio

from loopin_mcp.api.database.migrations import Schema, migrate, of_this_version
from loopin_mcp.api.database.outages import Breakdown, Fault
from loopin_mcp.api.database.steps import Row, Steps, Value
from loopin_mcp.errors import ConfigurationError, UnavailableError

try:
    import psycopg
    from psycopg.rows import dict_row
    from psycopg_pool import AsyncConnectionPool
except ImportError as error:
    from loopin_mcp.errors import ConfigurationError

    raise ConfigurationError(
        "DATABASE_URL names PostgreSQL, which needs an extra. Install it by pip install "
        "'loopin-mcp[server]'."
    ) from error

CONNECT_TIMEOUT_S = 5
POOL_SIZE = 10
# How long the server may take for one statement, and to answer at all.
STATEMENT_S = 10
ANSWER_S = 15
# A server that is gone without a word is noticed, unless the URL says otherwise.
_NOTICED: Mapping[str, Any] = {
    "connect_timeout": CONNECT_TIMEOUT_S,
    "tcp_user_timeout": 10_000,
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 3,
}
# Any number will do, as long as it is always the same: it keeps two starting processes apart.
_SCHEMA_LOCK = 7_466_301
MOST_ATTEMPTS = 5
_NAME = "The database of DATABASE_URL"
# Each mark that divides a URL stands where it divides it, and nowhere else.
_PLAIN_URL = re.compile(r"\w+://(?:[^\s:/@]*(?::[^\s/@]*)?@)?[^\s@]*")
# What comes of another transaction at the same time, and not if this one is tried once more.
_IN_THE_WAY = (
    psycopg.errors.DeadlockDetected,
    psycopg.errors.SerializationFailure,
    psycopg.errors.UniqueViolation,
)
# The first that fits counts.
_FAULTS: Mapping[type[Exception], Fault] = {
    psycopg.errors.DiskFull: Fault("its disk is full", "Make room there"),
    psycopg.errors.ReadOnlySqlTransaction: Fault("it takes no changes", "See why it is read-only"),
    psycopg.errors.QueryCanceled: Fault("it is too slow", "See what keeps it busy or locked"),
    psycopg.OperationalError: Fault("there is no connection", "See that it runs, and lets us in"),
    TimeoutError: Fault("it does not answer", "See that it runs, and can be reached"),
    psycopg.Error: Fault("PostgreSQL refuses", "Look at its log"),
}

_Configure = Callable[[str, psycopg.AsyncConnection[Any]], Awaitable[None]]
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
    async def open(cls, url: str, schema: Schema, answer_s: float = ANSWER_S) -> Self:
        """Connect, and make the tables where they are missing.

        `answer_s` is how long the server may take for what is asked at once.

        Raises:
            ConfigurationError: There is no connection, or a newer program wrote the database.
        """
        url = _readable(url)
        try:
            await _prepare(url, schema)
        except psycopg.Error as error:
            raise ConfigurationError(
                "DATABASE_URL cannot be used. Check that PostgreSQL runs there, has this database, "
                f"and lets this user in: {str(error).strip()}"
            ) from error
        return await cls._connected(url, _bound, answer_s)

    @classmethod
    async def open_to_read(cls, url: str) -> Self:
        """Connect to what is there already, so that nothing can be changed.

        All that steps read is of one moment.

        Raises:
            ConfigurationError: It is no connection URL.
        """
        return await cls._connected(_readable(url), _bound_to_read, ANSWER_S)

    @classmethod
    async def _connected(cls, url: str, configure: _Configure, answer_s: float) -> Self:
        process = str(uuid.uuid4())
        pool = AsyncConnectionPool(
            url,
            min_size=1,
            max_size=POOL_SIZE,
            timeout=CONNECT_TIMEOUT_S,
            # After an outage the next try is never far away.
            reconnect_timeout=CONNECT_TIMEOUT_S,
            kwargs={"autocommit": True, "row_factory": dict_row},
            configure=partial(configure, process),
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
                with contextlib.suppress(*_IN_THE_WAY):
                    return await self._attempt(steps)
            return await self._attempt(steps)

    async def changed(self, wanted: Callable[[], Awaitable[None]]) -> Collection[str] | None:
        """See `Database.changed`; a trigger notifies of every change."""
        try:
            if self._listener is None:
                self._listener = await psycopg.AsyncConnection.connect(self._url, autocommit=True)
                await self._listener.execute("LISTEN loopin_changes")
                # Whatever changed before it listened was not told.
                return None
            changed: list[str] = []
            while not changed:
                async for change in self._listener.notifies(stop_after=1):
                    interrupt_id, _, process = change.payload.partition(" ")
                    # Changes made here are known already.
                    if process != self._process:
                        changed.append(interrupt_id)
            return changed
        except psycopg.Error as error:
            await self._stop_listening()
            raise UnavailableError("The database does not tell its changes right now") from error

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
    """How to connect, such that a server that is gone is noticed.

    Raises:
        ConfigurationError: It is no connection URL.
    """
    # Of what libpq cannot read, or reads amiss, its errors quote the password.
    if _PLAIN_URL.fullmatch(url):
        with contextlib.suppress(psycopg.Error, UnicodeError):
            said = psycopg.conninfo.conninfo_to_dict(url)
            return psycopg.conninfo.make_conninfo(**{**_NOTICED, **said})
    raise ConfigurationError(
        "DATABASE_URL is not a connection URL such as postgresql://user:password@host/name. "
        "In user name and password write %40 for @, %2F for / and %25 for %."
    )


async def _bound(process: str, connection: psycopg.AsyncConnection[Any]) -> None:
    """Have a connection of the pool wait for nothing for too long.

    The trigger that notifies of changes says by which process they were made.
    """
    await connection.execute(
        f"SET statement_timeout = '{STATEMENT_S}s'; SET loopin.process = '{process}'".encode()
    )


async def _bound_to_read(process: str, connection: psycopg.AsyncConnection[Any]) -> None:
    """Have a connection of the pool change nothing either, and read of one moment."""
    await _bound(process, connection)
    await connection.set_read_only(True)
    await connection.set_isolation_level(psycopg.IsolationLevel.REPEATABLE_READ)


def _fault_of(error: Exception) -> Fault | None:
    """What is wrong with the database, or None where the error is not PostgreSQL's."""
    return next((fault for kind, fault in _FAULTS.items() if isinstance(error, kind)), None)


async def _prepare(url: str, schema: Schema) -> None:
    """Bring the database to this program's schema, whatever version it has."""
    async with await psycopg.AsyncConnection.connect(url, row_factory=dict_row) as connection:
        await connection.execute("SELECT pg_advisory_xact_lock(%s)", [_SCHEMA_LOCK])
        await _run(connection, migrate(schema, "postgresql", _NAME, _as_one_statement))


def _as_one_statement(script: str) -> list[str]:
    """A script as one statement, which PostgreSQL takes where there are no parameters."""
    return [script]


async def _run(connection: psycopg.AsyncConnection[Any], steps: Steps[_T]) -> _T:
    """Take steps on a connection, within the transaction that it is in."""
    rows: list[Row] | None = None
    while True:
        try:
            sql, params = next(steps) if rows is None else steps.send(rows)
        except StopIteration as end:
            result: _T = end.value
            return result
        rows = await _execute(connection, sql, params)


async def _execute(
    connection: psycopg.AsyncConnection[Any], sql: str, params: Mapping[str, Value]
) -> list[Row]:
    # Without parameters a colon is a colon, and there may be several statements.
    query = _with_percent(sql) if params else sql.encode()
    cursor = await connection.execute(query, params or None)
    return await cursor.fetchall() if cursor.description else []


def _with_percent(sql: str) -> bytes:
    """The statement with `%(name)s` in place of `:name`; a percent sign stands for itself."""
    return re.sub(r"(?<!:):(\w+)", r"%(\1)s", sql.replace("%", "%%")).encode()
