"""The stdio entry: serves both protocol eras on one pipe, in whatever order a host tries them."""

import contextlib
import os
import re
import threading
import time
from collections.abc import AsyncIterable
from functools import partial
from typing import Any

import anyio
import mcp_types as types
from anyio.abc import ObjectSendStream
from anyio.streams.memory import MemoryObjectSendStream
from mcp.server import MCPServer
from mcp.server.runner import serve_dual_era_loop
from mcp.server.stdio import stdio_server
from mcp.shared.message import SessionMessage
from pydantic import ValidationError
from pydantic_core import from_json

# A host kills a server that is still there two seconds after it closed stdin.
ANSWER_WITHIN_S = 0.8
END_WITHIN_S = 1.5

# How many lines can wait for a loop, and refusals for a host that does not read.
BUFFER = 1000

_Line = SessionMessage | Exception

_ID = r'"id"\s*:\s*("(?:[^"\\]|\\.){1,100}"|-?\d{1,18})'
# An id among the first keys of a line, or its last: there it cannot be one inside the params.
_FIRST = re.compile(
    r'\s*\{\s*(?:"jsonrpc"\s*:\s*"2\.0"\s*,\s*|"method"\s*:\s*"[^"\\]{1,100}"\s*,\s*){0,2}' + _ID
)
_LAST = re.compile(_ID + r'(?:\s*,\s*"jsonrpc"\s*:\s*"2\.0")?\s*\}\s*$')


async def serve_stdio(server: MCPServer[Any]) -> None:
    """Serve until stdin ends, and end the process soon after, even if something still hangs.

    The SDK locks a connection to the era of its first request, but hosts probe in one era and
    continue in the other. So two loops of the SDK share the pipe: requests in the envelope of
    2026-07-28 go to one, everything else to the other, and each locks to its own era.
    """
    # The SDK's loops need its low-level server, which has no public name.
    lowlevel = server._lowlevel_server
    async with (
        stdio_server() as (lines, stdout),
        lowlevel.lifespan(lowlevel) as state,
        anyio.create_task_group() as tasks,
    ):
        legacy, legacy_lines = anyio.create_memory_object_stream[_Line](BUFFER)
        modern, modern_lines = anyio.create_memory_object_stream[_Line](BUFFER)
        answers, outgoing = anyio.create_memory_object_stream[SessionMessage](BUFFER)
        pipe = _Pipe(legacy, modern, answers)
        tasks.start_soon(pipe.write, outgoing, stdout)
        serve_era = partial(
            serve_dual_era_loop,
            lifespan_state=state,
            init_options=lowlevel.create_initialization_options(),
        )
        for received in (legacy_lines, modern_lines):
            tasks.start_soon(serve_era, lowlevel, received, answers.clone())
        async with legacy, modern, answers:
            try:
                await pipe.read(lines)
            finally:
                threading.Thread(target=_end_process, daemon=True).start()
            await pipe.settle()


class _Pipe:
    """The lines on the pipe, and the requests that are not answered yet."""

    def __init__(
        self,
        legacy: MemoryObjectSendStream[_Line],
        modern: MemoryObjectSendStream[_Line],
        answers: MemoryObjectSendStream[SessionMessage],
    ) -> None:
        self._legacy = legacy
        self._modern = modern
        self._answers = answers
        self._open: set[types.RequestId | None] = set()
        self._answered = anyio.Event()

    async def read(self, lines: AsyncIterable[_Line]) -> None:
        """Pass each line on to the loop of its era, until stdin ends."""
        async for line in lines:
            if isinstance(line, Exception):
                self._refuse(line)
                continue
            message = line.message
            if isinstance(message, types.JSONRPCRequest):
                self._open.add(message.id)
                await (self._modern if _is_modern(message) else self._legacy).send(line)
                continue
            if isinstance(message, types.JSONRPCNotification):
                self._forget_cancelled(message)
                # Only the loop that has the request knows what a notification is about.
                await self._modern.send(line)
            await self._legacy.send(line)

    def _forget_cancelled(self, notification: types.JSONRPCNotification) -> None:
        """Expect no answer to a request that the host has cancelled."""
        request_id = (notification.params or {}).get("requestId")
        if notification.method == "notifications/cancelled" and isinstance(request_id, str | int):
            self._open.discard(request_id)

    async def write(
        self, outgoing: AsyncIterable[SessionMessage], stdout: ObjectSendStream[SessionMessage]
    ) -> None:
        """Write everything that both loops send."""
        async for line in outgoing:
            await stdout.send(line)
            if isinstance(line.message, types.JSONRPCResponse | types.JSONRPCError):
                self._open.discard(line.message.id)
                self._answered.set()
        await stdout.aclose()

    async def settle(self) -> None:
        """Wait a moment for the answers to requests from before the end of stdin."""
        with anyio.move_on_after(ANSWER_WITHIN_S):
            while self._open:
                self._answered = anyio.Event()
                await self._answered.wait()

    def _refuse(self, fault: Exception) -> None:
        """Answer a line that is not a valid message, if it has an id.

        The SDK drops such lines, and the host waits for an answer until its time limit. A host
        that reads nothing gets no answer, so that this never misses the end of stdin.
        """
        request_id = _id_in(fault) if isinstance(fault, ValidationError) else None
        if request_id is not None:
            error = types.ErrorData(
                code=types.INVALID_REQUEST, message="This line is not a valid request"
            )
            refusal = types.JSONRPCError(jsonrpc="2.0", id=request_id, error=error)
            with contextlib.suppress(anyio.WouldBlock):
                self._answers.send_nowait(SessionMessage(refusal))


def _is_modern(request: types.JSONRPCRequest) -> bool:
    """Whether a request came in the envelope of 2026-07-28, which has no `initialize`."""
    meta = (request.params or {}).get("_meta")
    return (
        request.method != "initialize"
        and isinstance(meta, dict)
        and types.PROTOCOL_VERSION_META_KEY in meta
    )


def _id_in(fault: ValidationError) -> types.RequestId | None:
    """The id of the invalid request in a line."""
    for error in fault.errors(include_url=False):
        value = error["input"]
        if isinstance(value, dict) and "method" in value:
            value = value.get("id")
            return value if isinstance(value, str | int) and not isinstance(value, bool) else None
        if isinstance(value, str) and '"method"' in value:
            return _id_in_text(value)
    return None


def _id_in_text(line: str) -> types.RequestId | None:
    """The id in a line that is not JSON, is nested too deep, or has too large a number."""
    found = _FIRST.match(line) or _LAST.search(line)
    try:
        request_id: types.RequestId | None = from_json(found[1]) if found else None
    except ValueError:
        return None
    return request_id


def _end_process() -> None:
    """End the process in time, since a write to a pipe that nobody reads cannot be cancelled."""
    time.sleep(END_WITHIN_S)
    os._exit(0)
