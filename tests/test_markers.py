"""Markers follow from what a test uses, so that `make test-fast` can leave it out."""

import os
import subprocess
import sys
from collections.abc import Callable

import anyio
import pytest

COMMAND = [sys.executable, "-c", ""]


def markers_of(request: pytest.FixtureRequest) -> set[str]:
    return {marker.name for marker in request.node.iter_markers()}


def test_process_is_refused_to_a_test_that_is_not_marked_for_it() -> None:
    with pytest.raises(pytest.fail.Exception, match="starts a process: mark it `subprocess`"):
        subprocess.run(COMMAND, check=True)


async def test_process_is_refused_from_an_event_loop_too(anyio_backend: str) -> None:
    with pytest.raises(pytest.fail.Exception, match="starts a process: mark it `subprocess`"):
        await anyio.run_process(COMMAND)


def test_spawning_is_refused_to_a_test_that_is_not_marked_for_it() -> None:
    with pytest.raises(pytest.fail.Exception, match="starts a process: mark it `subprocess`"):
        os.posix_spawn(sys.executable, COMMAND, {})


@pytest.mark.subprocess
def test_process_is_started_by_a_test_that_is_marked_for_it() -> None:
    assert subprocess.run(COMMAND, check=True).returncode == 0


def test_fixture_that_starts_processes_marks_its_tests(
    request: pytest.FixtureRequest, serve: Callable[..., str]
) -> None:
    assert "subprocess" in markers_of(request)


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_parameter_that_names_a_database_server_marks_its_tests(
    request: pytest.FixtureRequest, kind: str
) -> None:
    assert ("database_server" in markers_of(request)) == (kind == "postgresql")
