"""How a server answers a host: this very program, or the command in a host's entry."""

import platform
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial

import anyio

from loopin_mcp.commands.doctor.checks import Check, Finding, problem, run_checks
from loopin_mcp.commands.doctor.programs import (
    LEGACY,
    MODERN,
    PATIENCE_S,
    NoServerError,
    Program,
    shake_hands,
)
from loopin_mcp.errors import ConfigurationError
from loopin_mcp.install.launcher import find_launcher
from loopin_mcp.version import __version__

VERSION, LAUNCHER = "Version", "Launcher"

# More than any host waits.
ANSWER_S = 10.0

_START = "Install loopin-mcp again, and look at what `loopin-mcp` prints in a terminal."
_IN_TIME = "Use a command that starts faster: see “Start in time” in docs/hosts.md."
# More programs that start at once would slow each other down.
_AT_ONCE = 3


async def check_itself(environment: Mapping[str, str]) -> list[Finding]:
    """The version, what hosts can start, and a handshake in both eras of the protocol."""
    found = f"loopin-mcp {__version__}, Python {platform.python_version()} ({sys.executable})"
    # Safe, so that no module of the working directory is imported.
    own = Program([sys.executable, "-P", "-m", "loopin_mcp"], environment)
    findings = [Finding(VERSION, "pass", found), _check_launcher(environment)]
    # One after the other, so that each has the machine to itself.
    for era in (LEGACY, MODERN):
        findings += await run_checks(
            [Check(f"MCP {era}", partial(_greet_itself, own, era), 2 * ANSWER_S)]
        )
    return findings


def _check_launcher(environment: Mapping[str, str]) -> Finding:
    try:
        program, *arguments = find_launcher(environment)
    except ConfigurationError as error:
        return problem(LAUNCHER, error, _START)
    # What uvx installs from may hold a password.
    found = f"{program} with {len(arguments)} arguments" if arguments else program
    return Finding(LAUNCHER, "pass", found)


async def _greet_itself(own: Program, era: str) -> Sequence[Finding]:
    return [await greet(f"MCP {era}", own, _START, era)]


async def greet(name: str, program: Program, remedy: str, era: str = LEGACY) -> Finding:
    """How a program answers a host; the remedy is for one that does not."""
    try:
        with anyio.fail_after(ANSWER_S):
            took_s = await shake_hands(program, era)
    except TimeoutError:
        found = f"{program.command[0]} did not answer within {ANSWER_S:g} s"
        return Finding(name, "failure", found, remedy)
    except NoServerError as error:
        return Finding(name, "failure", f"{program.command[0]}: {error}", remedy)
    found = f"{program.command[0]} answered within {took_s:.1f} s"
    if took_s > PATIENCE_S:
        return Finding(name, "warning", f"{found}, and some hosts wait less", _IN_TIME)
    return Finding(name, "pass", found)


class Starts:
    """Starts the programs of hosts: equal ones once, and few at the same time."""

    def __init__(self) -> None:
        self._found: dict[object, Finding] = {}
        self._turns: dict[object, anyio.Lock] = {}
        self._places = anyio.Semaphore(_AT_ONCE)

    async def greet(self, name: str, program: Program, remedy: str) -> Finding:
        """See `greet`."""
        key = (*program.command, *sorted(program.environment.items()))
        async with self._turns.setdefault(key, anyio.Lock()):
            if key not in self._found:
                async with self._places:
                    self._found[key] = await greet(name, program, remedy)
        found = self._found[key]
        is_failure = found.status == "failure"
        return replace(found, name=name, remedy=remedy if is_failure else found.remedy)
