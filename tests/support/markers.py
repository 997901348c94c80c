"""Marks tests by what they use, and fails unmarked ones that start a process.

`tests/conftest.py` loads this file as a plugin of pytest.
"""

import os
import subprocess
from collections.abc import Callable, Generator
from functools import wraps
from typing import ParamSpec, TypeVar

import pytest

P = ParamSpec("P")
R = TypeVar("R")

# The marker of tests that use a fixture.
MARKERS = {
    "browser": "browser",
    "npx": "registries",
    "postgres_url": "database_server",
    "serve": "subprocess",
    "set_up": "hosts",
    "served": "subprocess",
    "start": "subprocess",
    "uv": "registries",
}
STARTS: list[tuple[object, str]] = [
    (subprocess.Popen, "__init__"),
    *((os, name) for name in ("fork", "forkpty", "posix_spawn", "system") if hasattr(os, name)),
]
MAY_START_PROCESSES = set(MARKERS.values())

_refused_for: list[str] = []


def pytest_configure() -> None:
    """Check every process before it is started.

    An audit hook would see more, and break coverage: while it sees one thread install a tracer,
    CPython 3.11 starts no other thread that installs one.
    """
    for owner, name in STARTS:
        setattr(owner, name, _checked(getattr(owner, name)))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Add the markers that follow from fixtures and parameters."""
    for item in items:
        assert isinstance(item, pytest.Function)
        used = {marker for name, marker in MARKERS.items() if name in item.fixturenames}
        if hasattr(item, "callspec") and "postgresql" in item.callspec.params.values():
            used.add("database_server")
        for marker in sorted(used):
            item.add_marker(marker)
    # Files that take long come first, so that no process is left with one at the end.
    takes_long = {item.path for item in items if item.get_closest_marker("slow")}
    starts_others = {item.path for item in items if item.get_closest_marker("subprocess")}
    items.sort(key=lambda item: (item.path not in takes_long, item.path not in starts_others))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_setup(item: pytest.Item) -> Generator[None]:
    """Watch the set-up of a test's fixtures."""
    yield from _watched(item)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None]:
    """Watch the test itself; the teardown of shared fixtures may start processes."""
    yield from _watched(item)


def _watched(item: pytest.Item) -> Generator[None]:
    if not MAY_START_PROCESSES & {marker.name for marker in item.iter_markers()}:
        _refused_for.append(item.nodeid)
    try:
        yield
    finally:
        _refused_for.clear()


def _checked(start: Callable[P, R]) -> Callable[P, R]:
    @wraps(start)
    def starting(*arguments: P.args, **options: P.kwargs) -> R:
        if _refused_for:
            pytest.fail(f"{_refused_for[0]} starts a process: mark it `subprocess`")
        return start(*arguments, **options)

    return starting
