"""PostgreSQL behind the Database protocol; needs the extra `server`."""

import contextlib
import re
from collections.abc import Awaitable, Callable, Collection, Mapping
from typing import Any, Self, TypeVar

try:
    import psycopg
    from psycopg.rows import dict_row
    from psycopg_pool import AsyncConnectionPool, PoolTimeout
except ImportError as error:
    from loopin_mcp.errors import ConfigurationError

    raise ConfigurationError(
        "DATABASE_URL names PostgreSQL, which needs an extra. Install it by pip install "
        "'loopin-mcp[server]'."
    ) from error

from loopin_mcp.api.migrations import migrate
from loopin_mcp.api.statements import Row, Steps, Value
from loopin_mcp.errors import ConfigurationError, UnavailableError

CONNECT_TIMEOUT_S = 5
POOL_SIZE = 10
# Any number will do, as long as it is always the same: it keeps two starting processes apart.
_SCHEMA_LOCK = 7_466_301
MOST_ATTEMPTS = 5
# Each mark that divides a URL stands where it divides it, and nowhere else.
_PLAIN_URL = re.compile(r"\w+://(?:[^\s:/@]*(?::[^\s/@]*)?@)?[^\s@]*")
# What comes of another transaction at the same time, and not if this one is tried once more.
_IN_THE_WAY = (
    psycopg.errors.DeadlockDetected,
    psycopg.errors.SerializationFailure,
    psycopg.errors.UniqueViolation,
)

_T = TypeVar("_T")


class PostgreSQL:
    """A pool of connections to one PostgreSQL database; many API processes may share it."""

    def __init__(self, url: str, pool: "AsyncConnectionPool[Any]") -> None:
        self._url = url
        self._pool = pool
        self._listener: psycopg.AsyncConnection[Any] | None = None

    @classmethod
    async def open(cls, url: str) -> Self:
        """Connect, and make the tables where they are missing.

        Raises:
            ConfigurationError: There is no connection, or a newer program wrote the database.
        """
        _refuse_unreadable(url)
        try:
            await _prepare(url)
        except psycopg.Error as error:
            raise ConfigurationError(
                "DATABASE_URL cannot be used. Check that PostgreSQL runs there, has this database, "
                f"and lets this user in: {str(error).strip()}"
            ) from error
        pool = AsyncConnectionPool(
            url,
            min_size=1,
            max_size=POOL_SIZE,
            timeout=CONNECT_TIMEOUT_S,
            kwargs={"autocommit": True, "row_factory": dict_row},
            check=AsyncConnectionPool.check_connection,
            open=False,
        )
        await pool.open()
        return cls(url, pool)

    async def fetch(self, sql: str, **params: Value) -> list[Row]:
        """See `Database.fetch`."""
        try:
            async with self._pool.connection() as connection:
                return await _execute(connection, sql, params)
        except (psycopg.Error, PoolTimeout) as error:
            raise UnavailableError("The database cannot be used right now") from error

    async def transact(self, steps: Callable[[], Steps[_T]]) -> _T:
        """See `Database.transact`."""
        attempts = 0
        while True:
            attempts += 1
            try:
                async with self._pool.connection() as connection, connection.transaction():
                    return await _run(connection, steps())
            except (psycopg.Error, PoolTimeout) as error:
                if attempts == MOST_ATTEMPTS or not isinstance(error, _IN_THE_WAY):
                    raise UnavailableError("The database cannot store this right now") from error

    async def changed(self, wanted: Callable[[], Awaitable[None]]) -> Collection[str] | None:
        """See `Database.changed`; a trigger tells, of changes made here too."""
        try:
            if self._listener is None:
                self._listener = await _listener(self._url)
                # Whatever changed before it listened was not told.
                return None
            return [told.payload async for told in self._listener.notifies(stop_after=1)]
        except psycopg.Error as error:
            await self._stop_listening()
            raise UnavailableError("The database does not tell its changes right now") from error

    async def aclose(self) -> None:
        """Release all connections."""
        await self._stop_listening()
        await self._pool.close()

    async def _stop_listening(self) -> None:
        listener, self._listener = self._listener, None
        if listener is not None:
            with contextlib.suppress(psycopg.Error):
                await listener.close()


def _refuse_unreadable(url: str) -> None:
    """Refuse what libpq cannot read, or reads amiss, since its errors then quote the password.

    Raises:
        ConfigurationError: It is no connection URL.
    """
    is_readable = _PLAIN_URL.fullmatch(url) is not None
    try:
        psycopg.conninfo.conninfo_to_dict(url)
    except (psycopg.Error, UnicodeError):
        is_readable = False
    if not is_readable:
        raise ConfigurationError(
            "DATABASE_URL is not a connection URL such as postgresql://user:password@host/name. "
            "In user name and password write %40 for @, %2F for / and %25 for %."
        )


async def _prepare(url: str) -> None:
    """Bring the database to this program's schema, whatever version it has."""
    async with await psycopg.AsyncConnection.connect(
        url, connect_timeout=CONNECT_TIMEOUT_S, row_factory=dict_row
    ) as connection:
        await connection.execute("SELECT pg_advisory_xact_lock(%s)", [_SCHEMA_LOCK])
        await _run(connection, migrate("postgresql", "The database of DATABASE_URL", _whole))


def _whole(script: str) -> list[str]:
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


async def _listener(url: str) -> psycopg.AsyncConnection[Any]:
    """A connection that is told of changes."""
    connection = await psycopg.AsyncConnection.connect(
        url, connect_timeout=CONNECT_TIMEOUT_S, autocommit=True
    )
    await connection.execute("LISTEN loopin_changes")
    return connection


def _with_percent(sql: str) -> bytes:
    """The statement with `%(name)s` in place of `:name`."""
    return re.sub(r"(?<!:):(\w+)", r"%(\1)s", sql).encode()
