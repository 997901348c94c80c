"""Background loops: no failure of one ends the API."""

from collections.abc import Awaitable, Callable

import anyio
import pytest

from loopin_mcp.api.serving.serving import AGAIN_S, beside
from tests.support.loops import ON_VIRTUAL_TIME, Backend


@pytest.fixture
def anyio_backend() -> Backend:
    return ON_VIRTUAL_TIME


async def nested_fault() -> None:
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(fault)


async def fault() -> None:
    raise RuntimeError("can't start new thread")


@pytest.mark.parametrize(
    ("fail", "error"), [(fault, "RuntimeError"), (nested_fault, "ExceptionGroup")]
)
async def test_loop_that_fails_is_run_again_and_named_in_the_log(
    caplog: pytest.LogCaptureFixture, fail: Callable[[], Awaitable[None]], error: str
) -> None:
    started: list[float] = []
    runs = anyio.Event()

    async def loop() -> None:
        started.append(anyio.current_time())
        if len(started) == 1:
            await fail()
        runs.set()
        await anyio.sleep_forever()

    async with beside({"A loop": loop, "Another": anyio.sleep_forever}):
        await runs.wait()

    assert started[1] - started[0] == AGAIN_S
    assert caplog.messages == [f"A loop failed and will be tried again: {error}"]


async def test_loop_that_returns_is_run_again() -> None:
    runs: list[float] = []
    enough = anyio.Event()

    async def loop() -> None:
        runs.append(anyio.current_time())
        if len(runs) == 3:
            enough.set()

    async with beside({"A loop": loop}):
        await enough.wait()

    assert [later - runs[0] for later in runs] == [0, AGAIN_S, 2 * AGAIN_S]
