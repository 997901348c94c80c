"""Starts an MCP server as a host does, and says how it answers the first request."""

import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import anyio
import anyio.abc

from loopin_mcp.errors import ConfigurationError, LoopinError
from loopin_mcp.install.launcher import find_launcher
from loopin_mcp.version import __version__

LEGACY, MODERN = "2025-11-25", "2026-07-28"
# Hosts wait about this long for a server before they continue without it.
PATIENCE_S = 6.0
END_S = 1.0
LONGEST_LINE = 1024 * 1024

_INFO = {"name": "loopin-mcp doctor", "version": __version__}
_ENVELOPE = {
    "io.modelcontextprotocol/protocolVersion": MODERN,
    "io.modelcontextprotocol/clientInfo": _INFO,
    "io.modelcontextprotocol/clientCapabilities": {},
}
# The first request of each era of the protocol.
_FIRST = {
    LEGACY: (
        "initialize",
        {"protocolVersion": LEGACY, "capabilities": {}, "clientInfo": _INFO},
    ),
    MODERN: ("server/discover", {"_meta": _ENVELOPE}),
}


class NoServerError(LoopinError):
    """A program that is not a working MCP server; the message says what it does."""


@dataclass(frozen=True)
class Program:
    """A command with its arguments and its whole environment."""

    command: Sequence[str]
    environment: Mapping[str, str]
    directory: str | None = None


def is_this_program(words: Sequence[str], environment: Mapping[str, str]) -> bool:
    """Whether a command starts this installation of LoopIn; another one may have other extras."""
    try:
        own, *arguments = find_launcher(environment)
    except ConfigurationError:
        return False
    program, *given = words
    # A link to the Python of an environment leads out of it.
    is_same = program == own or (not arguments and _is_same_file(program, own))
    return is_same and given[: len(arguments)] == arguments


def _is_same_file(one: str, other: str) -> bool:
    with contextlib.suppress(OSError, ValueError):
        return Path(one).samefile(other)
    return False


async def shake_hands(program: Program, era: str = LEGACY) -> float:
    """Start the program, and end it after its first answer; gives the seconds until then.

    It is cancelled in time by the caller.

    Raises:
        NoServerError: It cannot be started, or does not answer as an MCP server.
    """
    method, params = _FIRST[era]
    request = {"jsonrpc": "2.0", "id": 0, "method": method, "params": params}
    begun = anyio.current_time()
    async with _running(program) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        # If it has ended already, reading says so.
        with contextlib.suppress(anyio.BrokenResourceError, anyio.ClosedResourceError):
            await process.stdin.send(json.dumps(request).encode() + b"\n")
        line = await _first_line(process.stdout)
        if line is None:
            code = await process.wait()
            raise NoServerError(f"it ended with exit code {code} before it answered")
        _check(line)
        return anyio.current_time() - begun


def _check(line: bytes) -> None:
    try:
        answer = json.loads(line)
    except (ValueError, RecursionError):
        answer = None
    if not isinstance(answer, dict) or answer.get("jsonrpc") != "2.0" or answer.get("id") != 0:
        raise NoServerError("it prints something that is not MCP")
    if not isinstance(answer.get("result"), dict):
        raise NoServerError("it refuses the first request of a host")


async def _first_line(stdout: anyio.abc.ByteReceiveStream) -> bytes | None:
    """The first line; None if the program ends before it has printed one."""
    read = bytearray()
    while b"\n" not in read:
        try:
            read += await stdout.receive()
        except (anyio.EndOfStream, anyio.BrokenResourceError):
            return None
        if len(read) > LONGEST_LINE:
            raise NoServerError("its first line is too long")
    return bytes(read.partition(b"\n")[0])


@asynccontextmanager
async def _running(program: Program) -> AsyncIterator[anyio.abc.Process]:
    """The program, in a session of its own so that what it starts is ended with it."""
    try:
        process = await anyio.open_process(
            [*program.command],
            stderr=subprocess.DEVNULL,
            cwd=program.directory,
            env=program.environment,
            start_new_session=True,
        )
    # A NUL in the command is a ValueError.
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "its command is not one"
        raise NoServerError(f"it cannot be started ({reason})") from error
    try:
        yield process
    finally:
        with anyio.CancelScope(shield=True):
            await _end(process)


async def _end(process: anyio.abc.Process) -> None:
    """End the program as a host does, or kill it."""
    assert process.stdin is not None
    with anyio.move_on_after(END_S), contextlib.suppress(anyio.BrokenResourceError):
        await process.stdin.aclose()
        await process.wait()
    if process.returncode is None:
        with contextlib.suppress(ProcessLookupError):
            if sys.platform == "win32":
                process.kill()
            else:
                os.killpg(process.pid, signal.SIGKILL)
    await process.aclose()
