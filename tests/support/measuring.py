"""Measures the coverage of processes only for tests that run lines which no other test runs.

Others start sooner without it. The processes of pytest itself are always measured.
`tests/conftest.py` loads this file as a plugin of pytest.
"""

from collections.abc import Generator
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]
# Folders and files below tests/.
MEASURED = {
    TESTS / name
    for name in (
        "api/audit",
        "api/database",
        "api/pages/review/test_desk.py",
        "api/serving",
        "api/store",
        "client",
        "commands",
        "gate",
        "install",
        "mcp_server/test_confirmation_stdio.py",
        "mcp_server/test_http_ending.py",
        "mcp_server/test_pipe.py",
        "mcp_server/test_stdio.py",
        "mcp_server/test_stdio_faults.py",
        "telemetry",
    )
}
# With this in its environment, a process measures itself.
VARIABLE = "COVERAGE_PROCESS_CONFIG"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Take the variable from the environment while other tests run."""
    with pytest.MonkeyPatch.context() as patch:
        if MEASURED.isdisjoint([item.path, *item.path.parents]):
            patch.delenv(VARIABLE, raising=False)
        return (yield)
