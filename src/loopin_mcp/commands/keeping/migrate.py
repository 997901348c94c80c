"""Moves the SQLite database of an API into PostgreSQL."""

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from loopin_mcp.api.audit.audit_keys import AuditKeys
from loopin_mcp.api.audit.commands import verify
from loopin_mcp.api.database.transfer.copies import require_database
from loopin_mcp.api.database.transfer.source import Source
from loopin_mcp.api.database.urls import sqlite_path
from loopin_mcp.api.store.opening import audit_keys, open_archive, open_postgresql
from loopin_mcp.commands.keeping.meter import Meter
from loopin_mcp.commands.signals import run
from loopin_mcp.errors import ConfigurationError, LoopinError
from loopin_mcp.settings.data_dir import API_FILE, EMBEDDED_FILE, KEY_FILE
from loopin_mcp.settings.settings import Settings

if TYPE_CHECKING:
    from loopin_mcp.api.database.transfer.target import Target

Say = Callable[[str], None]


def migrate(
    settings: Settings, url: str | None, *, embedded: bool, say: Say, progress: Say
) -> bool:
    """Copy the database of `loopin-mcp api` or of the embedded API to an empty PostgreSQL database.

    By default that is the one of DATABASE_URL, and the source is in the data directory. Continues
    after an interruption. Returns whether the audit trail of the copy has no fault.

    Raises:
        ConfigurationError: One of the databases cannot be used for this.
        UnavailableError: PostgreSQL refuses.
    """
    path, url = _places(settings, url, embedded=embedded)
    keys = audit_keys(settings, embedded=embedded)
    with _named_as_given(by_setting=url == settings.database_url):
        # psycopg comes only with the extra `server`.
        from loopin_mcp.api.database.transfer.target import Target
        from loopin_mcp.api.database.transfer.transfer import transfer

        with closing(Source(path)) as source, closing(Target(url)) as target:
            begin_or_continue(source, target, url)
            transfer(source, target, progress, Meter(progress, "rows").at)
    say(f"PostgreSQL has all rows of {path}, which is unchanged.")
    say(f"Set DATABASE_URL to the new database, and start no API on {path} again.")
    if embedded and not settings.audit_keys:
        say(f"Add the key in {settings.data_dir / KEY_FILE} to AUDIT_KEY, after the present one.")
    return run(_audited, replace(settings, database_url=url), keys, say, progress)


def begin_or_continue(source: Source, target: "Target", url: str) -> None:
    """Begin to fill the target from the source, unless that was begun before.

    Raises:
        ConfigurationError: It holds something else.
        UnavailableError: PostgreSQL refuses.
    """
    if not target.is_begun(source.identity):
        run(_create_tables, url)
        target.begin(source.identity, source.columns)


def _places(settings: Settings, url: str | None, *, embedded: bool) -> tuple[Path, str]:
    """The SQLite file to move, and the URL of PostgreSQL.

    Raises:
        ConfigurationError: One of them is missing, or of the other kind.
    """
    given = settings.database_url
    own = settings.data_dir / (EMBEDDED_FILE if embedded else API_FILE)
    path = None if embedded else sqlite_path(given, own)
    if url is None and path is None:
        url = given
    with _named_as_given(by_setting=url == given):
        is_postgresql = sqlite_path(url, own) is None
    if url is None or not is_postgresql:
        raise ConfigurationError(
            "Name an empty PostgreSQL database: --to postgresql://loopin@db.example.com/loopin, or "
            "DATABASE_URL, which keeps a password out of the list of processes."
        )
    return require_database(path or own), url


@contextmanager
def _named_as_given(*, by_setting: bool) -> Iterator[None]:
    """Let errors about the URL name where it was given."""
    try:
        yield
    except LoopinError as error:
        if by_setting:
            raise
        raise ConfigurationError(str(error).replace("DATABASE_URL", "--to")) from error


async def _create_tables(url: str) -> None:
    await (await open_postgresql(url)).aclose()


async def _audited(settings: Settings, keys: AuditKeys, say: Say, progress: Say) -> bool:
    async with open_archive(settings, embedded=False) as archive:
        return await verify(archive, keys, None, say, progress)
