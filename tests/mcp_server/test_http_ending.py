"""Waits over HTTP that end early: the host leaves, or the server stops, is killed, or returns."""

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import anyio.abc
import anyio.lowlevel
import httpx
import pytest
from mcp import Client
from pydantic_core import to_json

from loopin_mcp.client.client import LoopinClient
from loopin_mcp.client.connections import in_process
from tests.support import PATIENCE_S
from tests.support.host import MODERN
from tests.support.over_http import (
    TOKEN,
    Serve,
    ServedMCP,
    api_server,
    caller,
    host,
    http_server,
    request,
    serving,
)
from tests.support.server import call, in_each_era

QUESTION = {"action": "Pay", "context": {"amount": 1}, "userId": "u"}
PENDING = {"interruptId": "i", "status": "pending", "action": "Pay"}


class HoldingAPI:
    """An API with one pending interrupt, which holds all requests that may be held."""

    def __init__(self) -> None:
        self.holds = anyio.Event()
        self.is_left = anyio.Event()

    @asynccontextmanager
    async def serve(self) -> AsyncIterator[str]:
        listener = await anyio.create_tcp_listener(local_host="127.0.0.1")
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(listener.serve, self._answer)
            address = listener.extra(anyio.abc.SocketAttribute.local_address)  # noqa: S610
            yield f"http://127.0.0.1:{address[1]}"
            tasks.cancel_scope.cancel()
        await listener.aclose()

    async def _answer(self, stream: anyio.abc.SocketStream) -> None:
        async with stream:
            while b"prefer: wait" not in (await stream.receive()).lower():
                body = to_json(PENDING)
                head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\n\r\n"
                await stream.send(head.encode() + body)
            self.holds.set()
            with pytest.raises(anyio.EndOfStream):
                await stream.receive()
            self.is_left.set()


@in_each_era
async def test_wait_of_a_host_that_leaves_is_not_held_any_longer(tmp_path: Path, era: str) -> None:
    api = HoldingAPI()
    version = {"MCP-Protocol-Version": MODERN} if era == MODERN else {}
    names = {"Mcp-Method": "tools/call", "Mcp-Name": "get_interrupt_status"}
    named = {"name": "get_interrupt_status", "arguments": {"interruptId": "i"}}
    asks = request("tools/call", named, era=era)
    async with (
        api.serve() as api_url,
        serving(http_server(tmp_path, api_url=api_url)) as url,
        caller(url, **version, **names) as http,
    ):
        with anyio.fail_after(PATIENCE_S):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(partial(http.post, "/mcp", json=asks))
                await api.holds.wait()
                tasks.cancel_scope.cancel()
            await api.is_left.wait()


async def test_call_that_is_cancelled_ends_in_an_api_of_the_same_process() -> None:
    holds, is_left = anyio.Event(), anyio.Event()

    async def api(*_: object) -> None:
        holds.set()
        try:
            await anyio.sleep_forever()
        finally:
            is_left.set()

    client = LoopinClient("http://127.0.0.1", http=in_process(api))
    with anyio.fail_after(PATIENCE_S):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(client.get_interrupt_status, "i")
            await holds.wait()
            tasks.cancel_scope.cancel()
        await is_left.wait()


async def wait(client: Client, interrupt_id: str, held: anyio.Event, answers: list[Any]) -> None:
    """Wait for a decision; `held` is set once the server has reported that the call waits."""

    async def on_progress(progress: float, total: float | None, message: str | None) -> None:
        held.set()

    arguments = {"interruptId": interrupt_id}
    result = await client.call_tool(
        "get_interrupt_status", arguments, progress_callback=on_progress
    )
    answers.append(result.structured_content)


def by_itself(tmp_path: Path) -> Serve:
    return http_server(tmp_path, progress_every_s=0.05)


def of_an_api(tmp_path: Path) -> Serve:
    return api_server(tmp_path, api_key_secret=TOKEN)


@in_each_era
@pytest.mark.parametrize("server", [by_itself, pytest.param(of_an_api, marks=pytest.mark.slow)])
async def test_server_that_stops_tells_those_who_wait_to_ask_again(
    tmp_path: Path, era: str, server: Callable[[Path], Serve]
) -> None:
    answers: list[dict[str, Any]] = []
    held, stopped = anyio.Event(), anyio.Event()

    async def run(*, task_status: anyio.abc.TaskStatus[str]) -> None:
        async with serving(server(tmp_path)) as url:
            task_status.started(url)
            await held.wait()
        stopped.set()

    with anyio.fail_after(PATIENCE_S):
        async with anyio.create_task_group() as tasks:
            url = await tasks.start(run)
            async with host(url, era) as client:
                created = await call(client, "create_interrupt", **QUESTION)
                await wait(client, created["interruptId"], held, answers)
                await stopped.wait()

    [answer] = answers
    assert (answer["status"], answer["approved"]) == ("pending", False)
    assert "Call get_interrupt_status again" in answer["nextStep"]


@pytest.fixture
def launch(tmp_path: Path) -> Iterator[Callable[..., ServedMCP]]:
    """Start `loopin-mcp --transport http` as a process of its own."""
    started: list[ServedMCP] = []

    def start(**environment: str) -> ServedMCP:
        started.append(ServedMCP(tmp_path, environment))
        return started[-1]

    yield start
    for served in started:
        served.stop()


@pytest.mark.subprocess
async def test_request_of_a_server_that_was_killed_is_found_by_the_next(
    launch: Callable[..., ServedMCP], free_port: int
) -> None:
    killed = launch(PORT=str(free_port))
    async with host(killed.url, MODERN) as client:
        created = await call(client, "create_interrupt", **QUESTION)
    arguments = {"interruptId": created["interruptId"]}
    named: dict[str, Any] = {"name": "get_interrupt_status", "arguments": arguments}
    async with caller(killed.url) as http:
        waiting = http.build_request("POST", "/mcp", json=request("tools/call", named))
        # Its headers come while the call waits.
        answer = await http.send(waiting, stream=True)
        killed.process.kill()
        with pytest.raises(httpx.RemoteProtocolError):
            await answer.aread()
        launch(PORT=str(free_port))
        named["arguments"] = arguments | {"waitSeconds": 0}
        read = await http.post("/mcp", json=request("tools/call", named))

    assert created["interruptId"] in read.text


@pytest.mark.subprocess
@in_each_era
async def test_sigterm_ends_the_process_with_a_wait_in_flight(
    launch: Callable[..., ServedMCP], era: str
) -> None:
    answers: list[dict[str, Any]] = []
    held = anyio.Event()
    served = launch()
    async with host(served.url, era) as client:
        created = await call(client, "create_interrupt", **QUESTION)
        with anyio.fail_after(PATIENCE_S):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(wait, client, created["interruptId"], held, answers)
                await held.wait()
                served.process.terminate()
    logged = served.stop()

    assert [answer["status"] for answer in answers] == ["pending"]
    assert logged.splitlines()[-1] == "Stopped."
    assert served.process.returncode == 0
    assert TOKEN not in logged
