"""Bounds the connections of clients: their number, and how long one may keep the server waiting."""

import asyncio
from collections.abc import Callable
from typing import Any

from pydantic_core import to_json
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from loopin_mcp.api.access.limits import Limits
from loopin_mcp.api.rest.headers import HEADERS_FAULT, URL_FAULT, has_body
from loopin_mcp.api.rest.requests import MAX_BODY_BYTES

# How much may come before the last piece of a head; `RequestHeads` checks whole heads.
MAX_HEAD_BYTES = 64 * 1024
# Asyncio reads pieces of 256 KiB at most.
MAX_INCOMPLETE_BYTES = MAX_HEAD_BYTES + 2 * 256 * 1024
# A body in chunks of one byte is six times its size.
MAX_RAW_BODY_BYTES = 8 * MAX_BODY_BYTES

MakeProtocol = Callable[..., asyncio.Protocol]


class Connections:
    """The connections to a server, bounded in number, for any HTTP protocol.

    A connection waits for its client while a request is incomplete or an answer is not read. The
    client has a bounded time for both. If there are too many connections, or too many bytes of
    incomplete requests, the connection that has waited for its client the longest is cut. Requests
    that the server is working on, or holds until a human decides, are never cut.
    """

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._open: set[Connection] = set()
        # In the order of waiting, the longest first.
        self._waiting: dict[Connection, asyncio.TimerHandle] = {}
        self._held_bytes = 0

    def under(self, make_protocol: MakeProtocol) -> MakeProtocol:
        """Makes uvicorn's HTTP protocol, each on one of these connections."""

        def make(*, app_state: dict[str, Any], **given: Any) -> asyncio.Protocol:  # noqa: ANN401 - uvicorn's own
            connection = Connection(self)
            # Requests have this state, whatever the protocol.
            state = app_state | {"connection": connection}
            return connection.carrying(make_protocol(app_state=state, **given))

        return make

    def over(self, app: ASGIApp) -> ASGIApp:
        """The app, so that each request tells its connection whose turn it is."""

        async def answer(scope: Scope, receive: Receive, send: Send) -> None:
            connection: Connection = scope["state"]["connection"]
            await connection.answer(app, scope, receive, send)

        return answer

    def enter(self, connection: "Connection") -> bool:
        """Count a new connection; false if no other can make room for it."""
        self._open.add(connection)
        self.wait(connection)
        while len(self._open) > self._limits.connections:
            longest_waiting = next(iter(self._waiting))
            if longest_waiting is connection:
                return False
            longest_waiting.cut()
        return True

    def wait(self, connection: "Connection") -> None:
        """Let a connection wait for its client from now on, unless it does already."""
        if connection in self._open and connection not in self._waiting:
            self._waiting[connection] = asyncio.get_running_loop().call_later(
                self._limits.patience_s, connection.lose_patience, connection.unsent_bytes
            )

    def stop_waiting(self, connection: "Connection") -> None:
        """Let a connection wait no longer."""
        if timer := self._waiting.pop(connection, None):
            timer.cancel()

    def hold(self, count: int) -> None:
        """Count more, or fewer, bytes of incomplete requests."""
        self._held_bytes += count
        while self._held_bytes > self._limits.held_bytes and self._waiting:
            next(iter(self._waiting)).cut()

    def cut_waiting(self) -> None:
        """Cut all connections that wait for their clients."""
        for connection in tuple(self._waiting):
            connection.cut()

    def leave(self, connection: "Connection") -> None:
        """Count a connection no longer."""
        connection.forget()
        self._open.discard(connection)
        self.stop_waiting(connection)


class Connection(asyncio.Protocol):
    """One of the connections, and an HTTP protocol on it."""

    def __init__(self, connections: Connections) -> None:
        self._connections = connections
        self._answering = 0
        self._received_bytes = 0
        self._piece_bytes = 0
        self._body_is_due = False
        self._reads_body = False
        self._is_blocked = False
        self._is_refused = False
        self._is_in_first_line = True

    def carrying(self, protocol: asyncio.Protocol) -> "Connection":
        """This connection, with the protocol that gets its events."""
        self._protocol = protocol
        return self

    # Servers give their protocols such a transport; uvloop's only lacks the name.
    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """See `asyncio.Protocol`."""
        self._transport = transport
        self._protocol.connection_made(transport)
        if not self._connections.enter(self):
            fault = "Too many connections: try again soon"
            self._refuse("503 Service Unavailable", fault, "Retry-After: 1\r\n")

    def data_received(self, data: bytes) -> None:
        """See `asyncio.Protocol`."""
        if self._is_refused:
            return
        is_body = self._answering and self._body_is_due
        if self._received_bytes > (MAX_RAW_BODY_BYTES if is_body else MAX_HEAD_BYTES):
            self._refuse_more()
        else:
            self._is_in_first_line = self._is_in_first_line and b"\n" not in data
            self._piece_bytes = len(data)
            self._hold(self._piece_bytes)
            self._protocol.data_received(data)

    def eof_received(self) -> bool | None:
        """See `asyncio.Protocol`."""
        return self._protocol.eof_received()

    def pause_writing(self) -> None:
        """See `asyncio.Protocol`."""
        self._is_blocked = True
        self._take_turns()
        self._protocol.pause_writing()

    def resume_writing(self) -> None:
        """See `asyncio.Protocol`."""
        self._is_blocked = False
        self._take_turns()
        self._protocol.resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        """See `asyncio.Protocol`."""
        self._connections.leave(self)
        self._protocol.connection_lost(exc)

    async def answer(self, app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
        """Let the app answer a request."""

        async def receive_in_turn() -> Message:
            self._reads_body = self._body_is_due
            self._take_turns()
            message = await receive()
            self._expect_body(message.get("more_body", False))
            return message

        self._answering += 1
        self._reads_body = False
        self.forget()
        # Much of the body may have come with the last of the head.
        self._hold(self._piece_bytes)
        self._expect_body(has_body(scope))
        try:
            await app(scope, receive_in_turn, send)
        finally:
            # The next request may have begun: an app may continue after it has answered.
            self._answering -= 1
            self._take_turns()

    @property
    def unsent_bytes(self) -> int:
        """How many bytes of answers are not handed to the operating system yet."""
        return self._transport.get_write_buffer_size()

    def lose_patience(self, unsent_bytes: int) -> None:
        """Cut the connection, unless the client has read something since so much was unsent."""
        if self.unsent_bytes < unsent_bytes:
            self._connections.stop_waiting(self)
            self._take_turns()
        else:
            self.cut()

    def cut(self) -> None:
        """End the connection at once."""
        self._connections.leave(self)
        self._transport.abort()

    def forget(self) -> None:
        """Count the received bytes no longer: the request is complete, or never will be."""
        self._connections.hold(-self._received_bytes)
        self._received_bytes = 0
        self._is_in_first_line = True

    def _hold(self, count: int) -> None:
        self._received_bytes += count
        self._connections.hold(count)

    def _expect_body(self, is_due: bool) -> None:
        self._body_is_due = is_due
        if not is_due:
            self._reads_body = False
            self.forget()
        self._take_turns()

    def _take_turns(self) -> None:
        """Set whose turn it is: the client's, unless an app answers and has all that it needs."""
        if self._answering and not self._reads_body and not self._is_blocked:
            self._connections.stop_waiting(self)
        else:
            self._connections.wait(self)

    def _refuse_more(self) -> None:
        if self._answering:
            self.cut()
        elif self._body_is_due:
            # This is the rest of a body that was refused already.
            self._end(b"")
        elif self._is_in_first_line:
            self._refuse("414 URI Too Long", URL_FAULT)
        else:
            self._refuse("431 Request Header Fields Too Large", HEADERS_FAULT)

    def _refuse(self, status: str, error: str, header: str = "") -> None:
        body = to_json({"error": error})
        head = (
            f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(body)}\r\n{header}Connection: close\r\n\r\n"
        )
        self._end(head.encode() + body)

    def _end(self, last_words: bytes) -> None:
        """Send the last bytes, and ignore all that still comes.

        The client has to close: if there is unread data, closing here would take back what was
        sent (RFC 9112, section 9.6).
        """
        self._is_refused = True
        self._transport.write(last_words)
        self._transport.write_eof()
