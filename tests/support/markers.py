"""Marks tests by what they use, and fails unmarked ones that start a process.

`tests/conftest.py` loads this file as a plugin of pytest.
"""

import sys
from collections.abc import Generator

import pytest

# The marker of tests that use a fixture.
MARKERS = {
    "browser": "browser",
    "postgres_url": "database_server",
    "serve": "subprocess",
    "served": "subprocess",
    "start": "subprocess",
}
PROCESSES = {"subprocess.Popen", "os.exec", "os.fork", "os.forkpty", "os.posix_spawn", "os.system"}
MAY_START_PROCESSES = set(MARKERS.values())

_refused_for: list[str] = []


def pytest_configure() -> None:
    """Check every process before it is started."""
    sys.addaudithook(_refuse_process)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Add the markers that follow from fixtures and parameters."""
    for item in items:
        assert isinstance(item, pytest.Function)
        used = {marker for name, marker in MARKERS.items() if name in item.fixturenames}
        if hasattr(item, "callspec") and "postgresql" in item.callspec.params.values():
            used.add("database_server")
        for marker in sorted(used):
            item.add_marker(marker)


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


def _refuse_process(event: str, _arguments: tuple[object, ...]) -> None:
    if event in PROCESSES and _refused_for:
        pytest.fail(f"{_refused_for[0]} starts a process: mark it `subprocess`")
