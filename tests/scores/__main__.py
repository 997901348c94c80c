"""`python -m tests.scores [SUITE…]` runs all suites, or those named, and prints one table."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.hosts.programs import cache_of
from tests.scores.rows import Row, table
from tests.scores.runs import Runs, SuiteError
from tests.scores.suites import SUITES
from tests.scores.target import serving

OUTPUTS = Path("build/scores").absolute()
AT_ONCE = 2

# What a suite that does not run, or that says something new, raises; and a missing npm.
FAILURES = (
    SuiteError,
    OSError,
    subprocess.SubprocessError,
    ValueError,
    LookupError,
    pytest.skip.Exception,
    pytest.fail.Exception,
)

Suite = Callable[[Runs], Iterator[Row]]


def rows_of(suites: Mapping[str, Suite], runs: Runs) -> list[Row]:
    """The rows of all suites, in their order."""
    with ThreadPoolExecutor(AT_ONCE) as threads:
        found = threads.map(lambda name: _rows_of_one(name, suites[name], runs), suites)
        return [row for rows in found for row in rows]


def _rows_of_one(name: str, suite: Suite, runs: Runs) -> list[Row]:
    """A suite that cannot run misses its goal."""
    rows: list[Row] = []
    try:
        rows += suite(runs)
    except FAILURES as error:
        rows.append(Row(name, "", "did not end", "", [f"{type(error).__name__}: {error}"]))
    return rows


def main(names: list[str]) -> int:
    """Run these suites, or all; returns 1 if one misses its goal, and 2 if a name is unknown."""
    if unknown := set(names) - set(SUITES):
        sys.stderr.write(f"Unknown: {', '.join(unknown)}. The suites are {', '.join(SUITES)}.\n")
        return 2
    shutil.rmtree(OUTPUTS, ignore_errors=True)
    OUTPUTS.mkdir(parents=True)
    chosen = {name: suite for name, suite in SUITES.items() if name in names or not names}
    with serving(OUTPUTS) as target:
        rows = rows_of(chosen, Runs(target, cache_of(os.environ), OUTPUTS))
    where = OUTPUTS.relative_to(Path.cwd())
    sys.stdout.write(f"{table(rows)}\n\nThe full output is in {where}.\n")
    return exit_code(rows)


def exit_code(rows: Sequence[Row]) -> int:
    """1 if a goal is missed, or if nothing ran."""
    return int(not rows or any(row.faults for row in rows))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
