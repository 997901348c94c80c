"""Installs LoopIn in hosts, and removes it again: shows each change, asks and writes."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from loopin_mcp.commands.difference import difference, shown
from loopin_mcp.errors import ConfigurationError
from loopin_mcp.install.files import keep_backup, replace
from loopin_mcp.install.hosts import HOSTS, GateMode, Host, find_hosts
from loopin_mcp.install.machine import Machine
from loopin_mcp.install.plan import (
    Change,
    Wishes,
    completed,
    plan_install,
    plan_uninstall,
    wanted_parts,
)
from loopin_mcp.install.reading import sharing_hosts
from loopin_mcp.settings.settings import Settings

_NO_HOSTS = f"No host was found on this machine: name one of {', '.join(HOSTS)}."
_SLOW = (
    "uvx starts LoopIn, and looks for it anew each time. `uv tool install` makes it faster: see "
    "docs/hosts.md, then run this again."
)
_MEANINGS: dict[GateMode, str] = {
    "prompts": "whenever {title} would ask you, LoopIn asks instead. What it runs without asking "
    "you still runs; --gate calls guards that, too",
    "calls": "LoopIn asks before each {calls}",
    "off": "LoopIn asks only when an agent asks it to",
}


@dataclass(frozen=True)
class Terminal:
    """How to talk to the user: `ask` is None if nobody can answer."""

    say: Callable[[str], None]
    warn: Callable[[str], None]
    ask: Callable[[str], bool] | None


def install(
    hosts: list[Host],
    machine: Machine,
    wishes: Wishes,
    launcher: list[str],
    data_dir: Path,
    terminal: Terminal,
) -> bool:
    """Install LoopIn in each of these hosts; returns whether none refused it.

    Raises:
        ConfigurationError: There is a change and nobody to ask.
    """

    def to_host(host: Host) -> None:
        wanted = completed(host, machine, wishes)
        changes = plan_install(host, machine, wanted, launcher, data_dir)
        if _carried_out(host, changes, terminal):
            terminal.say(_meaning(host, wanted))
            terminal.say(f"Next: {host.next_step}")
        elif not changes:
            terminal.say(f"If {host.title} does not use LoopIn yet, restart it.")

    done = _each(hosts, to_host, terminal)
    if "--from" in launcher:
        terminal.say(_SLOW)
    return done


def show_entries(
    hosts: list[Host],
    machine: Machine,
    wishes: Wishes,
    launcher: list[str],
    data_dir: Path,
    terminal: Terminal,
) -> bool:
    """Print what each host's files would hold; returns whether none refused it."""

    def of_host(host: Host) -> None:
        wanted = completed(host, machine, wishes)
        for path, parts in wanted_parts(host, machine, wanted, launcher, data_dir).items():
            terminal.warn(f"{host.title}: {path}")
            terminal.say(shown(path, parts).rstrip("\n"))

    return _each(hosts, of_host, terminal)


def uninstall(hosts: list[Host], machine: Machine, data_dir: Path, terminal: Terminal) -> bool:
    """Remove LoopIn from each of these hosts; returns whether none refused it.

    Raises:
        ConfigurationError: There is a change and nobody to ask.
    """

    def from_host(host: Host) -> None:
        changes = plan_uninstall(host, machine, data_dir)
        sharing = sharing_hosts(host, machine)
        if not _carried_out(host, changes, terminal):
            return
        if sharing:
            titles = ", ".join(other.title for other in sharing)
            terminal.say(f"The hooks stay: {titles} uses the same file.")
        terminal.say(f"Next: Restart {host.title}. Until then it may still use LoopIn.")

    return _each(hosts, from_host, terminal)


def chosen_hosts(names: tuple[str, ...], machine: Machine) -> list[Host]:
    """The hosts with these names, or those on this machine.

    Raises:
        ConfigurationError: None is named, and none is found.
    """
    hosts = [HOSTS[name] for name in dict.fromkeys(names)] or find_hosts(machine)
    if not hosts:
        raise ConfigurationError(_NO_HOSTS)
    return hosts


def _each(hosts: list[Host], work: Callable[[Host], None], terminal: Terminal) -> bool:
    refused = []
    for host in hosts:
        try:
            work(host)
        except ConfigurationError as error:
            refused.append(host)
            terminal.warn(f"{host.title}: {error}")
    return not refused


def _carried_out(host: Host, changes: list[Change], terminal: Terminal) -> bool:
    """Show changes, ask, and write them; returns whether they were written.

    Raises:
        ConfigurationError: Nobody can be asked, or a file cannot be written.
    """
    if not changes:
        terminal.say(f"{host.title}: nothing to change.")
        return False
    for change in changes:
        terminal.say(difference(change))
    if terminal.ask is None:
        raise ConfigurationError(
            "Nothing was written, because nobody can be asked: stdin is not a terminal. Use --yes "
            "to write without a question."
        )
    if not terminal.ask(f"{host.title}: write this?"):
        terminal.say(f"{host.title}: nothing was written.")
        return False
    for change in changes:
        _write(change, terminal)
    return True


def _write(change: Change, terminal: Terminal) -> None:
    if change.parts is not None and change.before is not None:
        backup = keep_backup(change.path, change.before)
        has_key = any(name in change.before for name in Settings.secret_variables())
        terminal.say(f"Backup: {backup}{' (with the API key)' if has_key else ''}")
    replace(change.path, change.after, change.before)
    terminal.say(f"{'Removed' if change.after is None else 'Wrote'}: {change.path}")


def _meaning(host: Host, wishes: Wishes) -> str:
    if host.hooks is None:
        return f"{host.title} has no hooks for the gate: {_MEANINGS['off']}."
    calls = "shell command, file change and call of another server's tool"
    if wishes.match is not None:
        calls = f"call of a tool whose name matches {wishes.match}"
    gate = wishes.gate or "off"
    return f"Gate: {gate}. This means: {_MEANINGS[gate].format(title=host.title, calls=calls)}."
