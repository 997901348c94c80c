"""The commands `backup`, `restore` and `migrate`: their arguments and options."""

import sys
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

import click

from loopin_mcp.commands.keeping.backup import back_up
from loopin_mcp.commands.keeping.migrate import migrate
from loopin_mcp.commands.keeping.restore import Terminal, finish_pg_restore, restore
from loopin_mcp.commands.signals import run
from loopin_mcp.settings.settings import Settings

Environment = Mapping[str, str]

_say_progress = partial(click.echo, err=True)
_embedded = click.option(
    "--embedded", is_flag=True, help="The database of the API that an MCP host started."
)


@click.command("backup", short_help="Write the database to a file, while its API runs.")
@click.argument("file", type=click.Path(path_type=Path))
@_embedded
@click.option("--force", is_flag=True, help="Replace FILE if it exists.")
@click.pass_obj
def backup_command(environment: Environment, *, file: Path, embedded: bool, force: bool) -> None:
    """Write the SQLite database of `loopin-mcp api` to FILE, while it runs, and check the copy.

    FILE has everything as of one moment, and only this user can read it. For PostgreSQL this says
    which command makes a backup. Keep the keys in the settings too: the backup has none of them.
    The exit code is 1 if no backup could be made, or if the check of the audit trail found a fault;
    then the backup, which has the same fault as the database, is kept.
    """
    settings = _settings(environment, embedded=embedded)
    work = partial(back_up, settings, file, embedded=embedded, force=force)
    raise SystemExit(0 if work(say=click.echo, progress=_say_progress) else 1)


@click.command("restore", short_help="Put a backup in the place of the database.")
@click.argument(
    "file", type=click.Path(exists=True, dir_okay=False, path_type=Path), required=False
)
@_embedded
@click.option(
    "--after-pg-restore", is_flag=True, help="Finish what pg_restore has done on PostgreSQL."
)
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.pass_obj
def restore_command(
    environment: Environment,
    *,
    file: Path | None,
    embedded: bool,
    after_pg_restore: bool,
    yes: bool,
) -> None:
    """Put FILE, which `loopin-mcp backup` wrote, in the place of the SQLite database.

    Stop its API first. This checks FILE, upgrades it if an older version wrote it, asks, and keeps
    the present database beside the new one.

    After the backup, people may have decided requests and agents may have used approvals. So that
    none counts twice, open requests are cancelled, every approval counts as used, standing
    approvals end, callbacks that were due are dropped, and everyone is signed out. The audit trail
    records that.

    For PostgreSQL, run pg_restore, then this with --after-pg-restore, then start the API.

    The exit code is 1 if nothing was restored, or if the check of the audit trail found a fault.
    """
    if (file is None) is not after_pg_restore:
        raise click.UsageError("Name the FILE of the backup, or use --after-pg-restore.")
    settings = _settings(environment, embedded=embedded)
    terminal = Terminal(click.echo, _say_progress, _confirmation(yes=yes))
    if file is None:
        done = run(finish_pg_restore, settings, terminal)
    else:
        done = restore(settings, file, terminal, embedded=embedded)
    raise SystemExit(0 if done else 1)


@click.command("migrate", short_help="Copy a SQLite database to PostgreSQL.")
@click.option("--to", "url", metavar="URL", help="postgresql://...  [default: DATABASE_URL]")
@_embedded
@click.pass_obj
def migrate_command(environment: Environment, *, url: str | None, embedded: bool) -> None:
    """Copy the SQLite database of `loopin-mcp api` to an empty PostgreSQL database.

    Stop its API first. The source stays as it is. Every row is compared with its copy, and the
    audit trail of the copy is checked. If this is interrupted, run it again: it continues. Until it
    is finished, no API can use the new database.

    Other users of this machine see --to in the list of processes. Give a password in DATABASE_URL,
    PGPASSWORD or ~/.pgpass instead. The exit code is 1 if the copy is not complete, or if the check
    of the audit trail found a fault, which the source has too.
    """
    settings = _settings(environment, embedded=embedded)
    done = migrate(settings, url, embedded=embedded, say=click.echo, progress=_say_progress)
    raise SystemExit(0 if done else 1)


def _confirmation(*, yes: bool) -> Callable[[str], bool]:
    if yes:
        return bool
    if not (sys.stdin and sys.stdin.isatty()):
        raise click.UsageError("stdin is not a terminal, so you cannot be asked: use --yes.")
    return click.confirm


def _settings(environment: Environment, *, embedded: bool) -> Settings:
    return Settings.load(environment, "embedded" if embedded else "api")
