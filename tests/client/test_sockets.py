"""The client's connections, over real sockets if a mock cannot show it."""

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

import anyio
import httpx
import pytest
import respx
from anyio.lowlevel import checkpoint

from loopin_mcp import APIError, Health, LoopinClient, UnreachableError
from tests.support import PATIENCE_S, new_interrupt
from tests.support.client import PENDING, READS, URL, WRITES, Call, Naps, answer
from tests.support.loops import WITH_LEAPING_TIME, Backend, leap


@pytest.fixture
def anyio_backend() -> Backend:
    return WITH_LEAPING_TIME


@asynccontextmanager
async def serving(
    handle: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]],
) -> AsyncIterator[str]:
    """A server of raw bytes on a free port; yields its URL."""

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):
            await handle(reader, writer)
        writer.close()

    with anyio.fail_after(4 * PATIENCE_S):
        async with await asyncio.start_server(connected, "127.0.0.1", 0) as server:
            yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


@pytest.mark.parametrize("drips", [False, True])
async def test_server_that_never_ends_its_answer_is_given_up(drips: bool) -> None:
    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        # Longer than connecting and answering may take together.
        leap(2 * PATIENCE_S)
        while drips and not reader.at_eof():
            writer.write(b".")
            await writer.drain()
            await checkpoint()
        await reader.read()

    async with serving(handle) as url, LoopinClient(url, timeout_s=PATIENCE_S) as client:
        with pytest.raises(UnreachableError) as failure:
            await client.get_interrupt_status("int-1")

    assert str(failure.value) == (
        f"The LoopIn API at {url} did not answer GET /interrupts/int-1 within {PATIENCE_S:g} s. "
        "Check that it is healthy, or give it more time."
    )


@pytest.mark.parametrize(
    "bytes_sent",
    [
        b"",
        b"SSH-2.0-secret\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{",
    ],
)
async def test_answer_that_is_cut_short_is_asked_for_again_and_then_told(
    naps: Naps, bytes_sent: bytes
) -> None:
    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(bytes_sent)
        await writer.drain()

    async with serving(handle) as url, LoopinClient(url, sleep=naps) as client:
        with pytest.raises(UnreachableError) as failure:
            await client.get_interrupt_status("int-1")

    assert str(failure.value) == (
        f"The LoopIn API at {url} broke off its answer to GET /interrupts/int-1: it was cut short, "
        "or is not HTTP. Check the API and any proxy before it."
    )
    assert len(naps.taken) == 2


async def test_redirect_to_what_is_no_url_leads_nowhere() -> None:
    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 302 Found\r\nLocation: http://evil.test:secret/\r\n")
        writer.write(b"Content-Length: 0\r\n\r\n")

    async with serving(handle) as url, LoopinClient(url) as client:
        with pytest.raises(APIError, match="is redirected to nowhere") as refusal:
            await client.get_interrupt_status("int-1")

    assert "secret" not in str(refusal.value)


@pytest.mark.parametrize("call", [READS[0], WRITES[0]], ids=["read", "create"])
async def test_cancelled_call_closes_its_connection_at_once(call: Call) -> None:
    arrived, gone = anyio.Event(), anyio.Event()

    async def handle(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        arrived.set()
        await reader.read()
        gone.set()

    async with (
        serving(handle) as url,
        LoopinClient(url) as client,
        anyio.create_task_group() as tasks,
    ):
        tasks.start_soon(call, client)
        await arrived.wait()
        tasks.cancel_scope.cancel()
        with anyio.CancelScope(shield=True):
            await gone.wait()


async def test_port_where_nothing_listens_is_told_as_no_connection(naps: Naps) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
        async with LoopinClient(url, sleep=naps) as client:
            with pytest.raises(
                UnreachableError, match=f"^No connection to the LoopIn API at {url}: "
            ):
                await client.create_interrupt(new_interrupt())

    assert len(naps.taken) == 2


@pytest.mark.parametrize(
    ("address", "line"),
    [
        ("http://loopin.test", b"GET http://loopin.test/health HTTP/1.1"),
        ("", b"GET /health HTTP/1.1"),
    ],
)
async def test_proxy_of_the_environment_is_not_for_this_machine(
    monkeypatch: pytest.MonkeyPatch, address: str, line: bytes
) -> None:
    seen: list[bytes] = []

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.append((await reader.readuntil(b"\r\n\r\n")).splitlines()[0])
        body = b'{"status": "ok", "service": "loopin-api"}'
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))
        await writer.drain()

    async with serving(handle) as url:
        for name in ("no_proxy", "NO_PROXY", "all_proxy", "ALL_PROXY", "HTTP_PROXY"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv("http_proxy", url if address else "http://127.0.0.1:1")
        async with LoopinClient(address or url) as client:
            health = await client.get_health()

    assert health == Health(status="ok", service="loopin-api")
    assert seen == [line]


async def test_client_closes_its_own_connections_and_no_others(route: respx.Route) -> None:
    route.return_value = answer(PENDING)
    async with httpx.AsyncClient() as http:
        async with LoopinClient(URL, http=http) as client:
            await client.get_interrupt_status("int-1")
        assert not http.is_closed

    async with LoopinClient(URL) as client:
        await client.get_interrupt_status("int-1")
    with pytest.raises(RuntimeError, match="has been closed"):
        await client.get_interrupt_status("int-1")
