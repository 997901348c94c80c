"""A connection of a client, with bounds on what the client sends."""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Any

from pydantic_core import to_json
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from loopin_mcp.api.access.browser import JSON_HEADERS
from loopin_mcp.api.rest.headers import HEADERS_FAULT, URL_FAULT, has_body
from loopin_mcp.api.rest.requests import MAX_BODY_BYTES
from loopin_mcp.api.serving.connections import Connections

# The most bytes before the last piece of a request's head; `refusal_of_head` checks whole heads. A
# browser sends at most 180 cookies of 4 KiB, whichever ports of the host set them.
MAX_HEAD_BYTES = 1024 * 1024
# The same while the request's first line is incomplete.
MAX_LINE_BYTES = 64 * 1024
# A piece may hold many small requests, each of which takes far more memory than its bytes.
PIECE_BYTES = 1024
# asyncio reads at most 256 KiB at a time.
MAX_INCOMPLETE_BYTES = MAX_HEAD_BYTES + 2 * 256 * 1024
# In chunks of one byte, a body takes six times its size.
MAX_RAW_BODY_BYTES = 8 * MAX_BODY_BYTES

# How much of a refused body is read and ignored, so that its client gets to read the refusal.
MAX_IGNORED_BYTES = 32 * 1024 * 1024

MakeProtocol = Callable[..., asyncio.Protocol]


def on_connections(connections: Connections, make_protocol: MakeProtocol) -> MakeProtocol:
    """A factory of uvicorn's HTTP protocols, each on one of the connections."""

    def make(*, app_state: dict[str, Any], **given: Any) -> asyncio.Protocol:  # noqa: ANN401 - uvicorn's own
        connection = Connection(connections)
        # Every protocol gives this state to its requests.
        state = app_state | {"connection": connection}
        connection.protocol = make_protocol(app_state=state, **given)
        return connection

    return make


def reporting(app: ASGIApp) -> ASGIApp:
    """The app, reporting each request to its connection."""

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        await scope["state"]["connection"].answer(app, scope, receive, send)

    return answer


class Connection(asyncio.Protocol):
    """One of the connections; passes its events to an HTTP `protocol`."""

    protocol: asyncio.Protocol

    def __init__(self, connections: Connections) -> None:
        self._connections = connections
        self._answering = 0
        self._received_bytes = 0
        self._piece_bytes = 0
        self._body_is_due = False
        self._reads_body = False
        self._is_blocked = False
        self._is_refused = False
        self._ignored_bytes = 0
        self._is_in_first_line = True
        # What the protocol has not been given yet, and whether it takes nothing for now.
        self._unparsed = deque[bytes]()
        self._is_full = False
        # The head of a response, until its body comes.
        self._unsent_head = b""

    # uvloop's transport has the same methods, but not this type.
    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """See `asyncio.Protocol`."""
        self._transport = transport
        self.protocol.connection_made(_Lingering(self, transport))  # type: ignore[arg-type]
        if not self._connections.enter(self):
            fault = "Too many connections: try again soon"
            self._refuse("503 Service Unavailable", fault, "Retry-After: 1\r\n")

    def data_received(self, data: bytes) -> None:
        """See `asyncio.Protocol`."""
        if self._is_refused:
            self._ignored_bytes += len(data)
            if self._ignored_bytes > MAX_IGNORED_BYTES:
                self.cut()
            return
        if self._received_bytes > self._most_bytes:
            self._refuse_more()
        else:
            self._is_in_first_line = self._is_in_first_line and b"\n" not in data
            self._piece_bytes = len(data)
            self._hold(self._piece_bytes)
            places = range(0, self._piece_bytes, PIECE_BYTES)
            self._unparsed.extend(data[place : place + PIECE_BYTES] for place in places)
            self._parse()

    def pause_reading(self) -> None:
        """Give the protocol nothing more: it has to answer what it has."""
        self._is_full = True
        self._transport.pause_reading()

    def resume_reading(self) -> None:
        """Give the protocol the rest of what has come, and more."""
        self._is_full = False
        self._transport.resume_reading()
        if self._unparsed:
            asyncio.get_running_loop().call_soon(self._parse)

    def _parse(self) -> None:
        """Give the protocol what has come, as long as it takes more."""
        while self._unparsed and not self._is_full and not self.is_closing:
            self.protocol.data_received(self._unparsed.popleft())

    def eof_received(self) -> bool | None:
        """See `asyncio.Protocol`."""
        return self.protocol.eof_received()

    def pause_writing(self) -> None:
        """See `asyncio.Protocol`."""
        self._is_blocked = True
        self._take_turns()
        self._connections.block(self)
        self.protocol.pause_writing()

    def resume_writing(self) -> None:
        """See `asyncio.Protocol`."""
        self._is_blocked = False
        self._connections.unblock(self)
        self._take_turns()
        self.protocol.resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        """See `asyncio.Protocol`."""
        self._connections.leave(self)
        self.protocol.connection_lost(exc)

    async def answer(self, app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
        """Have the app answer a request."""

        async def receive_in_turn() -> Message:
            self._reads_body = self._body_is_due
            self._take_turns()
            message = await receive()
            self._expect_body(message.get("more_body", False))
            return message

        self._answering += 1
        self._reads_body = False
        self.forget()
        self._body_is_due = has_body(scope)
        if self._body_is_due:
            # The last piece of the head may contain much of it.
            self._hold(self._piece_bytes)
        self._take_turns()
        try:
            await app(scope, receive_in_turn, send)
        finally:
            # An app may continue after its response, so the next request may have begun.
            self._answering -= 1
            self._take_turns()

    def write(self, data: bytes) -> None:
        """Send a part of a response: its head together with what follows at once."""
        if self._unsent_head:
            data, self._unsent_head = self._unsent_head + data, b""
            self._transport.write(data)
        else:
            self._unsent_head = data
            asyncio.get_running_loop().call_soon(self._send_head)

    def _send_head(self) -> None:
        if self._unsent_head and not self._transport.is_closing():
            self.write(b"")

    @property
    def unsent_bytes(self) -> int:
        """How many bytes of responses the operating system has not taken yet."""
        return self._transport.get_write_buffer_size()

    @property
    def is_closing(self) -> bool:
        """Whether nothing more is sent."""
        return self._is_refused or self._transport.is_closing()

    def close(self) -> None:
        """Close the connection, once the client has got what was sent."""
        if self._is_refused:
            return
        self._send_head()
        if self._body_is_due and not self._connections.is_stopping:
            self._end(b"")
        else:
            self._transport.close()

    @property
    def _most_bytes(self) -> int:
        """The most bytes before the next piece of what the client sends now."""
        if self._answering and self._body_is_due:
            return MAX_RAW_BODY_BYTES
        return MAX_LINE_BYTES if self._is_in_first_line else MAX_HEAD_BYTES

    def lose_patience(self, unsent_bytes: int) -> None:
        """Close the connection, unless the client has read some of the `unsent_bytes`."""
        if self.unsent_bytes < unsent_bytes:
            self._connections.stop_waiting(self)
            self._take_turns()
        else:
            self.cut()

    def cut(self) -> None:
        """Close the connection at once."""
        self._connections.leave(self)
        self._transport.abort()

    def forget(self) -> None:
        """Discount the received bytes: the request is complete, or never will be."""
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
        """Wait for the client, unless an app is answering and needs nothing from the client."""
        if self._answering and not self._reads_body and not self._is_blocked:
            self._connections.stop_waiting(self)
        else:
            self._connections.wait(self)

    def _refuse_more(self) -> None:
        if self._answering:
            self.cut()
        elif self._body_is_due:
            # The rest of a body that was refused already.
            self._end(b"")
        elif self._is_in_first_line:
            self._refuse("414 URI Too Long", URL_FAULT)
        else:
            self._refuse("431 Request Header Fields Too Large", HEADERS_FAULT)

    def _refuse(self, status: str, error: str, header: str = "") -> None:
        body = to_json({"error": error})
        headers = "".join(f"{name}: {value}\r\n" for name, value in JSON_HEADERS.items())
        head = (
            f"HTTP/1.1 {status}\r\n{headers}Content-Length: {len(body)}\r\n{header}"
            "Connection: close\r\n\r\n"
        )
        self._end(head.encode() + body)

    def _end(self, last_words: bytes) -> None:
        """Send the last bytes, and ignore further data until the client closes.

        If the server closed with unread data, the client might not get the bytes (RFC 9112,
        section 9.6).
        """
        self._is_refused = True
        self._send_head()
        # Uvicorn may have paused it, since no app reads the body.
        self._transport.resume_reading()
        self._transport.write(last_words)
        self._transport.write_eof()


class _Lingering:
    """A connection's transport, which does not close while the client sends a body."""

    def __init__(self, connection: Connection, transport: asyncio.Transport) -> None:
        self.close = connection.close
        self.write = connection.write
        self.pause_reading = connection.pause_reading
        self.resume_reading = connection.resume_reading
        self._connection = connection
        self._transport = transport

    def is_closing(self) -> bool:
        """See `asyncio.BaseTransport`."""
        return self._connection.is_closing

    def __getattr__(self, name: str) -> object:
        return getattr(self._transport, name)
