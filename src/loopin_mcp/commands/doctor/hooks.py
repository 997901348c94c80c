"""Checks the gate's hooks in a host: whether they run, end in time, and fail closed."""

import shlex
import shutil
from collections.abc import Iterator
from pathlib import Path

from loopin_mcp.commands.doctor.checks import Finding, Status, problem
from loopin_mcp.commands.doctor.codex_trust import check_trust
from loopin_mcp.commands.doctor.people import faults_of_channels
from loopin_mcp.commands.doctor.programs import is_this_program
from loopin_mcp.commands.doctor.variables import faults_of, faults_of_user
from loopin_mcp.errors import ConfigurationError
from loopin_mcp.install.hosts import Host
from loopin_mcp.install.machine import Machine
from loopin_mcp.install.reading import GateHook, hooks_file, read_gate_hooks, read_object
from loopin_mcp.settings.env_file import read_env_file
from loopin_mcp.settings.settings import DEFAULT_GATE_TIMEOUT_S

# When a host ends a hook without a timeout, at the earliest.
HOST_DEFAULT_S = 30.0
# What a start and the last answer may take.
MARGIN_S = 3.0

_NO_GATE = "nothing asks before a tool runs"


def check_hooks(host: Host, machine: Machine, *, is_needed: bool) -> list[Finding]:
    """The gate's hooks in a host that can have them; `is_needed` if LoopIn is installed there."""
    file = hooks_file(host, machine)
    if file is None:
        return []
    name, again = f"{host.title} gate", f"Run `loopin-mcp install {host.id}`."
    try:
        hooks = read_gate_hooks(host, machine)
        is_off = read_object(file).get("disableAllHooks") is True
    except ConfigurationError as error:
        return [problem(name, error, "Correct the file.")]
    if not hooks:
        return [Finding(name, "warning", f"no hooks: {_NO_GATE}", again)] if is_needed else []
    found = [
        Finding(name, *each) for hook in hooks for each in _faults_of(host, hook, machine, again)
    ]
    if is_off:
        what = f"{file} has disableAllHooks: {_NO_GATE}"
        found.append(Finding(name, "failure", what, "Take disableAllHooks out."))
    if host.id == "codex":
        found += check_trust(name, file, machine)
    events = ", ".join(sorted({hook.event for hook in hooks}))
    return [*dict.fromkeys(found)] or [Finding(name, "pass", f"asks at {events}")]


def _faults_of(
    host: Host, hook: GateHook, machine: Machine, again: str
) -> Iterator[tuple[Status, str, str]]:
    words = _words_of(hook.line, machine)
    program = words[0] if words else ""
    if shutil.which(program, path=machine.environment.get("PATH", "")) is None:
        yield "failure", f"the hook's command does not exist: {program}", again
    elif not Path(program).is_absolute():
        yield "warning", f"the hook's command is not an absolute path: {program}", again
    if not hook.fails_closed:
        what = "a call runs if the gate is killed or missing: the hook does not end with exit 2"
        yield "failure", what, again
    host_s = HOST_DEFAULT_S if hook.timeout_s is None else hook.timeout_s
    gate_s = DEFAULT_GATE_TIMEOUT_S if hook.gate_timeout_s is None else hook.gate_timeout_s
    if gate_s + MARGIN_S > host_s:
        yield (
            "failure",
            f"the host may end the hook after {host_s:g} s and run the call, and the gate "
            f"refuses only after {gate_s:g} s",
            again,
        )
    for finding in _faults_of_settings(host, words, machine):
        yield finding.status, finding.found, finding.remedy or again


def _words_of(line: str, machine: Machine) -> list[str]:
    """The words of a command line up to the gate's options."""
    try:
        words = shlex.split(line.removeprefix("& "), posix=not machine.is_windows)
    except ValueError:
        return line.split()
    return [word.strip("'\"") for word in words] if machine.is_windows else words


def _faults_of_settings(host: Host, words: list[str], machine: Machine) -> list[Finding]:
    """What is wrong with the file that the gate has its settings from."""
    if "--env-file" not in words[:-1]:
        return []
    path = Path(words[words.index("--env-file") + 1])
    try:
        if not path.is_file():
            raise ConfigurationError(f"{path}, the settings of the gate, is not a file")
        settings = read_env_file(path)
        found = [*faults_of("", settings), *faults_of_user("", host, settings)]
        if is_this_program(words, machine.environment):
            found += faults_of_channels("", settings)
        return found
    except ConfigurationError as error:
        return [problem("", error, "")]
