"""What a host's files hold of LoopIn."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from loopin_mcp.install.files import naming, read_text
from loopin_mcp.install.formats import Object, format_of
from loopin_mcp.install.hook_lines import fails_closed, gate_match, gate_timeout_s
from loopin_mcp.install.hosts import HOSTS, Hooks, Host
from loopin_mcp.install.jsonc import JSON
from loopin_mcp.install.machine import Machine
from loopin_mcp.install.parts import gate_lines, handlers_of, parts_of


@dataclass(frozen=True)
class GateHook:
    """A hook that runs the gate: for which event and tools, and its command line.

    The `matcher` is the host's, or else the gate's own; None is all tools.
    `timeout_s` is when the host ends the hook, and `gate_timeout_s` when the gate ends itself; None
    is the default of each. `fails_closed` says that a killed or missing gate blocks the call.
    """

    event: str
    matcher: str | None
    line: str
    timeout_s: float | None
    gate_timeout_s: float | None
    fails_closed: bool


def read_object(path: Path) -> Object:
    """What a configuration file holds; a missing file holds nothing.

    Raises:
        ConfigurationError: It cannot be read; the message names the file and the line.
    """
    text = read_text(path)
    with naming(path):
        return {} if text is None else format_of(path).read(text)


def read_entry(host: Host, machine: Machine) -> Object | None:
    """The entry of LoopIn's server in a host's file, or None.

    Raises:
        ConfigurationError: The file cannot be read.
    """
    return parts_of(read_object(host.file(machine)), host.key).entry


def read_gate_hooks(host: Host, machine: Machine) -> list[GateHook]:
    """The hooks of a host that run the gate.

    Raises:
        ConfigurationError: The file cannot be read.
    """
    if host.hooks is None:
        return []
    events = read_object(host.hooks.file(machine)).get("hooks")
    return [
        hook
        for event, elements in (events.items() if isinstance(events, dict) else ())
        for element in (elements if isinstance(elements, list) else ())
        for hook in _gate_hooks(host.hooks, event, element)
    ]


def sharing_hosts(host: Host, machine: Machine) -> list[Host]:
    """The other hosts with an entry of LoopIn that read the same file of hooks.

    Raises:
        ConfigurationError: A file cannot be read.
    """
    file = hooks_file(host, machine)
    others = [it for it in HOSTS.values() if it is not host and hooks_file(it, machine) == file]
    return [it for it in others if file is not None and read_entry(it, machine) is not None]


def hooks_file(host: Host, machine: Machine) -> Path | None:
    """The file of a host's hooks, or None if the gate cannot work in this host."""
    return host.hooks.file(machine) if host.hooks else None


def _gate_hooks(hooks: Hooks, event: str, element: JSON) -> Iterator[GateHook]:
    group = element if isinstance(element, dict) else {}
    for handler in handlers_of(element):
        matcher, limit = group.get("matcher"), handler.get(hooks.timeout)
        for line in gate_lines(handler)[:1]:
            yield GateHook(
                event,
                matcher if isinstance(matcher, str) else gate_match(line),
                line,
                limit * hooks.timeout_unit_s if isinstance(limit, int | float) else None,
                gate_timeout_s(line),
                fails_closed(line) or handler.get("failClosed") is True,
            )
