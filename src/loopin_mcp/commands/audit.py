"""The commands `audit verify` and `audit export`: their options, and the database they read."""

from codecs import BOM_UTF16_BE, BOM_UTF16_LE
from collections.abc import Awaitable, Callable, Iterator, Mapping
from functools import partial
from io import BufferedReader, TextIOWrapper

import click

from loopin_mcp.api.audit import commands
from loopin_mcp.api.store.opening import audit_keys, open_archive
from loopin_mcp.commands.signals import run
from loopin_mcp.settings.settings import Settings

Environment = Mapping[str, str]


@click.group("audit", short_help="Check or export what happened to every interrupt.")
def audit_command() -> None:
    """Check or export the audit trail of every interrupt: who did what to it, and when.

    Both commands read the database of `loopin-mcp api` (see DATABASE_URL and LOOPIN_DATA_DIR), or a
    copy of it, and change nothing. The API can keep running. They need its LOOPIN_AUDIT_KEY, or
    without one its API_KEY_SECRET.
    """


_embedded = click.option(
    "--embedded", is_flag=True, help="Read the database of the API that an MCP host started."
)


@audit_command.command(short_help="Find interrupts that somebody tampered with.")
@_embedded
@click.option(
    "--heads",
    type=click.File("rb"),
    help="Also check every eventsHead that was kept elsewhere: JSON lines with interruptId and "
    "eventsHead, such as callbacks or an export, or CSV with these columns.",
)
@click.pass_obj
def verify(environment: Environment, *, embedded: bool, heads: BufferedReader | None) -> None:
    """Find every interrupt that somebody tampered with.

    Reports events that were changed, dropped, added or reordered, requests or decisions that differ
    from their events, and figures that do not match the interrupts. Only --heads detects that
    somebody put back an earlier state, or rewrote all events with the key. The exit code is 0 if
    all is well, and 1 if there is tampering, or something cannot be checked with the keys that are
    set.
    """
    lines = None if heads is None else _text_of(heads)
    _audit(environment, partial(commands.verify, heads=lines), embedded=embedded)


@audit_command.command(short_help="Print every interrupt with its events, as JSON lines.")
@_embedded
@click.pass_obj
def export(environment: Environment, *, embedded: bool) -> None:
    """Print every interrupt with its events, and those deleted by age, as JSON lines.

    Keep the output elsewhere to use it with `loopin-mcp audit verify --heads`. It has no callback
    URLs.
    """
    _audit(environment, commands.export, embedded=embedded)


def _text_of(file: BufferedReader) -> Iterator[str]:
    """The lines of a file in UTF-8, or in UTF-16 as PowerShell's `>` writes it.

    Nothing is read before the first line is needed.
    """
    start = file.peek(len(BOM_UTF16_LE))
    if start.startswith((BOM_UTF16_LE, BOM_UTF16_BE)):
        yield from TextIOWrapper(file, "utf-16")
    else:
        # A head that is not UTF-8 is refused later, by the number of its entry.
        yield from TextIOWrapper(file, "utf-8-sig", "surrogateescape")


def _audit(
    environment: Environment, work: Callable[..., Awaitable[bool]], *, embedded: bool
) -> None:
    """Do this work on the database, and end with its exit code."""

    async def on_archive() -> bool:
        keys = audit_keys(settings, embedded=embedded)
        async with open_archive(settings, embedded=embedded) as archive:
            return await work(archive, keys, say=click.echo, progress=partial(click.echo, err=True))

    settings = Settings.load(environment, "embedded" if embedded else "api")
    raise SystemExit(0 if run(on_archive) else 1)
