"""The commands `install` and `uninstall`: their arguments and options."""

import re
import sys
from collections.abc import Callable, Mapping
from difflib import get_close_matches
from functools import partial
from pathlib import Path

import click

from loopin_mcp.commands.installation import (
    Terminal,
    chosen_hosts,
    install,
    show_entries,
    uninstall,
)
from loopin_mcp.errors import ConfigurationError
from loopin_mcp.install.hosts import HOSTS, GateMode
from loopin_mcp.install.launcher import find_launcher
from loopin_mcp.install.machine import this_machine
from loopin_mcp.install.plan import Wishes
from loopin_mcp.settings.settings import Settings


class _HostName(click.Choice[str]):
    """The name of a host; says which one was meant."""

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """See `click.Choice.convert`."""
        try:
            return super().convert(value, param, ctx)
        except click.BadParameter as error:
            meant = get_close_matches(value.lower(), HOSTS, n=1)
            hint = f" Did you mean {meant[0]}?" if meant else ""
            raise click.BadParameter(error.message + hint, ctx, param) from None


_hosts = click.argument("hosts", nargs=-1, type=_HostName(list(HOSTS)), metavar="[HOST]...")
_yes = click.option("--yes", is_flag=True, help="Write without asking.")


@click.command("install", short_help="Add LoopIn to your MCP hosts, with the gate.")
@_hosts
@click.option("--print", "only_print", is_flag=True, help="Only print what would be written.")
@click.option("--url", help="The API of your team (LOOPIN_API_URL).")
@click.option("--key", help="Its API key (LOOPIN_API_KEY); - asks for it.")
@click.option("--user", help="The human to ask (LOOPIN_USER_ID); required with --url.")
@click.option("--tools", help="The tools to offer to agents (LOOPIN_TOOLS).")
@click.option(
    "--gate",
    type=click.Choice(["prompts", "calls", "off"]),
    help="What LoopIn asks about: what the host would ask you (prompts), every call that --match "
    "names (calls), or nothing (off). Default: the gate that is installed, or else the first of "
    "these that the host can have.",
)
@click.option(
    "--match",
    help="The tools for --gate calls: a regular expression of names.",
)
@_yes
@click.pass_obj
def install_command(
    environment: Mapping[str, str],
    *,
    hosts: tuple[str, ...],
    only_print: bool,
    url: str | None,
    key: str | None,
    user: str | None,
    tools: str | None,
    gate: GateMode | None,
    match: str | None,
    yes: bool,
) -> None:
    """Add LoopIn to MCP hosts: its server and, if the host has hooks, the gate.

    HOST is claude-code, claude-desktop, cursor, vscode, codex, copilot, gemini, windsurf or zed;
    without one, all hosts that are found on this machine. Shows what changes and asks, keeps a
    backup beside each file, and changes nothing else in it. Running it again changes nothing.
    """
    settings = {
        "LOOPIN_API_URL": url,
        "LOOPIN_API_KEY": _asked_key() if key == "-" else key,
        "LOOPIN_USER_ID": user,
        "LOOPIN_TOOLS": tools,
    }
    given = {name: value.strip() for name, value in settings.items() if value}
    Settings.load(given)
    _refuse_pattern(match)
    machine = this_machine(environment)
    work = show_entries if only_print else install
    done = work(
        chosen_hosts(hosts, machine),
        machine,
        Wishes(given, gate, match, named=bool(hosts)),
        find_launcher(environment),
        _data_dir(environment),
        _terminal(yes=yes),
    )
    raise SystemExit(0 if done else 1)


@click.command("uninstall", short_help="Remove LoopIn from your MCP hosts.")
@_hosts
@_yes
@click.pass_obj
def uninstall_command(environment: Mapping[str, str], *, hosts: tuple[str, ...], yes: bool) -> None:
    """Remove LoopIn's server and gate from MCP hosts, and nothing else.

    Without a HOST, from all that are found on this machine. Shows what changes and asks, and keeps
    a backup beside each file. Your requests and decisions stay.
    """
    machine = this_machine(environment)
    found = chosen_hosts(hosts, machine)
    done = uninstall(found, machine, _data_dir(environment), _terminal(yes=yes))
    raise SystemExit(0 if done else 1)


def _data_dir(environment: Mapping[str, str]) -> Path:
    """The data directory; mistakes in other settings do not matter here."""
    given = {name: environment.get(name, "") for name in ("LOOPIN_DATA_DIR", "XDG_DATA_HOME")}
    return Settings.load(given).data_dir


def _terminal(*, yes: bool) -> Terminal:
    ask: Callable[[str], bool] | None = _confirmed if _is_terminal() else None
    return Terminal(click.echo, partial(click.echo, err=True), bool if yes else ask)


def _is_terminal() -> bool:
    return sys.stdin is not None and sys.stdin.isatty()


def _confirmed(question: str) -> bool:
    return click.confirm(question)


def _asked_key() -> str:
    """The key that the user types, or the first line of stdin: others can see arguments."""
    if _is_terminal():
        return str(click.prompt("API key", hide_input=True))
    return sys.stdin.readline() if sys.stdin else ""


def _refuse_pattern(match: str | None) -> None:
    """Refuse what no host could read as a regular expression.

    Raises:
        ConfigurationError: It is not one.
    """
    try:
        re.compile(match or "")
    except re.error as error:
        raise ConfigurationError(
            f"--match is not a regular expression: {error}. Correct it, or leave it out."
        ) from error
