"""`make` installs only what each target needs, and says what is missing."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support import missing

pytestmark = [
    pytest.mark.subprocess,
    pytest.mark.skipif(sys.platform == "win32", reason="the Makefile is for POSIX shells"),
]

PROJECT = Path(__file__).parents[1]
MAKE = shutil.which("make") or ""
# Records its arguments, and creates environments whose programs are itself.
PYTHON = """#!/bin/sh
echo "$(basename "$0") $*" >> "$ASKED"
[ "$1 $2" = "-m venv" ] || exit 0
mkdir -p "$3/bin"
for program in python pytest loopin-mcp; do cp "$0" "$3/bin/$program"; done
"""
# As on Debian without python3-venv: it starts and fails.
WITHOUT_VENV = """#!/bin/sh
[ "$1 $2" = "-m venv" ] || exit 0
mkdir -p "$3/bin"
touch "$3/bin/python"
exit 1
"""
OLD = """#!/bin/sh
[ "$1" = "-c" ] && exit 1
echo "Python 3.10.1"
"""


class Clone:
    """A clone of the project, with another Python."""

    def __init__(self, place: Path, python: str) -> None:
        self._place = place
        for name in ("Makefile", "pyproject.toml"):
            shutil.copy(PROJECT / name, place)
        (place / "python3").write_text(python, encoding="utf-8")
        (place / "python3").chmod(0o755)

    def make(self, target: str) -> subprocess.CompletedProcess[str]:
        if not MAKE:
            missing("make")
        return subprocess.run(
            [MAKE, target, "PYTHON=./python3"],
            cwd=self._place,
            env={"PATH": os.defpath, "ASKED": str(self._place / "asked")},
            capture_output=True,
            text=True,
            check=False,
        )

    def asked(self) -> list[str]:
        """The calls of Python except version checks, and the installed packages."""
        asked = (self._place / "asked").read_text(encoding="utf-8").splitlines()
        return [line for line in asked if " -c " not in line]


PIP = "python -m pip install --quiet --disable-pip-version-check"
INSTALL = f"{PIP} --no-binary claude-agent-sdk -e "


@pytest.fixture
def clone(tmp_path: Path) -> Clone:
    return Clone(tmp_path, PYTHON)


def test_demo_needs_the_package_alone(clone: Clone) -> None:
    for _ in range(2):
        assert clone.make("demo").returncode == 0

    demo = "loopin-mcp demo"
    assert clone.asked() == ["python3 -m venv .venv", f"{INSTALL}.", demo, demo]


def test_tests_add_what_they_need_to_the_environment_of_the_demo(clone: Clone) -> None:
    for target in ("demo", "test", "demo", "test"):
        assert clone.make(target).returncode == 0

    test = "pytest -n auto --dist loadfile --no-loadscope-reorder"
    assert clone.asked()[2:] == [
        "loopin-mcp demo",
        f"{INSTALL}.[dev]",
        test,
        "loopin-mcp demo",
        test,
    ]


def test_demo_uses_the_environment_of_the_tests_as_it_is(clone: Clone) -> None:
    for target in ("test", "demo"):
        assert clone.make(target).returncode == 0

    assert clone.asked()[1:] == [
        f"{INSTALL}.[dev]",
        "pytest -n auto --dist loadfile --no-loadscope-reorder",
        "loopin-mcp demo",
    ]


@pytest.mark.parametrize(
    ("python", "said"),
    [
        (WITHOUT_VENV, "On Debian and Ubuntu it needs: apt-get install python3-venv"),
        (OLD, "loopin-mcp needs Python 3.11 or newer; ./python3 is: Python 3.10.1."),
    ],
    ids=["without venv", "old"],
)
def test_python_that_will_not_do_is_named_and_leaves_no_environment(
    tmp_path: Path, python: str, said: str
) -> None:
    tried = Clone(tmp_path, python).make("demo")

    assert tried.returncode != 0
    assert said in tried.stderr
    assert not (tmp_path / ".venv").exists()
