"""The stdio entry: serves both protocol eras on one pipe, in any order."""

import contextlib
import os
import threading
import time
from collections.abc import AsyncIterable
from functools import partial
from typing import Any

import anyio
import mcp_types as types
from anyio.streams.memory import MemoryObjectSendStream
from mcp.server import MCPServer
from mcp.server.runner import serve_dual_era_loop
from mcp.shared.message import SessionMessage

from loopin_mcp.mcp_server.stdio.lines import LineError, Lines, line_of
from loopin_mcp.mcp_server.stdio.pipe import Pipe

# A host kills a server that is still there two seconds after it closed stdin.
ANSWER_WITHIN_S = 0.8
END_WITHIN_S = 1.5

# How many lines can wait for a loop, and refusals for a host that does not read.
BUFFER = 1000

_Received = SessionMessage | Exception


async def serve_stdio(server: MCPServer[Any]) -> None:
    """Serve until stdin ends, and end the process soon after, even if something still hangs.

    The SDK locks a connection to the era of its first request, but hosts probe in one era and
    continue in the other. So two loops of the SDK share the pipe: requests in the envelope of
    2026-07-28 go to one, everything else to the other, and each locks to its own era.
    """
    pipe = Pipe()
    # The SDK's loops need its low-level server, which has no public name.
    lowlevel = server._lowlevel_server
    async with lowlevel.lifespan(lowlevel) as state, anyio.create_task_group() as tasks:
        legacy, legacy_lines = anyio.create_memory_object_stream[_Received](BUFFER)
        modern, modern_lines = anyio.create_memory_object_stream[_Received](BUFFER)
        answers, outgoing = anyio.create_memory_object_stream[SessionMessage](BUFFER)
        exchange = _Exchange(pipe, legacy, modern, answers)
        tasks.start_soon(exchange.write, outgoing)
        serve_era = partial(
            serve_dual_era_loop,
            lifespan_state=state,
            init_options=lowlevel.create_initialization_options(),
        )
        for received in (legacy_lines, modern_lines):
            tasks.start_soon(serve_era, lowlevel, received, answers.clone())
        async with legacy, modern, answers:
            try:
                await exchange.read()
            finally:
                _end_soon()
            await exchange.settle()


class _Exchange:
    """The messages on the pipe, and the requests that are not answered yet."""

    def __init__(
        self,
        pipe: Pipe,
        legacy: MemoryObjectSendStream[_Received],
        modern: MemoryObjectSendStream[_Received],
        answers: MemoryObjectSendStream[SessionMessage],
    ) -> None:
        self._pipe = pipe
        self._legacy = legacy
        self._modern = modern
        self._answers = answers
        self._open: set[types.RequestId | None] = set()
        self._written = anyio.Event()
        # What the host still takes: everything, answers after the end of stdin, and then nothing.
        self._takes: tuple[type, ...] = (object,)

    async def read(self) -> None:
        """Pass each message on to the loop of its era, until stdin ends."""
        lines = Lines()
        async for line in self._pipe.lines():
            try:
                message = lines.read(line)
            except LineError as error:
                self._refuse(error)
                continue
            if message is not None:
                await self._pass_on(message)

    async def _pass_on(self, message: types.JSONRPCMessage) -> None:
        if isinstance(message, types.JSONRPCRequest):
            self._open.add(message.id)
            era = self._modern if _is_modern(message) else self._legacy
            await era.send(SessionMessage(message))
            return
        if isinstance(message, types.JSONRPCNotification):
            self._forget_cancelled(message)
            # Only the loop that has the request knows what a notification is about.
            await self._modern.send(SessionMessage(message))
        await self._legacy.send(SessionMessage(message))

    def _forget_cancelled(self, notification: types.JSONRPCNotification) -> None:
        """Expect no answer to a request that the host has cancelled."""
        request_id = (notification.params or {}).get("requestId")
        if notification.method == "notifications/cancelled" and isinstance(request_id, str | int):
            self._open.discard(request_id)

    async def write(self, outgoing: AsyncIterable[SessionMessage]) -> None:
        """Write everything that both loops send, as long as the host takes it."""
        async for sent in outgoing:
            message = sent.message
            if isinstance(message, self._takes):
                try:
                    await self._pipe.write(line_of(message))
                except OSError:
                    self._takes = ()
                    _end_soon()
            if isinstance(message, types.JSONRPCResponse | types.JSONRPCError):
                self._open.discard(message.id)
            self._written.set()

    async def settle(self) -> None:
        """Wait a moment for the answers to requests from before the end of stdin."""
        self._takes = self._takes and (types.JSONRPCResponse, types.JSONRPCError)
        with anyio.move_on_after(ANSWER_WITHIN_S):
            while self._open or self._answers.statistics().current_buffer_used:
                self._written = anyio.Event()
                await self._written.wait()
        # The loops answer what they break off, and hosts that are closing stumble over that.
        self._takes = ()

    def _refuse(self, error: LineError) -> None:
        """Answer a line that is not one message, for each request in it.

        The SDK drops such lines, and the host waits for an answer until its time limit. A host
        that reads nothing gets no answer, so that this never misses the end of stdin.
        """
        data = types.ErrorData(code=error.code, message=str(error))
        ids: list[types.RequestId | None] = [*error.ids] or [None]
        for request_id in ids:
            refusal = types.JSONRPCError(jsonrpc="2.0", id=request_id, error=data)
            with contextlib.suppress(anyio.WouldBlock):
                self._answers.send_nowait(SessionMessage(refusal))
                self._open.add(request_id)


def _is_modern(request: types.JSONRPCRequest) -> bool:
    """Whether a request came in the envelope of 2026-07-28, which has no `initialize`."""
    meta = (request.params or {}).get("_meta")
    return (
        request.method != "initialize"
        and isinstance(meta, dict)
        and types.PROTOCOL_VERSION_META_KEY in meta
    )


def _end_soon() -> None:
    """End the process in time, since a write to a pipe that nobody reads cannot be cancelled."""
    threading.Thread(target=_end, daemon=True).start()


def _end() -> None:
    time.sleep(END_WITHIN_S)
    os._exit(0)
