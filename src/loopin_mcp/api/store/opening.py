"""Where an API keeps its interrupts, and how that is opened."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from loopin_mcp.api.database.migrations import Schema
from loopin_mcp.api.database.read_only import Archive, SQLiteArchive
from loopin_mcp.api.database.sqlite import BUSY_TIMEOUT_S, SQLite
from loopin_mcp.api.database.steps import Database
from loopin_mcp.api.store.upgrades import begin_trails
from loopin_mcp.errors import ConfigurationError
from loopin_mcp.settings.settings import Settings

if TYPE_CHECKING:
    from loopin_mcp.api.database.postgres import PostgreSQL

API_FILE = "api.db"
# It is another, so that serving without a key shows nothing of it.
EMBEDDED_FILE = "embedded.db"
SCHEMA = Schema(upgrades={2: begin_trails})


async def open_database(url: str | None, data_dir: Path) -> Database:
    """The database a URL names, or the API's own SQLite file in the data directory.

    Raises:
        ConfigurationError: It cannot be used.
    """
    path = _sqlite_path(url, data_dir / API_FILE)
    return await open_postgresql(str(url)) if path is None else await open_sqlite(path)


async def open_sqlite(path: Path, busy_timeout_s: float = BUSY_TIMEOUT_S) -> SQLite:
    """A SQLite file, made where there is none; see `SQLite.open`."""
    return await SQLite.open(path, SCHEMA, busy_timeout_s)


async def open_postgresql(url: str, answer_s: float | None = None) -> "PostgreSQL":
    """A PostgreSQL database; see `PostgreSQL.open`."""
    # Imported where it is used, since psycopg comes with the extra `server` only.
    from loopin_mcp.api.database.postgres import ANSWER_S, PostgreSQL

    return await PostgreSQL.open(url, SCHEMA, ANSWER_S if answer_s is None else answer_s)


@asynccontextmanager
async def open_archive(settings: Settings, *, embedded: bool) -> AsyncIterator[Archive]:
    """The database of `loopin-mcp api` on these settings, or of the embedded API, to be read.

    Raises:
        ConfigurationError: It cannot be opened.
    """
    url = None if embedded else settings.database_url
    path = _sqlite_path(url, settings.data_dir / (EMBEDDED_FILE if embedded else API_FILE))
    if path is not None:
        archive = SQLiteArchive(path)
        try:
            yield archive
        finally:
            archive.close()
        return
    from loopin_mcp.api.database.postgres import PostgreSQL

    database = await PostgreSQL.open_to_read(str(url))
    try:
        yield database
    finally:
        await database.aclose()


def _sqlite_path(url: str | None, otherwise: Path) -> Path | None:
    """The SQLite file that DATABASE_URL names, `otherwise` if unset, or None for PostgreSQL.

    Raises:
        ConfigurationError: It names neither.
    """
    if url is None:
        return otherwise
    if url.startswith("sqlite:///"):
        return Path(url.removeprefix("sqlite:///"))
    if url.startswith(("postgresql://", "postgres://")):
        return None
    raise ConfigurationError(
        "DATABASE_URL must begin with sqlite:/// or postgresql://, such as "
        "postgresql://loopin@db.example.com/loopin."
    )
