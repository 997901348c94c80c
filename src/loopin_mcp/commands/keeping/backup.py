"""Makes a backup of a SQLite database while its API runs, and checks it."""

from collections.abc import Callable
from contextlib import closing
from functools import partial
from pathlib import Path
from shlex import quote

from loopin_mcp.api.audit.audit_keys import AuditKeys
from loopin_mcp.api.audit.commands import verify
from loopin_mcp.api.database.read_only import SQLiteArchive
from loopin_mcp.api.database.transfer.copies import (
    copy_database,
    put_in_place,
    require_database,
    room_beside,
)
from loopin_mcp.api.database.urls import without_password
from loopin_mcp.api.store.opening import audit_keys, path_of
from loopin_mcp.commands.keeping.meter import Meter
from loopin_mcp.commands.signals import run
from loopin_mcp.errors import ConfigurationError, UnavailableError
from loopin_mcp.settings.data_dir import KEY_FILE
from loopin_mcp.settings.settings import Settings

Say = Callable[[str], None]


def back_up(
    settings: Settings, file: Path, *, embedded: bool, force: bool, say: Say, progress: Say
) -> bool:
    """Write the database of `loopin-mcp api` or of the embedded API to a file, and check that.

    Returns whether its audit trail has no fault; it is kept in any case.

    Raises:
        ConfigurationError: There is nothing to back up, or the file cannot be written.
    """
    source = _source(settings, file, embedded=embedded)
    if file.exists() and source.samefile(file):
        raise ConfigurationError(f"{file} is the database: name another file for the backup.")
    if file.exists() and not force:
        raise ConfigurationError(f"{file} exists already: name another file, or use --force.")
    keys = audit_keys(settings, embedded=embedded)
    with room_beside(file) as copy:
        copy_database(source, copy, partial(Meter(progress, "pages").at, "Copying"))
        with closing(SQLiteArchive(copy)) as archive:
            is_whole = _check(archive, keys, say, progress)
        put_in_place(copy, file)
    say(f"The backup of {source} is in {file}: {file.stat().st_size / 1e6:,.1f} MB.")
    if keys.key_id:
        _name_keys(settings, say, embedded=embedded)
    return is_whole


def _check(archive: SQLiteArchive, keys: AuditKeys, say: Say, progress: Say) -> bool:
    try:
        return run(verify, archive, keys, None, say, progress)
    # Before an upgrade, the program may be newer than the database.
    except UnavailableError as error:
        say(f"The audit trail was not checked. {error}.")
        return False


def _source(settings: Settings, file: Path, *, embedded: bool) -> Path:
    """The file to back up.

    Raises:
        ConfigurationError: It is in PostgreSQL, or does not exist.
    """
    source = path_of(settings, embedded=embedded)
    if source is None:
        url = quote(without_password(str(settings.database_url)))
        raise ConfigurationError(
            "The database is in PostgreSQL, whose own program makes a backup while the API runs: "
            f"pg_dump --format=custom --file={quote(str(file))} --dbname={url}"
        )
    return require_database(source)


def _name_keys(settings: Settings, say: Say, *, embedded: bool) -> None:
    """Say without which keys an API refuses all requests in the backup."""
    if settings.audit_keys:
        where = "the value of LOOPIN_AUDIT_KEY"
    elif embedded:
        where = f"a copy of {settings.data_dir / KEY_FILE}"
    else:
        where = "the value of API_KEY_SECRET"
    say(f"Keep {where} too, and elsewhere: without it, an API refuses every request in the backup.")
