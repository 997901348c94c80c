"""The programs that download from registries."""

import shutil
import sys
from pathlib import Path

import pytest

from tests.support import missing

PROJECT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def npx() -> str:
    """The program that runs those of npm."""
    return shutil.which("npx") or missing("npm")


@pytest.fixture(scope="session")
def uv() -> str:
    """The uv of this environment."""
    return shutil.which("uv", path=Path(sys.executable).parent) or missing("uv")
