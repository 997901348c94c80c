"""Checks the hosts of this machine: LoopIn's entry in each, and whether it starts."""

import shutil
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import anyio.to_thread

from loopin_mcp.client.addresses import fixed_address
from loopin_mcp.commands.doctor.api import check_api
from loopin_mcp.commands.doctor.checks import Check, Finding, in_thread, problem, run_checks
from loopin_mcp.commands.doctor.hooks import check_hooks
from loopin_mcp.commands.doctor.people import faults_of_channels
from loopin_mcp.commands.doctor.programs import Program, is_this_program
from loopin_mcp.commands.doctor.self_test import Starts
from loopin_mcp.commands.doctor.variables import check_variables, faults_of_user
from loopin_mcp.errors import ConfigurationError
from loopin_mcp.install.formats import Object, object_at
from loopin_mcp.install.hosts import Host, find_hosts
from loopin_mcp.install.machine import Machine, this_machine
from loopin_mcp.install.reading import read_entry
from loopin_mcp.settings.settings import Settings

HOSTS = "Hosts"
LIMIT_S = 45.0

_NOTIFY = {"LOOPIN_NOTIFY", "LOOPIN_NOTIFY_HIGH"}
_NO_HOSTS = Finding(
    HOSTS,
    "warning",
    "no MCP host was found in the home directory of this user",
    "Install one, then run `loopin-mcp install`.",
)
_FILE = "Correct the file, or move it away and run `loopin-mcp install`."


@dataclass
class _Seen:
    """What the entries of several hosts have in common, which is checked once."""

    starts: Starts = field(default_factory=Starts)
    apis: set[tuple[str | None, str | None]] = field(default_factory=set)


def checks_of_hosts(environment: Mapping[str, str]) -> list[Check]:
    """One check for each host that this user seems to have."""
    seen, checks = _Seen(), list[Check]()
    with suppress(ConfigurationError):
        machine = this_machine(environment)
        checks = [
            Check(host.title, partial(_check_host, host, machine, seen), LIMIT_S)
            for host in find_hosts(machine)
        ]
    return checks or [in_thread(HOSTS, lambda: [_NO_HOSTS])]


def notifying_hosts(environment: Mapping[str, str]) -> list[str]:
    """The hosts whose entry sets LOOPIN_NOTIFY or LOOPIN_NOTIFY_HIGH."""
    with suppress(ConfigurationError):
        machine = this_machine(environment)
        entries = {host.title: _entry_of(host, machine) for host in find_hosts(machine)}
        return [
            title
            for title, entry in entries.items()
            if isinstance(entry, dict) and _NOTIFY & object_at(entry, "env").keys()
        ]
    return []


async def _check_host(host: Host, machine: Machine, seen: _Seen) -> Sequence[Finding]:
    entry = await anyio.to_thread.run_sync(_entry_of, host, machine, abandon_on_cancel=True)
    if isinstance(entry, Finding):
        return [entry]
    hooks = partial(check_hooks, host, machine, is_needed=entry is not None)
    gate = await anyio.to_thread.run_sync(hooks, abandon_on_cancel=True)
    if entry is None:
        found = f"LoopIn is not installed here; `loopin-mcp install {host.id}` does that"
        return [Finding(host.title, "pass", found), *gate]
    return [*await _check_entry(host, machine, entry, seen), *gate]


def _entry_of(host: Host, machine: Machine) -> Object | Finding | None:
    try:
        return read_entry(host, machine)
    except ConfigurationError as error:
        return problem(host.title, error, _FILE)
    except RecursionError:
        found = f"{host.file(machine)} is nested too deeply"
        return Finding(host.title, "failure", found, _FILE)


async def _check_entry(host: Host, machine: Machine, entry: Object, seen: _Seen) -> list[Finding]:
    name = host.title
    again = f"Run `loopin-mcp install {host.id}`, which writes the whole entry."
    command, arguments = entry.get("command"), entry.get("args", [])
    variables = entry.get("env", {})
    if not isinstance(command, str) or not command:
        return [Finding(name, "failure", "its entry has no command", again)]
    if not _are_texts(arguments) or not isinstance(variables, dict):
        return [Finding(name, "failure", "its args or env are not texts", again)]
    given = _given(variables)
    path = shutil.which(command, path=machine.environment.get("PATH", ""))
    if path is None:
        return [Finding(name, "failure", f"its command does not exist: {command}", again)]
    found = [each for each in check_variables(name, given) if each.status != "pass"]
    found += faults_of_user(name, host, variables)
    if not Path(command).is_absolute():
        what = f"its command is not an absolute path: {command}"
        found.append(Finding(name, "warning", what, again))
    words = [path, *map(str, arguments if isinstance(arguments, list) else [])]
    if is_this_program(words, machine.environment):
        found += await anyio.to_thread.run_sync(
            faults_of_channels, name, given, abandon_on_cancel=True
        )
    environment = {**_without_settings(machine.environment), **given}
    program = Program(words, environment, str(machine.home))

    async def start() -> Sequence[Finding]:
        return [await seen.starts.greet(name, program, again)]

    api = Check(name, partial(_check_api_of, variables, seen), LIMIT_S)
    return [*await run_checks([Check(name, start, LIMIT_S), api]), *found]


async def _check_api_of(variables: Mapping[str, object], seen: _Seen) -> Sequence[Finding]:
    """The API that an entry names, which may be another one than that of this terminal."""
    given = _given(variables)
    try:
        settings = Settings.load(given)
    except ConfigurationError:
        # It is a finding of its own.
        return []
    api = (settings.api_url, settings.api_key)
    if settings.api_url is None or given != variables or api in seen.apis:
        return []
    seen.apis.add(api)
    found = await check_api(settings, fixed_address(settings.api_url, settings.api_key))
    problems = [each for each in found if each.status != "pass"]
    place = f" at {settings.api_url}"
    return [replace(each, name=each.name + place) for each in problems or found[:1]]


def _are_texts(values: object) -> bool:
    return isinstance(values, list) and all(isinstance(value, str) for value in values)


def _given(variables: Mapping[str, object]) -> dict[str, str]:
    """The variables of an entry, without those that only the host can fill in."""
    return {
        name: value
        for name, value in variables.items()
        if isinstance(value, str) and "${" not in value
    }


def _without_settings(environment: Mapping[str, str]) -> dict[str, str]:
    """What a host that is started from the desktop passes on."""
    own = Settings.all_variables()
    return {name: value for name, value in environment.items() if name not in own}
