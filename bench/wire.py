"""Raw HTTP/1.1, for benchmarks that hold thousands of connections."""

import asyncio
import json
import re

from processes import Served

Answer = tuple[int, bytes]


class Connection:
    """A raw HTTP/1.1 connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    async def open(cls, api: Served) -> "Connection":
        """Connect to the API."""
        return cls(*await asyncio.open_connection("127.0.0.1", api.port))

    async def ask(self, method: str, path: str, body: object = None, *headers: str) -> Answer:
        """Send a request and read its whole answer."""
        self.send(method, path, body, *headers)
        return await self.read()

    def send(self, method: str, path: str, body: object = None, *headers: str) -> None:
        """Send a request."""
        content = b"" if body is None else json.dumps(body).encode()
        lines = [f"{method} {path} HTTP/1.1", "Host: 127.0.0.1", *headers]
        if content:
            lines += ["Content-Type: application/json", f"Content-Length: {len(content)}"]
        self._writer.write("\r\n".join([*lines, "", ""]).encode() + content)

    async def read(self) -> Answer:
        """The status and the body of the next answer."""
        head = await self._reader.readuntil(b"\r\n\r\n")
        length = re.search(rb"content-length: (\d+)", head, re.IGNORECASE)
        assert length is not None
        return int(head[9:12]), await self._reader.readexactly(int(length[1]))

    async def waits(self) -> None:
        """Return once the API says that it would read the body, and so holds the request."""
        assert (await self._reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 100")
        self._writer.write(b"x")

    def close(self) -> None:
        """Go away."""
        self._writer.close()
