"""Fixtures of the recipes: an API that the tests of a file share, and a human whom one asks."""

import os
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.frameworks.recipes import QUIET
from tests.hosts.human import Human
from tests.support import KEY, ServedAPI

CLAUDE = Path(__file__).with_name("claude.py")


@pytest.fixture(scope="module")
def served_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """An API that all tests of one file share; each asks another user."""
    api = ServedAPI(tmp_path_factory.mktemp("api"), {"API_KEY_SECRET": KEY})
    yield api.url
    api.stop()


def claude_in(place: Path) -> Path:
    """A directory with a stand-in for the program of Claude Code, where the SDK has none."""
    place.mkdir()
    program = place / "claude"
    program.write_text(f"#!{sys.executable}\n{CLAUDE.read_text('utf-8')}", encoding="utf-8")
    program.chmod(0o755)
    return place


@pytest.fixture
def human(served_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Human:
    """A human whom nobody else asks; the environment names them."""
    human = Human(served_url, f"user-{uuid.uuid4()}")
    for name, value in {**QUIET, **human.variables}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", f"{claude_in(tmp_path / 'bin')}{os.pathsep}{os.environ['PATH']}")
    return human
