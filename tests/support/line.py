"""A line to a PostgreSQL server that can be cut, or swallow what is sent."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Literal

Mode = Literal["pass", "cut", "swallow"]


class Line:
    """Connections to the server's socket, through `url`.

    `at_commit` is called with "before" and "after" around the forwarding of a commit.
    """

    def __init__(self, socket: str) -> None:
        self.url = ""
        self.at_commit: Callable[[str], None] | None = None
        self._socket = socket
        self._mode: Mode = "pass"
        self._open: set[asyncio.StreamWriter] = set()
        self._carried: set[asyncio.Task[object]] = set()

    def become(self, mode: Mode) -> None:
        """Change what happens to what is sent from now on; a cut ends all connections too."""
        self._mode = mode
        if mode == "cut":
            for writer in self._open:
                writer.transport.abort()

    async def carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Connect one client to the server until one of them ends."""
        task = asyncio.current_task()
        assert task is not None
        self._carried.add(task)
        task.add_done_callback(self._carried.discard)
        if self._mode == "cut":
            writer.transport.abort()
            return
        from_server, to_server = await asyncio.open_unix_connection(self._socket)
        self._open |= {writer, to_server}
        with contextlib.suppress(OSError):
            await asyncio.gather(
                self._forward(reader, to_server), self._forward(from_server, writer)
            )
        self._open -= {writer, to_server}

    async def _forward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65_536):
            tell = self.at_commit if b"COMMIT" in data else None
            if tell:
                tell("before")
            if self._mode == "pass":
                writer.write(data)
                await writer.drain()
            if tell:
                tell("after")
        writer.transport.abort()

    async def end(self) -> None:
        """End all connections."""
        self.become("cut")
        if self._carried:
            await asyncio.wait(self._carried)


@asynccontextmanager
async def line_to(postgres_url: str) -> AsyncIterator[Line]:
    """A line to the server at a URL with a socket directory, until the block ends."""
    line = Line(postgres_url.partition("?host=")[2] + "/.s.PGSQL.5432")
    server = await asyncio.start_server(line.carry, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    line.url = f"postgresql://loopin@127.0.0.1:{port}/postgres"
    yield line
    server.close()
    await line.end()
