"""PostgreSQL behind the Database protocol; needs the extra `server`."""

import contextlib
import re
from collections.abc import Awaitable, Callable, Collection
from typing import Any, Self

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

from loopin_mcp.api.database import Row, Value
from loopin_mcp.api.migrations import SCHEMA_VERSION, migrations
from loopin_mcp.errors import ConfigurationError, UnavailableError

CONNECT_TIMEOUT_S = 5
POOL_SIZE = 10
# Any number will do, as long as it is always the same: it keeps two starting processes apart.
_SCHEMA_LOCK = 7_466_301


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
                cursor = await connection.execute(_with_percent(sql), params)
                return await cursor.fetchall() if cursor.description else []
        except (psycopg.Error, PoolTimeout) as error:
            raise UnavailableError("The database cannot be used right now") from error

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


async def _prepare(url: str) -> None:
    """Bring the database to this program's schema, whatever version it has."""
    async with await psycopg.AsyncConnection.connect(
        url, connect_timeout=CONNECT_TIMEOUT_S, row_factory=dict_row
    ) as connection:
        await connection.execute("SELECT pg_advisory_xact_lock(%s)", [_SCHEMA_LOCK])
        await connection.execute(
            "CREATE TABLE IF NOT EXISTS schema_version (version INTEGER NOT NULL PRIMARY KEY)"
        )
        cursor = await connection.execute("SELECT MAX(version) AS version FROM schema_version")
        row = await cursor.fetchone()
        version = row["version"] if row else None
        for script in migrations(version, "The database of DATABASE_URL"):
            await connection.execute(script.read_bytes())
            extra = script.with_suffix(".postgresql.sql")
            if extra.exists():
                await connection.execute(extra.read_bytes())
        await connection.execute("DELETE FROM schema_version")
        await connection.execute("INSERT INTO schema_version VALUES (%s)", [SCHEMA_VERSION])


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
