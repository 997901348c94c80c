"""Event streams of pages, without sockets."""

from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import anyio
import httpx
from anyio.streams.memory import MemoryObjectReceiveStream
from starlette.types import ASGIApp, Message, Scope

from loopin_mcp.api.access.keys import API_KEY
from loopin_mcp.api.access.limits import Limits
from loopin_mcp.api.app import create_app
from loopin_mcp.api.store.store import Store
from loopin_mcp.settings.api_options import Options
from tests.support import PATIENCE_S, PUBLIC_URL


class Events:
    """The output of a stream: first its status and headers, then its events."""

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
    """Open a stream until the block ends; then its client goes away."""
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


class PagesAPI:
    """The app, and its state of open pages."""

    def __init__(
        self,
        store: Store,
        *,
        api_key: str | None = None,
        reviewers: Mapping[str, str] | None = None,
        heartbeat_s: float = 60,
        limits: Limits | None = None,
    ) -> None:
        options = Options(api_key=api_key, reviewers=reviewers or {})
        api = create_app(store, options, limits=limits, heartbeat_s=heartbeat_s)
        self.app, self.sessions, self.live = api.app, api.sessions, api.live

    def stream(self, path: str, **options: str) -> AbstractAsyncContextManager[Events]:
        return stream(self.app, path, **options)

    async def get(self, path: str, method: str = "GET", **headers: str) -> httpx.Response:
        transport = httpx.ASGITransport(self.app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url=PUBLIC_URL) as client:
            return await client.request(method, path, headers=headers)

    async def sign_in(self, subject: str = API_KEY) -> tuple[str, str]:
        """The place and the cookie of a browser that is signed in."""
        answer = await self.sessions.sign_in(subject, "")
        cookie, _, _ = answer.headers["set-cookie"].partition(";")
        return answer.headers["location"].rstrip("/"), cookie
