"""Opens the database of an API: which one, with which upgrades."""

from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager, closing
from functools import partial
from pathlib import Path

from loopin_mcp.api.audit.audit_keys import NO_KEYS, AuditKeys
from loopin_mcp.api.database.read_only import SQLiteArchive
from loopin_mcp.api.database.sqlite import BUSY_TIMEOUT_S, SQLite
from loopin_mcp.api.database.steps import Archive, Database
from loopin_mcp.api.database.urls import sqlite_path
from loopin_mcp.api.store.keeping.upgrades import begin_trails
from loopin_mcp.settings.api_options import audit_keys_of
from loopin_mcp.settings.data_dir import API_FILE, EMBEDDED_FILE, KEY_FILE
from loopin_mcp.settings.settings import Settings


async def open_database(url: str | None, data_dir: Path, keys: AuditKeys = NO_KEYS) -> Database:
    """The database at a URL, or by default the API's SQLite file in the data directory.

    Raises:
        ConfigurationError: It cannot be used.
    """
    path = sqlite_path(url, data_dir / API_FILE)
    if path is None:
        return await open_postgresql(str(url), keys=keys)
    return await open_sqlite(path, keys=keys)


async def open_sqlite(
    path: Path, busy_timeout_s: float = BUSY_TIMEOUT_S, keys: AuditKeys = NO_KEYS
) -> SQLite:
    """A SQLite file, created if missing; see `SQLite.open`. An upgrade uses the keys."""
    return await SQLite.open(path, {2: partial(begin_trails, keys)}, busy_timeout_s)


async def open_postgresql(
    url: str, answer_s: float | None = None, keys: AuditKeys = NO_KEYS
) -> Database:
    """A PostgreSQL database; see `PostgreSQL.open`. An upgrade uses the keys."""
    # psycopg comes only with the extra `server`.
    from loopin_mcp.api.database.postgres import ANSWER_S, PostgreSQL

    answer_s = ANSWER_S if answer_s is None else answer_s
    return await PostgreSQL.open(url, {2: partial(begin_trails, keys)}, answer_s)


def path_of(settings: Settings, *, embedded: bool) -> Path | None:
    """The SQLite file of `loopin-mcp api` or of the embedded API, or None for PostgreSQL.

    Raises:
        ConfigurationError: DATABASE_URL names neither.
    """
    url = None if embedded else settings.database_url
    return sqlite_path(url, settings.data_dir / (EMBEDDED_FILE if embedded else API_FILE))


@asynccontextmanager
async def open_archive(settings: Settings, *, embedded: bool) -> AsyncIterator[Archive]:
    """The database of `loopin-mcp api` or of the embedded API, read-only.

    Raises:
        ConfigurationError: It cannot be opened.
    """
    path = path_of(settings, embedded=embedded)
    if path is not None:
        with closing(SQLiteArchive(path)) as archive:
            yield archive
        return
    from loopin_mcp.api.database.postgres import PostgreSQL

    async with aclosing(await PostgreSQL.open_to_read(str(settings.database_url))) as database:
        yield database


def audit_keys(settings: Settings, *, embedded: bool) -> AuditKeys:
    """The keys of the trails of `loopin-mcp api` or of the embedded API, if they are known here."""
    api_key = settings.api_key_secret
    if embedded:
        try:
            api_key = (settings.data_dir / KEY_FILE).read_text(encoding="ascii").strip()
        except (OSError, ValueError):
            api_key = None
    return AuditKeys(audit_keys_of(settings, api_key))
