"""The unit of systemd is valid, confined, and the one that the documentation shows."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.packaging.conftest import PROJECT
from tests.support import missing
from tests.test_docs import snippets

UNIT = PROJECT / "packaging/systemd/loopin.service"
# Of ten. The API needs sockets, and reads its own files.
MOST_EXPOSED = 1.5


@pytest.fixture
def systemd_analyze() -> str:
    return shutil.which("systemd-analyze") or missing("systemd")


def test_documentation_shows_the_unit() -> None:
    page = (PROJECT / "docs/team.md").read_text(encoding="utf-8")

    assert snippets(page, "ini") == [UNIT.read_text("utf-8")]


@pytest.mark.subprocess
def test_unit_is_valid(systemd_analyze: str, tmp_path: Path) -> None:
    program = Path(sys.executable).with_name("loopin-mcp")
    unit = tmp_path / UNIT.name
    unit.write_text(UNIT.read_text("utf-8").replace("/opt/loopin/bin/loopin-mcp", str(program)))

    done = subprocess.run(
        [systemd_analyze, "verify", unit], capture_output=True, text=True, check=False
    )

    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.subprocess
def test_unit_is_confined(systemd_analyze: str) -> None:
    options = ["--offline=true", f"--threshold={MOST_EXPOSED * 10:.0f}"]
    done = subprocess.run(
        [systemd_analyze, "security", *options, UNIT], capture_output=True, text=True, check=False
    )

    assert done.returncode == 0, done.stdout
