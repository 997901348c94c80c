"""The whole examination: which checks there are, in which order, and how it ends."""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial

from loopin_mcp.client.addresses import Locate, fixed_address
from loopin_mcp.commands.doctor.api import API, check_api, check_port
from loopin_mcp.commands.doctor.checks import Check, Finding, in_thread, run_checks
from loopin_mcp.commands.doctor.hosts import checks_of_hosts, notifying_hosts
from loopin_mcp.commands.doctor.live import Human, ask
from loopin_mcp.commands.doctor.people import (
    BROWSER,
    NOTIFICATIONS,
    check_browser,
    check_notifications,
)
from loopin_mcp.commands.doctor.report import exit_code_of, json_of, lines_of, summary_of
from loopin_mcp.commands.doctor.self_test import check_itself
from loopin_mcp.commands.doctor.storage import DIRECTORY, check_storage
from loopin_mcp.commands.doctor.variables import check_variables
from loopin_mcp.embedded import embedded_api
from loopin_mcp.errors import ConfigurationError, ungrouped
from loopin_mcp.settings.settings import Settings

SETTINGS = "Settings"
API_LIMIT_S = 25.0
# With settings that cannot be used, nothing is asked of any API.
_NOWHERE = "http://127.0.0.1:1"


async def run_doctor(
    environment: Mapping[str, str],
    show: Callable[[str], None],
    human: Human | None = None,
    *,
    as_json: bool = False,
) -> int:
    """Examine everything and `show` the findings; gives the exit code.

    If there is a `human`, one request is sent through to them and back.
    """
    settings, findings = _settings_of(environment), list[Finding]()

    def add(found: Sequence[Finding]) -> None:
        findings.extend(found)
        for line in [] if as_json else lines_of(found):
            show(line)

    with ungrouped():
        async with _api_of(settings) as locate:
            add(await _examine(environment, settings, locate))
            if settings is not None and human is not None:
                add(await ask(settings, locate, human))
    show(json_of(findings) if as_json else summary_of(findings))
    return exit_code_of(findings)


def _settings_of(environment: Mapping[str, str]) -> Settings | None:
    """The settings; None if one of them cannot be used, which is a finding of its own."""
    try:
        return Settings.load(environment)
    except ConfigurationError:
        return None


@asynccontextmanager
async def _api_of(settings: Settings | None) -> AsyncIterator[Locate]:
    """The API of the settings; `locate` starts the embedded one if no host is running it."""
    if settings is not None and settings.api_url is None:
        # No page is to open by itself.
        async with embedded_api(replace(settings, open_review="off")) as locate:
            yield locate
        return
    url, key = (settings.api_url, settings.api_key) if settings else (None, None)
    yield fixed_address(url or _NOWHERE, key)


async def _examine(
    environment: Mapping[str, str], settings: Settings | None, locate: Locate
) -> list[Finding]:
    own = await check_itself(environment)
    checks = [
        in_thread(SETTINGS, partial(check_variables, SETTINGS, environment)),
        *checks_of_hosts(environment),
        in_thread(BROWSER, partial(check_browser, environment)),
    ]
    if settings is not None:
        hosts = partial(notifying_hosts, environment)
        checks += [
            Check(API, partial(_check_service, settings, locate), API_LIMIT_S),
            in_thread(NOTIFICATIONS, partial(check_notifications, settings, hosts)),
        ]
    return own + await run_checks(checks)


async def _check_service(settings: Settings, locate: Locate) -> Sequence[Finding]:
    """The API; an embedded one with its storage and its port. It is not started on bad storage."""
    if settings.api_url:
        return await check_api(settings, locate)
    storage = await run_checks([in_thread(DIRECTORY, partial(check_storage, settings.data_dir))])
    if any(finding.status == "failure" for finding in storage):
        return storage
    found = await check_api(settings, locate)
    is_reached = found[0].status != "failure"
    port = check_port(settings, await locate()) if is_reached else []
    return [*storage, *port, *found]
