"""Opens a page's event stream as a browser does, past all sockets."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio
from anyio.streams.memory import MemoryObjectReceiveStream
from starlette.types import ASGIApp, Message, Scope

from tests.support import PATIENCE_S


class Events:
    """What a stream has sent: first its status and headers, then event by event."""

    def __init__(self, sent: MemoryObjectReceiveStream[Message]) -> None:
        self._sent = sent
        self.status = 0
        self.headers: dict[str, str] = {}

    async def started(self) -> None:
        """Read the status and the headers."""
        start = await self._sent.receive()
        self.status = start["status"]
        self.headers = {name.decode(): value.decode() for name, value in start["headers"]}

    async def beat(self) -> None:
        """Wait for a heartbeat; there may be no event before it."""
        assert await self._read() == "beat"

    async def next(self) -> str | None:
        """The name of the next event, or None at the stream's end."""
        while True:
            event = await self._read()
            if event != "beat":
                return event or None

    async def _read(self) -> str:
        body: bytes = (await self._sent.receive())["body"]
        return body.decode().removeprefix("event: ").removesuffix("\ndata:\n\n")


@asynccontextmanager
async def stream(
    app: ASGIApp, path: str, *, method: str = "GET", **headers: str
) -> AsyncIterator[Events]:
    """Have a stream open for the length of the block; then its client goes away."""
    sent, received = anyio.create_memory_object_stream[Message](100)
    gone = anyio.Event()
    headers.setdefault("host", "127.0.0.1")
    scope: Scope = {
        "type": "http",
        "method": method,
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
    }

    async def receive() -> Message:
        await gone.wait()
        return {"type": "http.disconnect"}

    async def run() -> None:
        await app(scope, receive, sent.send)

    with anyio.fail_after(PATIENCE_S), sent, received:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(run)
            events = Events(received)
            await events.started()
            yield events
            gone.set()
