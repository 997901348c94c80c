"""The `loopin-mcp` command: without a subcommand it is the stdio MCP server."""

import gc
import importlib
import importlib.util
import logging
import os
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import click

from loopin_mcp.commands.process import loading, log_to_stderr, refusing, until_interrupted
from loopin_mcp.commands.signals import end_at_once, run
from loopin_mcp.desktop import has_desktop, start_browser
from loopin_mcp.errors import ConfigurationError
from loopin_mcp.settings.env_file import read_env_file
from loopin_mcp.settings.settings import DEFAULT_GATE_TIMEOUT_S, Reader, Settings
from loopin_mcp.telemetry.logs import log_as
from loopin_mcp.version import __version__

# The modules of commands that no other command needs, with their options.
_ELSEWHERE = {
    "audit": "loopin_mcp.commands.audit",
    "backup": "loopin_mcp.commands.keeping.commands",
    "install": "loopin_mcp.commands.install",
    "migrate": "loopin_mcp.commands.keeping.commands",
    "restore": "loopin_mcp.commands.keeping.commands",
    "uninstall": "loopin_mcp.commands.install",
}

# A host waits for the first answers of the server, and loading the API would delay them.
_SERVE_AFTER_S = 1.0

_print: Callable[[str], None] = click.echo
_say: Callable[[str], None] = partial(click.echo, err=True)


class _Commands(click.Group):
    """The command and its subcommands, none of which ends in a traceback."""

    def invoke(self, ctx: click.Context) -> object:
        """See `click.Group.invoke`."""
        with refusing():
            return super().invoke(ctx)

    def list_commands(self, ctx: click.Context) -> list[str]:
        """See `click.Group.list_commands`."""
        return sorted([*super().list_commands(ctx), *_ELSEWHERE])

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """See `click.Group.get_command`."""
        if cmd_name not in _ELSEWHERE:
            return super().get_command(ctx, cmd_name)
        module = importlib.import_module(_ELSEWHERE[cmd_name])
        command: click.Command = getattr(module, f"{cmd_name}_command")
        return command


@click.group(
    cls=_Commands,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.version_option(__version__, "-V", "--version", prog_name="loopin-mcp")
@click.option(
    "--env-file",
    type=click.Path(path_type=Path),
    help="A file of lines NAME=value: settings that replace those of the environment.",
)
@click.option(
    "--transport",
    type=click.Choice(["stdio", "http"]),
    default="stdio",
    show_default=True,
    help="How MCP hosts reach the server: over stdin and stdout, or by its URL.",
)
@click.pass_context
def main(ctx: click.Context, env_file: Path | None, transport: str) -> None:
    """Human approval gate for AI agents.

    `loopin-mcp install` adds it to your MCP hosts, `loopin-mcp inbox` opens your inbox, `loopin-mcp
    demo` shows the whole loop, and `loopin-mcp doctor` finds what does not work.

    Without a command this is the MCP server that a host such as Claude Desktop or Cursor starts
    and talks to over stdin and stdout. Environment variables configure it, mainly LOOPIN_API_URL
    and LOOPIN_API_KEY; without a URL it runs its own API. With --transport http, hosts connect to
    http://127.0.0.1:3003/mcp with a bearer token; LOOPIN_HOST, LOOPIN_MCP_PORT and
    LOOPIN_MCP_TOKEN change that.
    """
    log_to_stderr()
    if env_file is not None:
        os.environ.update(read_env_file(env_file))
    ctx.obj = os.environ
    if ctx.invoked_subcommand is None:
        _serve_http() if transport == "http" else _serve_stdio()
    elif transport == "http":
        raise click.UsageError("--transport is an option of the MCP server, which has no command.")


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
    (120 a minute), CALLBACK_SECRET, CALLBACK_ALLOW, RETENTION_DAYS, REJECT_REASONS, LOOPIN_NOTIFY,
    LOOPIN_NOTIFY_HIGH, LOOPIN_OPEN_REVIEW, METRICS_PORT, LOOPIN_LOG_FORMAT and LOOPIN_LOG_LEVEL.
    Names with the prefix LOOPIN_, such as LOOPIN_PORT, work too; the MCP server reads only those.
    docs/settings.md says what each means. Press Ctrl+C to stop.
    """
    with loading():
        from loopin_mcp.commands.serve_api import serve_api

    with until_interrupted():
        settings = _load_settings("api")
        serve = partial(serve_api, settings, _say_of(settings), insecure=insecure)
        run(serve, backend_options=_loop_options())


@main.command()
@click.option("--no-browser", is_flag=True, help="Print the link instead of opening it.")
def inbox(*, no_browser: bool) -> None:
    """Open your inbox in the browser.

    It shows the requests that are waiting for you. You are signed in by a link that works once and
    within a minute; if LOOPIN_REVIEWER_KEYS is set, you sign in with your key instead. Without a
    desktop the link is printed. If no MCP host is running LoopIn, this command serves the inbox
    until you press Ctrl+C. If LOOPIN_API_URL is set, this opens the inbox of that API, which asks
    for a key.
    """
    with loading():
        from loopin_mcp.commands.open_inbox import open_inbox

    browser = None if no_browser or not has_desktop(os.environ) else start_browser
    with until_interrupted():
        run(open_inbox, _load_settings("mcp_server"), _say, _print, browser)


@main.command(short_help="Show the whole loop, from question to decision.")
@click.option(
    "--decide",
    type=click.Choice(["approved", "rejected"]),
    help="Play the human too: submit the review page's form with this decision.",
)
def demo(decide: str | None) -> None:
    """Show the whole loop: an agent asks, you decide in the browser, the agent resumes."""
    with loading():
        from loopin_mcp.commands.demo import run_demo

    environment = dict(os.environ)
    _forget_secrets()
    run(run_demo, decide, environment, _print)


@main.command(short_help="Find what does not work, and how to fix it.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@click.option("--live", is_flag=True, help="Also send you one test request, and wait for you.")
def doctor(*, as_json: bool, live: bool) -> None:
    """Find what does not work, and how to fix it.

    Checks this program, the hosts and their hooks, the settings, the API, its data, and your
    notifications. Changes no settings and no file of a host. Prints one line for each finding, and
    below each problem what to do. No key is printed. The exit code is 0 if all is well, 1 if there
    are only warnings, and 2 if something does not work.
    """
    with loading():
        from loopin_mcp.commands.doctor.doctor import run_doctor
        from loopin_mcp.commands.doctor.live import Human

    environment = dict(os.environ)
    _forget_secrets()
    browser = start_browser if has_desktop(environment) else None
    say = _say if as_json else _print
    human = Human(say, browser) if live else None
    code = run(partial(run_doctor, environment, _print, human, as_json=as_json))
    # A thread that still waits, for a disk or a program, would keep this process.
    os._exit(code)


@main.command(short_help="Send a test notification to every channel.")
def notify() -> None:
    """Send a test notification to every channel in LOOPIN_NOTIFY and LOOPIN_NOTIFY_HIGH.

    These are Apprise URLs, separated by spaces or commas. Prints where it arrived; the exit code
    is 1 if it did not arrive everywhere.
    """
    with loading():
        from loopin_mcp.commands.notify import send_test_notifications

    arrived = run(send_test_notifications, _load_settings("embedded"), _print)
    raise SystemExit(0 if arrived else 1)


@main.command(short_help="Ask a human before a host runs a tool: the command of its hook.")
@click.option(
    "--timeout",
    type=click.IntRange(1, 86_400),
    default=DEFAULT_GATE_TIMEOUT_S,
    show_default=True,
    help="Seconds to wait for a decision: fewer than the host waits for its hook.",
)
@click.option(
    "--defer",
    is_flag=True,
    help="Do not wait: end a headless Claude Code. It asks again when you resume it.",
)
@click.option(
    "--match",
    default="",
    help="Ask only about tools whose names contain a match of this regular expression.",
)
def gate(*, timeout: int, defer: bool, match: str) -> None:
    """Ask a human about the tool call that a host writes to stdin, and answer on stdout.

    This is the command of a hook of Claude Code, Codex, Copilot, Cursor, Gemini CLI or VS Code. The
    settings are those of the MCP server. Without a decision in time, and after every failure, the
    exit code is 2, which hosts take as a denial.
    """
    # It ends the process itself; whatever prevents that must end it with the same code.
    try:
        from loopin_mcp.commands.gate import Gate

        logging.disable()
        gc.disable()
        Gate(timeout, match, defer=defer).run(partial(_load_settings, "mcp_server"))
    except BaseException as error:
        _say(f"LoopIn: The gate cannot start ({type(error).__name__}), so nothing is approved.")
        raise
    finally:
        os._exit(2)


def _load_settings(reader: Reader) -> Settings:
    """The settings, whose secrets leave the environment."""
    try:
        settings = Settings.load(os.environ, reader)
    finally:
        _forget_secrets()
    log_as(settings.log_format, settings.log_level)
    return settings


def _forget_secrets() -> None:
    """Keep secrets from the programs that this one starts, such as a browser."""
    for variable in Settings.secret_variables():
        os.environ.pop(variable, None)


def _say_of(settings: Settings) -> Callable[[str], None]:
    """Prints to the operator of a server, in the form of its log."""
    return _say if settings.log_format == "text" else logging.getLogger("loopin_mcp").info


def _loop_options() -> dict[str, bool]:
    # uvloop comes with the extra `server`, on systems that have it.
    return {"use_uvloop": importlib.util.find_spec("uvloop") is not None}


def _serve_http() -> None:
    with loading():
        from loopin_mcp.commands.serve_http import serve_http

    with until_interrupted():
        settings = _load_settings("mcp_http")
        serve = partial(serve_http, settings, _say_of(settings))
        run(serve, backend_options=_loop_options())


def _serve_stdio() -> None:
    with loading():
        from loopin_mcp.mcp_server.stdio.stdio import serve_stdio
        from loopin_mcp.mcp_server.tools import create_server

    if sys.stdin and sys.stdin.isatty():
        _say(
            f"loopin-mcp {__version__}: an MCP server that waits for an MCP host on stdin. "
            "Try `loopin-mcp demo` or `loopin-mcp --help`."
        )
    # Reading stdin cannot be cancelled. All that was acknowledged is stored by then.
    end_at_once()
    settings: Settings | ConfigurationError
    try:
        settings = _load_settings("mcp_server")
    except ConfigurationError as error:
        settings = error
        logging.getLogger("loopin_mcp").error("%s", error)
    run(serve_stdio, create_server(settings, serve_after_s=_SERVE_AFTER_S))
