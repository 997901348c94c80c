"""Opens the database of an API: which one, with which upgrades."""

from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager, closing
from pathlib import Path

from loopin_mcp.api.database.migrations import Upgrades
from loopin_mcp.api.database.read_only import SQLiteArchive
from loopin_mcp.api.database.sqlite import BUSY_TIMEOUT_S, SQLite
from loopin_mcp.api.database.steps import Archive, Database
from loopin_mcp.api.database.urls import sqlite_path
from loopin_mcp.api.store.upgrades import begin_trails
from loopin_mcp.settings.settings import Settings

API_FILE = "api.db"
# Separate from the API's, so that an API without a key does not show the embedded interrupts.
EMBEDDED_FILE = "embedded.db"
UPGRADES: Upgrades = {2: begin_trails}


async def open_database(url: str | None, data_dir: Path) -> Database:
    """The database at a URL, or by default the API's SQLite file in the data directory.

    Raises:
        ConfigurationError: It cannot be used.
    """
    path = sqlite_path(url, data_dir / API_FILE)
    return await open_postgresql(str(url)) if path is None else await open_sqlite(path)


async def open_sqlite(path: Path, busy_timeout_s: float = BUSY_TIMEOUT_S) -> SQLite:
    """A SQLite file, created if missing; see `SQLite.open`."""
    return await SQLite.open(path, UPGRADES, busy_timeout_s)


async def open_postgresql(url: str, answer_s: float | None = None) -> Database:
    """A PostgreSQL database; see `PostgreSQL.open`."""
    # psycopg comes only with the extra `server`.
    from loopin_mcp.api.database.postgres import ANSWER_S, PostgreSQL

    return await PostgreSQL.open(url, UPGRADES, ANSWER_S if answer_s is None else answer_s)


@asynccontextmanager
async def open_archive(settings: Settings, *, embedded: bool) -> AsyncIterator[Archive]:
    """The database of `loopin-mcp api` or of the embedded API, read-only.

    Raises:
        ConfigurationError: It cannot be opened.
    """
    url = None if embedded else settings.database_url
    path = sqlite_path(url, settings.data_dir / (EMBEDDED_FILE if embedded else API_FILE))
    if path is not None:
        with closing(SQLiteArchive(path)) as archive:
            yield archive
        return
    from loopin_mcp.api.database.postgres import PostgreSQL

    async with aclosing(await PostgreSQL.open_to_read(str(url))) as database:
        yield database
