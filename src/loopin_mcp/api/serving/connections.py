"""Bounds on client connections: their number, and how long a client may keep the server waiting."""

import asyncio
from typing import Protocol

from loopin_mcp.api.access.limits import Limits


class Bounded(Protocol):
    """A connection that may be closed for the sake of others."""

    @property
    def unsent_bytes(self) -> int:
        """How many bytes of responses the operating system has not taken yet."""

    def lose_patience(self, unsent_bytes: int) -> None:
        """Close the connection, unless the client has read some of the `unsent_bytes`."""

    def cut(self) -> None:
        """Close the connection at once."""

    def forget(self) -> None:
        """Discount the received bytes: the request is complete, or never will be."""


class Connections:
    """The connections to a server, bounded in number, for any HTTP protocol.

    A connection waits for its client while a request is incomplete or a response is not read, both
    for a bounded time. If there are too many connections, or too many bytes of incomplete requests,
    the one that has waited for its client the longest is closed; if there are too many bytes of
    unread responses, the one of them whose client has read nothing for the longest. Connections
    whose request the server is working on, or holds until a human decides, are never closed.
    """

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._open: set[Bounded] = set()
        # Longest wait first: when its time is up, and its unsent bytes when it began.
        self._waiting: dict[Bounded, tuple[float, int]] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._held_bytes = 0
        # Then it no longer waits for clients that are still sending.
        self.is_stopping = False
        self._unread: dict[Bounded, int] = {}
        self._unread_bytes = 0

    def enter(self, connection: Bounded) -> bool:
        """Count a new connection; false if no other one can be closed for it."""
        self._open.add(connection)
        self.wait(connection)
        while len(self._open) > self._limits.connections:
            longest_waiting = next(iter(self._waiting))
            if longest_waiting is connection:
                return False
            longest_waiting.cut()
        return True

    def wait(self, connection: Bounded) -> None:
        """Start a connection's wait for its client, unless it waits already."""
        if connection in self._open and connection not in self._waiting:
            loop = asyncio.get_running_loop()
            ends_at = loop.time() + self._limits.patience_s
            self._waiting[connection] = ends_at, connection.unsent_bytes
            if self._timer is None:
                self._timer = loop.call_at(ends_at, self._lose_patience)

    def stop_waiting(self, connection: Bounded) -> None:
        """End a connection's wait for its client."""
        self._waiting.pop(connection, None)

    def hold(self, count: int) -> None:
        """Add to the bytes of incomplete requests; `count` may be negative."""
        self._held_bytes += count
        while self._held_bytes > self._limits.held_bytes and self._waiting:
            next(iter(self._waiting)).cut()

    def block(self, connection: Bounded) -> None:
        """Count the bytes of a response that its client does not read."""
        self._unread[connection] = connection.unsent_bytes
        self._unread_bytes += self._unread[connection]
        while self._unread_bytes > self._limits.unread_bytes:
            next(each for each in self._waiting if each in self._unread).cut()

    def unblock(self, connection: Bounded) -> None:
        """Discount them, since the client has read most of them or never will."""
        self._unread_bytes -= self._unread.pop(connection, 0)

    def _lose_patience(self) -> None:
        """End the waits whose time is up, and look again when that of the next one is."""
        loop = asyncio.get_running_loop()
        while self._waiting:
            connection, (ends_at, unsent_bytes) = next(iter(self._waiting.items()))
            if ends_at > loop.time():
                self._timer = loop.call_at(ends_at, self._lose_patience)
                return
            connection.lose_patience(unsent_bytes)
        self._timer = None

    def cut_waiting(self) -> None:
        """Close all connections that wait for their clients."""
        for connection in tuple(self._waiting):
            connection.cut()

    def leave(self, connection: Bounded) -> None:
        """Remove a connection."""
        connection.forget()
        self.unblock(connection)
        self._open.discard(connection)
        self.stop_waiting(connection)
