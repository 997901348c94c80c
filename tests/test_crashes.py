"""A few rounds of crashes: nothing that was acknowledged is lost.

`bench/crashes.py` runs hundreds; docs/evidence.md has the results.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support import clean_environment, missing

SCRIPT = Path(__file__).parents[1] / "bench" / "crashes.py"
PATIENCE_S = 100

pytestmark = [
    pytest.mark.slow,
    pytest.mark.subprocess,
    pytest.mark.skipif(sys.platform == "win32", reason="Windows has no kill -9"),
]


@pytest.mark.parametrize(("kind", "rounds"), [("sqlite", 2), ("postgresql", 3)])
def test_crashes_lose_nothing_and_tell_nothing_twice(kind: str, rounds: int) -> None:
    places = [os.environ["PATH"], *map(str, Path("/usr/lib/postgresql").glob("*/bin"))]
    if kind == "postgresql" and shutil.which("initdb", path=os.pathsep.join(places)) is None:
        missing("PostgreSQL")

    run = subprocess.run(
        [sys.executable, "-W", "error", str(SCRIPT), kind, str(rounds), "1"],
        env=clean_environment(),
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )

    assert run.returncode == 0, run.stdout + run.stderr
    assert f"{rounds} crashes on {kind}: nothing lost, nothing sent twice" in run.stdout
