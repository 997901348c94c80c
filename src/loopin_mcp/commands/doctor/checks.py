"""Checks and their findings: each check ends in time, and none can fail the others."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import anyio
import anyio.to_thread

from loopin_mcp.errors import LoopinError, first_of

LIMIT_S = 10.0

Status = Literal["pass", "warning", "failure"]
REPORT = "Please report it with the output of `loopin-mcp doctor --json`."


@dataclass(frozen=True)
class Finding:
    """What a check found; a problem has a remedy."""

    name: str
    status: Status
    found: str
    remedy: str = ""


@dataclass(frozen=True)
class Check:
    """A look at one thing, which may take `limit_s` seconds."""

    name: str
    look: Callable[[], Awaitable[Sequence[Finding]]]
    limit_s: float = LIMIT_S


def in_thread(name: str, look: Callable[[], Sequence[Finding]]) -> Check:
    """A check that blocks."""

    async def wait() -> Sequence[Finding]:
        return await anyio.to_thread.run_sync(look, abandon_on_cancel=True)

    return Check(name, wait)


def problem(name: str, error: LoopinError, remedy: str) -> Finding:
    """The failure for an error: its first sentence says what is wrong, the others how to fix it.

    `remedy` is for errors of one sentence.
    """
    found, _, rest = str(error).partition(". ")
    return Finding(name, "failure", found.rstrip("."), rest or remedy)


async def run_checks(checks: Sequence[Check]) -> list[Finding]:
    """Run all checks at once; gives their findings in the order of the checks."""
    found: dict[int, Sequence[Finding]] = {}

    async def run(number: int, check: Check) -> None:
        found[number] = await _bounded(check)

    async with anyio.create_task_group() as tasks:
        for number, check in enumerate(checks):
            tasks.start_soon(run, number, check)
    return [finding for number in sorted(found) for finding in found[number]]


async def _bounded(check: Check) -> Sequence[Finding]:
    try:
        with anyio.fail_after(check.limit_s):
            return await check.look()
    except TimeoutError:
        reason, remedy = f"it took more than {check.limit_s:g} seconds", "Try again later."
    except LoopinError as error:
        return [problem(check.name, error, REPORT)]
    except OSError as error:
        reason, remedy = error.strerror or type(error).__name__, "Correct that, then try again."
    # One check that fails must not hide what the others find. Its text may hold a secret.
    except Exception as error:
        reason, remedy = f"unexpected {type(first_of(error)).__name__}", REPORT
    return [Finding(check.name, "failure", f"could not be checked: {reason}", remedy)]
