"""The pipe to the host: its bytes, and nothing else on it."""

import os
import select
import sys
from collections.abc import AsyncIterator
from typing import TextIO

import anyio.to_thread

from loopin_mcp.mcp_server.stdio.lines import LONGEST_LINE

_CHUNK = 65_536


class Pipe:
    """Stdin and stdout, taken from the process.

    From then on, whatever else reads finds the end, and whatever else prints goes to stderr: one
    line of another program on stdout would break the protocol.
    """

    def __init__(self) -> None:
        null = os.open(os.devnull, os.O_RDWR)
        self._stdin = _taken(0, sys.stdin, null)
        self._stdout = _taken(1, sys.stdout, null if sys.stderr is None else 2)

    async def lines(self) -> AsyncIterator[bytes]:
        """Each line until stdin ends, or until nobody can read stdout. The longest are cut."""
        rest = b""
        while chunk := await anyio.to_thread.run_sync(self._read, abandon_on_cancel=True):
            *lines, rest = (rest + chunk).split(b"\n")
            for line in lines:
                yield line
            rest = rest[: LONGEST_LINE + 1]
        yield rest

    async def write(self, line: bytes) -> None:
        """Write a line.

        Raises:
            OSError: Nobody can read it.
        """
        await anyio.to_thread.run_sync(self._write, line, abandon_on_cancel=True)

    def _read(self) -> bytes:
        if sys.platform == "win32":
            return os.read(self._stdin, _CHUNK)
        poll = select.poll()
        poll.register(self._stdin, select.POLLIN)
        # Without events to wait for, it only reports that the other end was closed.
        poll.register(self._stdout, 0)
        gone = any(descriptor == self._stdout for descriptor, _ in poll.poll())
        return b"" if gone else os.read(self._stdin, _CHUNK)

    def _write(self, line: bytes) -> None:
        while line:
            line = line[os.write(self._stdout, line) :]


def _taken(descriptor: int, stream: TextIO | None, stand_in: int) -> int:
    """A copy of a standard descriptor, which from now on leads elsewhere."""
    if stream is None:
        # The process was started without it, and the number may belong to another file by now.
        return os.open(os.devnull, os.O_RDWR)
    copy = os.dup(descriptor)
    os.dup2(stand_in, descriptor)
    return copy
