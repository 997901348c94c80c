"""Fixtures of the hosts, and the programs that run in them."""

import os
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.hosts.home import Home
from tests.hosts.hosts import HOSTS
from tests.hosts.human import Human
from tests.hosts.programs import cache_of, fetched
from tests.support import KEY, ServedAPI


@pytest.fixture
def set_up(tmp_path: Path) -> Iterator[Callable[[str], Home]]:
    """Set up a host in a home of its own."""
    homes: list[Home] = []

    def set_up(name: str) -> Home:
        homes.append(Home(tmp_path / name, name, fetched(name, cache_of(os.environ))))
        return homes[-1]

    yield set_up
    for home in homes:
        home.end()


@pytest.fixture(params=HOSTS)
def home(request: pytest.FixtureRequest, set_up: Callable[[str], Home]) -> Home:
    """A home for each host."""
    return set_up(request.param)


@pytest.fixture(scope="session")
def api_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """An API that all tests of one process share; each asks another user."""
    api = ServedAPI(tmp_path_factory.mktemp("api"), {"API_KEY_SECRET": KEY})
    yield api.url
    api.stop()


@pytest.fixture
def human(api_url: str) -> Human:
    """A human whom nobody else asks."""
    return Human(api_url, f"user-{uuid.uuid4()}")


@pytest.fixture
def claude_code(set_up: Callable[[str], Home]) -> Home:
    """A home for Claude Code."""
    return set_up("claude-code")
