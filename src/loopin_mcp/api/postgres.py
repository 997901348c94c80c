"""PostgreSQL behind the Database protocol; needs the extra `server`."""

import re
from typing import Any, Self

try:
    import psycopg
    from psycopg.rows import dict_row
    from psycopg_pool import AsyncConnectionPool, PoolTimeout
except ImportError as error:
    from loopin_mcp.errors import ConfigurationError

    raise ConfigurationError(
        "DATABASE_URL names PostgreSQL, which needs an extra: install loopin-mcp[server]."
    ) from error

from loopin_mcp.api.database import SCHEMA, SCHEMA_VERSION, Row, Value, check_version
from loopin_mcp.errors import ConfigurationError, UnavailableError

CONNECT_TIMEOUT_S = 5
POOL_SIZE = 10
# Any number will do, as long as it is always the same: it keeps two starting processes apart.
_SCHEMA_LOCK = 7_466_301


class PostgreSQL:
    """A pool of connections to one PostgreSQL database; many API processes may share it."""

    def __init__(self, pool: "AsyncConnectionPool[Any]") -> None:
        self._pool = pool

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
                f"DATABASE_URL cannot be used: {str(error).strip()}. Check that PostgreSQL runs "
                "there and lets this user in."
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
        return cls(pool)

    async def fetch(self, sql: str, **params: Value) -> list[Row]:
        """See `Database.fetch`."""
        try:
            async with self._pool.connection() as connection:
                cursor = await connection.execute(_with_percent(sql), params)
                return await cursor.fetchall() if cursor.description else []
        except (psycopg.Error, PoolTimeout) as error:
            raise UnavailableError("The database cannot be used right now") from error

    async def aclose(self) -> None:
        """Release all connections."""
        await self._pool.close()


async def _prepare(url: str) -> None:
    async with await psycopg.AsyncConnection.connect(
        url, connect_timeout=CONNECT_TIMEOUT_S, row_factory=dict_row
    ) as connection:
        await connection.execute("SELECT pg_advisory_xact_lock(%s)", [_SCHEMA_LOCK])
        await connection.execute(SCHEMA.read_bytes())
        await connection.execute(
            "INSERT INTO schema_version SELECT %s WHERE NOT EXISTS (SELECT 1 FROM schema_version)",
            [SCHEMA_VERSION],
        )
        cursor = await connection.execute("SELECT version FROM schema_version")
        row = await cursor.fetchone()
        check_version(row["version"] if row else None, "The database of DATABASE_URL")


def _with_percent(sql: str) -> bytes:
    """The statement with `%(name)s` in place of `:name`."""
    return re.sub(r"(?<!:):(\w+)", r"%(\1)s", sql).encode()
