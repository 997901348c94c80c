"""Checks variables: LoopIn's settings, in the environment and in the entries of hosts."""

import difflib
from collections.abc import Mapping, Sequence

from loopin_mcp.commands.doctor.checks import Finding, problem
from loopin_mcp.errors import ConfigurationError
from loopin_mcp.install.hosts import Host
from loopin_mcp.install.plan import USER, has_user
from loopin_mcp.settings.settings import Reader, Settings
from loopin_mcp.settings.values import MAKE_ONE, SHORTEST_KEY

_PREFIX = "LOOPIN_"
_URL = "LOOPIN_API_URL"
_TOKEN = "LOOPIN_MCP_TOKEN"  # noqa: S105 - the name of a variable
_LONGEST_NAME = 100
_REMEDY = "Correct or unset it."


def check_variables(name: str, environment: Mapping[str, str]) -> list[Finding]:
    """Every setting that cannot be used, and every variable that only looks like one."""
    found = [
        *faults_of(name, environment),
        *_short_token(name, environment),
        *_unknown(name, environment),
    ]
    count = sum(variable.startswith(_PREFIX) for variable in environment)
    return found or [Finding(name, "pass", f"all valid, {count} set")]


def faults_of(name: str, environment: Mapping[str, str]) -> list[Finding]:
    """The settings that cannot be used: each of them, and not only the first."""
    url = {_URL: environment[_URL]} if _URL in environment else {}
    alone = [
        url | {variable: environment[variable]}
        for variable in Settings.all_variables()
        if variable.startswith(_PREFIX) and variable in environment
    ]
    # The server over HTTP reads all settings of the one over stdio, and some more.
    errors = [error for each in alone for error in _errors(each, "mcp_http")]
    found = {str(error): error for error in (*errors, *_errors(environment, "mcp_server"))}
    return [problem(name, error, _REMEDY) for error in found.values()]


def faults_of_user(name: str, host: Host, settings: Mapping[str, object]) -> list[Finding]:
    """Whether the settings of a host do not say whom to ask, and need to."""
    if has_user(settings):
        return []
    found = f"{_URL} is set without {USER}, so LoopIn does not know whom to ask"
    return [Finding(name, "failure", found, f"Run `loopin-mcp install {host.id} --user NAME`.")]


def _errors(environment: Mapping[str, str], reader: Reader) -> Sequence[ConfigurationError]:
    try:
        Settings.load(environment, reader)
    except ConfigurationError as error:
        return [error]
    return []


def _short_token(name: str, environment: Mapping[str, str]) -> list[Finding]:
    if not 0 < len(environment.get(_TOKEN, "").strip()) < SHORTEST_KEY:
        return []
    found = f"{_TOKEN} has fewer than {SHORTEST_KEY} characters, so it could be guessed"
    return [Finding(name, "warning", found, MAKE_ONE)]


def _unknown(name: str, environment: Mapping[str, str]) -> list[Finding]:
    known = [each for each in Settings.all_variables() if each.startswith(_PREFIX)]
    unknown = sorted({each for each in environment if each.startswith(_PREFIX)} - {*known})
    return [_warning(name, variable, known) for variable in unknown]


def _warning(name: str, variable: str, known: Sequence[str]) -> Finding:
    shown = variable[:_LONGEST_NAME]
    [*nearest] = difflib.get_close_matches(shown, known, n=1)
    remedy = f"Rename it to {nearest[0]}, or unset it." if nearest else "Unset it."
    return Finding(name, "warning", f"{shown} is not a setting of LoopIn", remedy)
