"""Live updates of open pages, by server-sent events."""

import contextlib
import math
from collections.abc import Awaitable, Callable, Iterator
from functools import partial

import anyio
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from loopin_mcp.api.access.limits import Waits
from loopin_mcp.api.access.sessions import Sessions
from loopin_mcp.api.rest.headers import hold
from loopin_mcp.api.rest.requests import interrupt_id_of, until_gone
from loopin_mcp.api.rest.waiting import wait_for_settled
from loopin_mcp.api.store.store import Store
from loopin_mcp.errors import LoopinError

HEARTBEAT_S = 15.0
HEARTBEAT = "beat"
# A burst of changes is one event to an inbox, so that it costs a busy API little.
SHORTEST_GAP_S = 0.1
STREAM_HEADERS = {
    "Cache-Control": "no-store",
    # Otherwise nginx would buffer the events.
    "X-Accel-Buffering": "no",
    "X-Content-Type-Options": "nosniff",
}

Say = Callable[[str], Awaitable[None]]


class EventStream(Response):
    """The events that `report` sends by name, until it or `ended` returns, or the client goes."""

    media_type = "text/event-stream"

    def __init__(
        self,
        report: Callable[[Say], Awaitable[None]],
        ended: Callable[[], Awaitable[None]],
        heartbeat_s: float,
    ) -> None:
        self.status_code = 200
        self.background = None
        self.init_headers(STREAM_HEADERS)
        self._report = report
        self._ended = ended
        self._heartbeat_s = heartbeat_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Stream the events, and heartbeats from which the page sees that it is connected."""
        hold(scope)
        start = {"type": "http.response.start", "status": 200, "headers": self.raw_headers}
        await send(start)
        if scope["method"] != "HEAD":
            async with anyio.create_task_group() as tasks:
                say = partial(_say, send)
                tasks.start_soon(self._beat, say)
                for whole in (partial(self._report, say), self._ended):
                    tasks.start_soon(_end_after, whole, tasks.cancel_scope)
                await until_gone(Request(scope, receive))
                tasks.cancel_scope.cancel()
        await send({"type": "http.response.body", "body": b""})

    async def _beat(self, say: Say) -> None:
        while True:
            await say(HEARTBEAT)
            await anyio.sleep(self._heartbeat_s)


class Live:
    """The event streams. They say that something changed, and contain no data of interrupts."""

    def __init__(
        self, store: Store, sessions: Sessions, waits: Waits, heartbeat_s: float = HEARTBEAT_S
    ) -> None:
        self._waits = waits
        self._store = store
        self._sessions = sessions
        self._heartbeat_s = heartbeat_s
        # How many inbox pages are connected now.
        self.connected = 0

    async def inbox_events(self, request: Request) -> Response:
        """`GET /inbox/events`: `changed` at once, and after any interrupt has changed."""
        subject = self._sessions.require_subject(request)
        return self._stream(request, partial(self._report_changes, subject))

    async def review_events(self, request: Request) -> Response:
        """`GET /review/{interruptId}/events`: `settled` once it is settled."""
        reviewer = self._sessions.reviewer_of(request)
        interrupt_id = interrupt_id_of(request)
        await self._store.get_interrupt_status(interrupt_id)
        return self._stream(request, partial(self._report_settled, reviewer, interrupt_id))

    def _stream(self, request: Request, report: Callable[[Say], Awaitable[None]]) -> EventStream:
        session = self._sessions.session_of(request)
        ended = partial(self._sessions.until_ended, session, self._heartbeat_s)
        return EventStream(report, ended, self._heartbeat_s)

    async def _report_changes(self, subject: str, say: Say) -> None:
        changes = self._store.changes
        reported = None
        with self._one_of(subject) as may_wait:
            while not changes.closed and (may_wait or reported is None):
                if reported is changes.next:
                    await changes.next.wait()
                else:
                    reported = changes.next
                    await say("changed")
                    await anyio.sleep(SHORTEST_GAP_S)

    async def _report_settled(self, reviewer: str, interrupt_id: str, say: Say) -> None:
        with self._waits.one_of(("pages", reviewer)) as may_wait:
            wait_s = math.inf if may_wait else 0
            # The stream ends by itself when its client goes away.
            gone = anyio.sleep_forever
            interrupt = await wait_for_settled(self._store, interrupt_id, wait_s, gone)
        if not interrupt.is_pending:
            await say("settled")

    @contextlib.contextmanager
    def _one_of(self, subject: str) -> Iterator[bool]:
        """Count one more inbox page; yields false if too many pages of this person are open."""
        self.connected += 1
        try:
            with self._waits.one_of(("pages", subject)) as may_wait:
                yield may_wait
        finally:
            self.connected -= 1


async def _end_after(whole: Callable[[], Awaitable[None]], stream: anyio.CancelScope) -> None:
    # The page reconnects when its stream ends, and then gets the error.
    with contextlib.suppress(LoopinError):
        await whole()
    stream.cancel()


async def _say(send: Send, event: str) -> None:
    # Browsers drop an event that has no data line.
    text = f"event: {event}\ndata:\n\n"
    await send({"type": "http.response.body", "body": text.encode(), "more_body": True})
