"""The `loopin-mcp` command: without a subcommand it is the stdio MCP server."""

import contextlib
import gc
import importlib.util
import logging
import os
import signal
import sys
import traceback
import warnings
from codecs import BOM_UTF16_BE, BOM_UTF16_LE
from collections.abc import Awaitable, Callable, Iterator
from functools import partial
from io import BufferedReader, TextIOWrapper

import anyio
import click

from loopin_mcp.desktop import has_desktop, start_browser
from loopin_mcp.errors import ConfigurationError, LoopinError, first_of
from loopin_mcp.settings.settings import Reader, Settings
from loopin_mcp.version import __version__

# The lowest level at which the logs of these libraries are useful.
_LEVELS = {
    logging.WARNING: ("httpx", "mcp"),
    # Uvicorn warns about every malformed request, and anyone can send many. Psycopg warns about
    # every failed attempt; LoopIn logs outages itself.
    logging.ERROR: ("uvicorn", "psycopg"),
    # These log what they send and where, some of them with the whole URL.
    logging.CRITICAL: ("urllib3", "requests_oauthlib", "paho", "pika", "slixmpp", "smpplib"),
}

_print: Callable[[str], None] = click.echo
_say: Callable[[str], None] = partial(click.echo, err=True)


class _Commands(click.Group):
    """The command and its subcommands, none of which ends in a traceback."""

    def invoke(self, ctx: click.Context) -> object:
        """See `click.Group.invoke`."""
        with _refusing():
            return super().invoke(ctx)


@click.group(
    cls=_Commands,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.version_option(__version__, "-V", "--version", prog_name="loopin-mcp")
@click.pass_context
def main(ctx: click.Context) -> None:
    """Human approval gate for AI agents.

    Without a command this is the MCP server that a host such as Claude Desktop or Cursor starts
    and talks to over stdin and stdout. Environment variables configure it, mainly LOOPIN_API_URL
    and LOOPIN_API_KEY; without a URL it runs its own API. `loopin-mcp demo` shows the whole loop,
    `loopin-mcp inbox` opens your inbox.
    """
    _log_to_stderr()
    # A shell that starts this in the background has SIGINT ignored.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    if ctx.invoked_subcommand is None:
        _serve_stdio()


@main.command()
@click.option(
    "--insecure",
    is_flag=True,
    help="Serve without API_KEY_SECRET on an address that others can reach.",
)
def api(*, insecure: bool) -> None:
    """Serve the LoopIn REST API, its inbox and its review pages.

    The settings come from the environment: PORT (3002), HOST (127.0.0.1), LOOPIN_BASE_URL,
    API_KEY_SECRET, AUDIT_KEY, REVIEWER_KEYS, DATABASE_URL (SQLite in LOOPIN_DATA_DIR), RATE_LIMIT
    (120 a minute), CALLBACK_SECRET, CALLBACK_ALLOW, RETENTION_DAYS, LOOPIN_NOTIFY,
    LOOPIN_NOTIFY_HIGH and LOOPIN_OPEN_REVIEW. Names with the prefix LOOPIN_, such as LOOPIN_PORT,
    work too; the MCP server reads only those. docs/settings.md says what each means. Press Ctrl+C
    to stop.
    """
    with _loading():
        from loopin_mcp.api.serving.serving import serve_alone

    with _until_interrupted():
        settings = _load_settings("api")
        # uvloop comes with the extra `server`, on systems that have it.
        options = {"use_uvloop": importlib.util.find_spec("uvloop") is not None}
        serve = partial(serve_alone, settings, insecure=insecure, say=_say)
        anyio.run(serve, backend_options=options)


@main.command()
@click.option("--no-browser", is_flag=True, help="Print the link instead of opening it.")
def inbox(*, no_browser: bool) -> None:
    """Open your inbox in the browser: the requests that wait for you.

    You are signed in by a link that works once and within a minute; if LOOPIN_REVIEWER_KEYS is
    set, you sign in with your key instead. Without a desktop the link is printed. If no MCP host is
    running LoopIn, this command serves the inbox until you press Ctrl+C. If LOOPIN_API_URL is set,
    this opens the inbox of that API, which asks for a key.
    """
    with _loading():
        from loopin_mcp.commands.open_inbox import open_inbox

    browser = None if no_browser or not has_desktop(os.environ) else start_browser
    with _until_interrupted():
        anyio.run(open_inbox, _load_settings("mcp_server"), _say, _print, browser)


@main.command(short_help="Show the whole loop, from question to decision.")
@click.option(
    "--decide",
    type=click.Choice(["approved", "rejected"]),
    help="Play the human too: submit the review page's form with this decision.",
)
def demo(decide: str | None) -> None:
    """Show the whole loop: an agent asks, you decide in the browser, the agent resumes."""
    with _loading():
        from loopin_mcp.commands.demo import run_demo

    environment = dict(os.environ)
    _forget_secrets()
    anyio.run(run_demo, decide, environment, _print)


@main.command(short_help="Send a test notification to every channel.")
def notify() -> None:
    """Send a test notification to every channel in LOOPIN_NOTIFY and LOOPIN_NOTIFY_HIGH.

    These are Apprise URLs, separated by spaces or commas. Prints where it arrived; the exit code
    is 1 if it did not arrive everywhere.
    """
    with _loading():
        from loopin_mcp.commands.notify import send_test_notifications

    arrived = anyio.run(send_test_notifications, _load_settings("embedded"), _print)
    raise SystemExit(0 if arrived else 1)


@main.group(short_help="Check or export what happened to every interrupt.")
def audit() -> None:
    """Check or export the audit trail of every interrupt: who did what to it, and when.

    Both commands read the database of `loopin-mcp api` (see DATABASE_URL and LOOPIN_DATA_DIR), or a
    copy of it, and change nothing. The API can keep running. They need its LOOPIN_AUDIT_KEY, or
    without one its API_KEY_SECRET.
    """


_embedded = click.option(
    "--embedded", is_flag=True, help="Read the database of the API that an MCP host started."
)


@audit.command(short_help="Find interrupts that somebody tampered with.")
@_embedded
@click.option(
    "--heads",
    type=click.File("rb"),
    help="Also check every eventsHead that was kept elsewhere: JSON lines with interruptId and "
    "eventsHead, such as callbacks or an export, or CSV with these columns.",
)
def verify(*, embedded: bool, heads: BufferedReader | None) -> None:
    """Find every interrupt that somebody tampered with.

    Reports events that were changed, dropped, added or reordered, and requests or decisions that
    differ from their events. Only --heads detects that somebody put back an earlier state, or,
    having the key, rewrote all events. The exit code is 0 if all is well, and 1 if there is
    tampering, or something cannot be checked with the keys that are set.
    """
    from loopin_mcp.api.audit.commands import verify

    lines = None if heads is None else _text_of(heads)
    _audit(partial(verify, heads=lines), embedded=embedded)


@audit.command(short_help="Print every interrupt with its events, as JSON lines.")
@_embedded
def export(*, embedded: bool) -> None:
    """Print every interrupt with its events, and those deleted by age, as JSON lines.

    Keep the output elsewhere to use it with `loopin-mcp audit verify --heads`. It has no callback
    URLs.
    """
    from loopin_mcp.api.audit.commands import export

    _audit(export, embedded=embedded)


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


def _audit(work: Callable[..., Awaitable[bool]], *, embedded: bool) -> None:
    """Do this work on the database, and end with its exit code."""
    from loopin_mcp.api.store.opening import audit_keys, open_archive

    async def on_archive() -> bool:
        keys = audit_keys(settings, embedded=embedded)
        async with open_archive(settings, embedded=embedded) as archive:
            return await work(archive, keys, say=_print, progress=_say)

    settings = _load_settings("embedded" if embedded else "api")
    raise SystemExit(0 if anyio.run(on_archive) else 1)


@contextlib.contextmanager
def _loading() -> Iterator[None]:
    """Import without garbage collection, which takes a third of the time and finds nothing."""
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


@contextlib.contextmanager
def _refusing() -> Iterator[None]:
    """End the program with one line on a failure, and with code 130 on Ctrl+C."""
    try:
        yield
    except (click.ClickException, click.exceptions.Exit):
        raise
    except KeyboardInterrupt:
        raise SystemExit(130) from None
    except Exception as error:
        raise _ending(error) from error


def _ending(caught: Exception) -> Exception:
    """What Click shows in one line; it ends quietly if nobody reads the output any more."""
    error = first_of(caught)
    if isinstance(error, LoopinError):
        return click.ClickException(str(error))
    if isinstance(error, BrokenPipeError):
        return error
    *_, place = traceback.extract_tb(error.__traceback__ or caught.__traceback__)
    return click.ClickException(
        f"Unexpected {type(error).__name__} at {place.filename}:{place.lineno}. Please report it."
    )


@contextlib.contextmanager
def _until_interrupted() -> Iterator[None]:
    """Let SIGTERM end the block like Ctrl+C does: the requests in flight are still answered."""
    signal.signal(signal.SIGTERM, lambda *_: signal.raise_signal(signal.SIGINT))
    try:
        yield
    except KeyboardInterrupt:
        _say("Stopped.")


def _load_settings(reader: Reader) -> Settings:
    """The settings, whose secrets leave the environment."""
    try:
        return Settings.load(os.environ, reader)
    finally:
        _forget_secrets()


def _forget_secrets() -> None:
    """Keep secrets from the programs that this one starts, such as a browser."""
    for variable in Settings.secret_variables():
        os.environ.pop(variable, None)


def _serve_stdio() -> None:
    with _loading():
        from loopin_mcp.mcp_server.stdio import serve_stdio
        from loopin_mcp.mcp_server.tools import create_server

    if sys.stdin and sys.stdin.isatty():
        _say(
            f"loopin-mcp {__version__}: an MCP server that waits for an MCP host on stdin. "
            "Try `loopin-mcp demo` or `loopin-mcp --help`."
        )
    # Reading stdin cannot be cancelled, so SIGINT ends the process at once. All that was
    # acknowledged is stored by then.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    settings: Settings | ConfigurationError
    try:
        settings = _load_settings("mcp_server")
    except ConfigurationError as error:
        settings = error
        logging.getLogger("loopin_mcp").error("%s", error)
    anyio.run(serve_stdio, create_server(settings))


def _log_to_stderr() -> None:
    logging.basicConfig(
        level=logging.INFO,
        format="%(asctime)s %(levelname)s %(name)s: %(message)s",
        datefmt="%Y-%m-%d %H:%M:%S%z",
    )
    for level, libraries in _LEVELS.items():
        for library in libraries:
            logging.getLogger(library).setLevel(level)
    # Python would print it with the host of a notification.
    warnings.filterwarnings("ignore", "Unverified HTTPS request")
