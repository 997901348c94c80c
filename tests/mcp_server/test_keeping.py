"""A server keeps the embedded API running for the gate and the pages, which call no tool."""

from pathlib import Path

import anyio
import pytest
from mcp import Client

from loopin_mcp.client.client import LoopinClient
from loopin_mcp.mcp_server.tools import create_server
from loopin_mcp.settings.settings import Settings
from tests.support import PATIENCE_S
from tests.support.loops import WITH_LEAPING_TIME, Backend


@pytest.fixture
def anyio_backend() -> Backend:
    return WITH_LEAPING_TIME


async def test_api_runs_before_a_tool_is_called_and_when_its_server_has_ended(
    tmp_path: Path, free_port: int
) -> None:
    settings = Settings(data_dir=tmp_path / "data", port=free_port)
    url = f"http://127.0.0.1:{free_port}"

    ends, ended = anyio.Event(), anyio.Event()

    async def serve_first() -> None:
        async with Client(create_server(settings, serve_after_s=0)):
            await ends.wait()
        ended.set()

    with anyio.fail_after(PATIENCE_S):
        async with LoopinClient(url, attempts=100) as visitor, anyio.create_task_group() as tasks:
            tasks.start_soon(serve_first)
            await visitor.get_health()
            async with Client(create_server(settings, serve_after_s=0)):
                ends.set()
                await ended.wait()
                health = await visitor.get_health()
    assert health.status == "ok"


async def test_api_that_cannot_run_leaves_the_server_running(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("not a directory")
    settings = Settings(data_dir=tmp_path / "data", port=0)

    with anyio.fail_after(PATIENCE_S):
        async with Client(create_server(settings, serve_after_s=0)) as host:
            await anyio.wait_all_tasks_blocked()
            answer = await host.call_tool("list_pending_interrupts", {})

    assert answer.is_error
    assert "data" in str(answer.content)
