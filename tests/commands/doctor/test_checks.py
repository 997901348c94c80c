"""Checks end in time, and none can hide what the others find."""

import anyio
import pytest

from loopin_mcp.commands.doctor import report
from loopin_mcp.commands.doctor.checks import Check, Finding, in_thread, run_checks
from loopin_mcp.errors import ConfigurationError
from tests.support.secrets import LONG, shows_secret


def failing(error: Exception) -> Check:
    def fail() -> list[Finding]:
        raise error

    return in_thread("Bad", fail)


@pytest.mark.parametrize(
    ("error", "found"),
    [
        (KeyError(LONG), "could not be checked: unexpected KeyError"),
        (ExceptionGroup("x", [ValueError(LONG)]), "could not be checked: unexpected ValueError"),
        (PermissionError(13, "Permission denied", LONG), "could not be checked: Permission denied"),
        (OSError(LONG), "could not be checked: OSError"),
        (ConfigurationError("It is broken. Mend it."), "It is broken"),
    ],
)
async def test_check_that_raises_is_a_failure_and_the_others_go_on(
    error: Exception, found: str
) -> None:
    good = in_thread("Good", lambda: [Finding("Good", "pass", "fine")])

    bad, fine = await run_checks([failing(error), good])

    assert (bad.status, bad.found) == ("failure", found)
    assert bad.remedy
    assert fine.status == "pass"
    assert not shows_secret(repr(bad))


async def test_check_that_hangs_ends_with_its_limit() -> None:
    async def hang() -> list[Finding]:
        await anyio.sleep_forever()
        return []

    [found] = await run_checks([Check("Slow", hang, limit_s=0.01)])

    assert found.found == "could not be checked: it took more than 0.01 seconds"


def test_hostile_text_stays_on_its_line_and_short() -> None:
    hostile = Finding("Host\u202e", "failure", "a\nok       Version: fine\x1b[2J", "b" * 10_000)

    lines = report.lines_of([hostile])

    assert len(lines) == 2
    assert all("\n" not in line and "\x1b" not in line and "\u202e" not in line for line in lines)
    assert max(map(len, lines)) < 600
    assert report.exit_code_of([]) == 0
