"""Puts a backup in the place of a SQLite database, or finishes what pg_restore has done."""

from collections import Counter
from collections.abc import Callable
from contextlib import aclosing, closing
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from shlex import quote

from loopin_mcp.api.audit.audit_keys import AuditKeys
from loopin_mcp.api.audit.commands import verify
from loopin_mcp.api.clock import epoch_ms
from loopin_mcp.api.database.read_only import SQLiteArchive
from loopin_mcp.api.database.steps import Database
from loopin_mcp.api.database.transfer.copies import (
    copy_database,
    put_in_place,
    refuse_foreign_rules,
    refuse_use,
    room_beside,
)
from loopin_mcp.api.database.urls import without_password
from loopin_mcp.api.store.keeping.restored import end_what_is_open
from loopin_mcp.api.store.opening import (
    audit_keys,
    open_archive,
    open_database,
    open_sqlite,
    path_of,
)
from loopin_mcp.commands.keeping.meter import Meter
from loopin_mcp.commands.signals import run
from loopin_mcp.errors import ConfigurationError
from loopin_mcp.settings.private_files import make_private_directory
from loopin_mcp.settings.settings import Settings
from loopin_mcp.wire.plain_text import counted

Say = Callable[[str], None]


@dataclass(frozen=True)
class Terminal:
    """Where results and progress are printed, and who answers a question."""

    say: Say
    progress: Say
    confirm: Callable[[str], bool]


def restore(settings: Settings, file: Path, terminal: Terminal, *, embedded: bool) -> bool:
    """Put a backup in the place of the database, and keep the present one.

    What was pending or approved in the backup never counts again. Returns whether this was done and
    the audit trail has no fault.

    Raises:
        ConfigurationError: The backup cannot be used, or the database is in use.
    """
    path = _place(settings, file, embedded=embedded)
    keys = audit_keys(settings, embedded=embedded)
    make_private_directory(path.parent)
    with room_beside(path) as copy:
        copy_database(file, copy, partial(Meter(terminal.progress, "pages").at, "Copying"))
        is_whole = run(_prepare, file, copy, keys, terminal)
        if not terminal.confirm(f"The backup {_what_becomes_of(path)}. Continue?"):
            terminal.say("Nothing was changed.")
            return False
        refuse_use(path.resolve())
        kept = put_in_place(
            copy, path, f"{path.name}.before-restore-{datetime.now(UTC):%Y%m%dT%H%M%SZ}"
        )
    terminal.say(f"{path} is restored.{f' The previous database is {kept}.' if kept else ''}")
    return is_whole


async def finish_pg_restore(settings: Settings, terminal: Terminal) -> bool:
    """End what is open in a PostgreSQL database that pg_restore has put back, and check it.

    Asks first, because in the database of a running API this would end live requests too. Returns
    whether it was done and the audit trail has no fault.

    Raises:
        ConfigurationError: DATABASE_URL does not name PostgreSQL, or it cannot be used.
    """
    if path_of(settings, embedded=False) is not None:
        raise ConfigurationError("DATABASE_URL does not name PostgreSQL: name the backup's FILE.")
    keys = audit_keys(settings, embedded=False)
    url = without_password(str(settings.database_url))
    if not terminal.confirm(f"This ends open requests and unused approvals in {url}. Continue?"):
        terminal.say("Nothing was changed.")
        return False
    async with aclosing(await open_database(settings.database_url, settings.data_dir, keys)) as it:
        await _end(it, keys, terminal)
    async with open_archive(settings, embedded=False) as archive:
        return await verify(archive, keys, None, terminal.say, terminal.progress)


def _place(settings: Settings, file: Path, *, embedded: bool) -> Path:
    """The file of the database.

    Raises:
        ConfigurationError: It is in PostgreSQL, or in use.
    """
    path = path_of(settings, embedded=embedded)
    if path is None:
        url = quote(without_password(str(settings.database_url)))
        raise ConfigurationError(
            "The database is in PostgreSQL. Stop all APIs, create an empty database, and run: "
            f"pg_restore --exit-on-error --no-owner --dbname={url} {quote(str(file))}; then run: "
            "loopin-mcp restore --after-pg-restore"
        )
    refuse_use(path.resolve())
    return path


def _what_becomes_of(path: Path) -> str:
    return f"replaces {path}, which is kept beside it" if path.exists() else f"becomes {path}"


async def _prepare(file: Path, copy: Path, keys: AuditKeys, terminal: Terminal) -> bool:
    """Upgrade a copy of the backup, end what is open in it, and check it.

    Returns whether its audit trail has no fault.

    Raises:
        ConfigurationError: It cannot be used.
    """
    try:
        database = await open_sqlite(copy, keys=keys)
    except ConfigurationError as error:
        raise ConfigurationError(str(error).replace(str(copy), str(file))) from error
    async with aclosing(database), aclosing(await open_sqlite(new := copy.with_name("new"))):
        refuse_foreign_rules(copy, new)
        await _end(database, keys, terminal)
    with closing(SQLiteArchive(copy)) as archive:
        return await verify(archive, keys, None, terminal.say, terminal.progress)


async def _end(database: Database, keys: AuditKeys, terminal: Terminal) -> None:
    meter = partial(Meter(terminal.progress, "requests").at, "Ending what is open")
    ended: Counter[str] = await end_what_is_open(database, keys, epoch_ms(), meter)
    terminal.say(
        "A backup can be older than the last decision, so: "
        f"{counted(ended['pending'], 'open request')} cancelled, "
        f"{counted(ended['approved'], 'approval')} counted as used, "
        f"{counted(ended['standing'], 'standing approval')} ended, "
        f"{counted(ended['callback'], 'callback')} dropped, everyone signed out."
    )
