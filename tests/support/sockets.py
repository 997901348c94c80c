"""Raw connections to a served API, for clients that break the rules."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Self

import anyio
import anyio.abc
from anyio.streams.buffered import BufferedByteReceiveStream

from loopin_mcp.api.access.limits import Limits
from loopin_mcp.api.serving.serving import listen, port_of, serving
from loopin_mcp.api.store.opening import open_sqlite
from loopin_mcp.settings.api_options import Options
from tests.support import PATIENCE_S
from tests.support.loops import leap
from tests.support.questions import NEW

GET_HEALTH = b"GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"


class Raw:
    """One connection."""

    def __init__(self, stream: anyio.abc.SocketStream) -> None:
        self.stream = stream
        self._received = BufferedByteReceiveStream(stream)

    async def send(self, data: bytes) -> Self:
        with anyio.fail_after(PATIENCE_S):
            await self.stream.send(data)
        return self

    async def head(self) -> str:
        """The status line and the headers of the next answer."""
        with anyio.fail_after(PATIENCE_S):
            return (await self._received.receive_until(b"\r\n\r\n", 65_536)).decode()

    async def answer(self) -> tuple[int, Any]:
        """The status of the next answer, and its body, which has to be JSON."""
        status, *lines = (await self.head()).split("\r\n")
        headers = {
            name.lower(): value for name, _, value in (line.partition(": ") for line in lines)
        }
        assert headers["content-type"] == "application/json"
        with anyio.fail_after(PATIENCE_S):
            body = await self._received.receive_exactly(int(headers["content-length"]))
        return int(status.split(" ")[1]), json.loads(body)

    async def receive(self, count: int) -> bytes:
        """The next `count` bytes."""
        with anyio.fail_after(PATIENCE_S):
            return await self._received.receive_exactly(count)

    async def until_cut(self) -> bytes:
        """Everything up to the end of the connection."""
        rest = b""
        with anyio.fail_after(PATIENCE_S):
            try:
                while True:
                    rest += await self._received.receive()
            except (anyio.EndOfStream, anyio.BrokenResourceError):
                return rest


class Target:
    """A served API without a key."""

    def __init__(self, port: int, tasks: anyio.abc.TaskGroup) -> None:
        self._port = port
        self._tasks = tasks
        self._connected: list[Raw] = []

    async def connect(self, sent: bytes = b"") -> Raw:
        """A connection on which these bytes were sent."""
        raw = Raw(await anyio.connect_tcp("127.0.0.1", self._port))
        self._connected.append(raw)
        if sent:
            self._tasks.start_soon(self._send, raw, sent)
        return raw

    async def ask(self, request: bytes) -> tuple[int, Any]:
        """The answer to a request on a new connection."""
        raw = await self.connect(request)
        answer = await raw.answer()
        await raw.stream.aclose()
        return answer

    async def create(self, **changes: object) -> str:
        """The id of a new interrupt."""
        body = json.dumps(NEW | changes).encode()
        status, created = await self.ask(create(body, f"Content-Length: {len(body)}"))
        assert status == 201, created
        return str(created["interruptId"])

    async def cancel(self, interrupt_id: str) -> None:
        status, _ = await self.ask(request("DELETE", f"/interrupts/{interrupt_id}"))
        assert status == 200

    async def wait_for(self, interrupt_id: str) -> Raw:
        """A connection whose request is held until the interrupt is settled."""
        # The API sends 100 when it starts to wait for a disconnect.
        asked = ("Prefer: wait=60", "Expect: 100-continue", "Content-Length: 1")
        raw = await self.connect(request("GET", f"/interrupts/{interrupt_id}", *asked))
        assert await raw.head() == "HTTP/1.1 100 Continue"
        return await raw.send(b"x")

    async def watch(self, interrupt_id: str) -> Raw:
        """A connection with the event stream of the interrupt's page."""
        raw = await self.connect(request("GET", f"/review/{interrupt_id}/events"))
        assert (await raw.head()).startswith("HTTP/1.1 200")
        return raw

    async def pass_time(self, seconds: float) -> None:
        """Let this much time pass at once, after the server has read everything sent."""
        # Connections are accepted in order.
        await self.ask(GET_HEALTH)
        leap(seconds)
        await self.ask(GET_HEALTH)

    async def aclose(self) -> None:
        """Close all connections."""
        for raw in self._connected:
            await anyio.aclose_forcefully(raw.stream)

    async def _send(self, raw: Raw, sent: bytes) -> None:
        try:
            await raw.stream.send(sent)
        except (anyio.BrokenResourceError, anyio.ClosedResourceError):
            # The server may disconnect a client that sends too much.
            return


@asynccontextmanager
async def connecting(port: int) -> AsyncIterator[Target]:
    """Connect to a running API."""
    async with anyio.create_task_group() as tasks:
        target = Target(port, tasks)
        try:
            yield target
        finally:
            with anyio.CancelScope(shield=True):
                await target.aclose()
            tasks.cancel_scope.cancel()


@asynccontextmanager
async def attacked(data_dir: Path, limits: Limits) -> AsyncIterator[Target]:
    """Serve an API until the block ends, and connect to it."""
    database = await open_sqlite(data_dir / "api.db")
    listener = listen("127.0.0.1", 0)
    async with (
        serving(listener, database, Options(), limits=limits),
        connecting(port_of(listener)) as target,
    ):
        yield target


def request(method: str, path: str, *headers: str, body: bytes = b"") -> bytes:
    """A request with exactly these headers and Host."""
    lines = [f"{method} {path} HTTP/1.1", "Host: 127.0.0.1", *headers, "", ""]
    return "\r\n".join(lines).encode() + body


def create(body: bytes, *headers: str) -> bytes:
    """A request to create an interrupt, with exactly these headers, Host and Content-Type."""
    return request("POST", "/interrupts", "Content-Type: application/json", *headers, body=body)
