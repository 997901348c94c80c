"""Runs uvicorn, and ends it after the requests in flight."""

import asyncio
import math
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import anyio
import uvicorn
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from loopin_mcp.api.access.guard import refusal
from loopin_mcp.api.access.limits import Limits
from loopin_mcp.api.rest.headers import MAX_HEADERS
from loopin_mcp.api.serving.connection import MAX_INCOMPLETE_BYTES, on_connections, reporting
from loopin_mcp.api.serving.connections import Connections
from loopin_mcp.errors import UnavailableError

BACKLOG = 2048


class Endings:
    """The requests in flight whose responses have not begun."""

    def __init__(self) -> None:
        self._in_flight: set[asyncio.Task[object]] = set()
        self._has_ended_all = False

    def over(self, app: ASGIApp) -> ASGIApp:
        """The app, with requests that `end_all` can end."""

        async def answer(scope: Scope, receive: Receive, send: Send) -> None:
            task = asyncio.current_task()
            assert task is not None

            async def send_begun(message: Message) -> None:
                self._in_flight.discard(task)
                await send(message)

            self._in_flight.add(task)
            try:
                await app(scope, receive, send_begun)
            except asyncio.CancelledError:
                if not self._has_ended_all or task not in self._in_flight:
                    raise
                error = UnavailableError("The API is stopping", retry_after_s=1)
                await refusal(error)(scope, receive, send)
            finally:
                self._in_flight.discard(task)

        return answer

    def end_all(self) -> None:
        """End all of them with 503."""
        self._has_ended_all = True
        for task in self._in_flight:
            task.cancel()


@asynccontextmanager
async def running(
    app: ASGIApp, listener: socket.socket, grace_s: int, limits: Limits
) -> AsyncIterator[None]:
    """Run an app until the block ends and its requests in flight are answered.

    After `grace_s` seconds, requests in flight get 503 and slow connections are closed.
    """
    connections, endings = Connections(limits), Endings()
    server = _server(connections, endings.over(app), limits)
    await server.startup(sockets=[listener])
    # Uvicorn's own backlog is also the number of connections that it accepts at a time.
    listener.listen(BACKLOG)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(server.main_loop)
        try:
            yield
        finally:
            server.should_exit = True
            with anyio.move_on_after(grace_s + 1, shield=True):
                connections.is_stopping = True
                async with anyio.create_task_group() as ending:
                    ending.start_soon(_hurry, connections, endings, grace_s)
                    await server.shutdown(sockets=[listener])
                    ending.cancel_scope.cancel()


async def _hurry(connections: Connections, endings: Endings, grace_s: int) -> None:
    """After `grace_s` seconds, end the requests in flight, and close slow connections.

    Uvicorn would cancel the tasks while their threads use a database that is being closed.
    """
    await anyio.sleep(grace_s)
    connections.cut_waiting()
    endings.end_all()


def _forgetful(protocol: Any) -> type[asyncio.Protocol]:  # noqa: ANN401 - as uvicorn says
    """A protocol that keeps one header more than a request may have, and no further ones.

    `refusal_of_head` refuses the request for that one. httptools makes objects of the headers of
    an incomplete head, which take several times their size. h11 does so only with whole heads.
    """

    class Forgetful(protocol):  # type: ignore[misc]
        """See `protocol`."""

        def on_header(self, name: bytes, value: bytes) -> None:
            """See httptools."""
            if len(self.headers) <= MAX_HEADERS:
                super().on_header(name, value)

    return Forgetful


def _server(connections: Connections, app: ASGIApp, limits: Limits) -> uvicorn.Server:
    """A uvicorn server, to be run without `serve`, which would replace the signal handlers."""
    config = uvicorn.Config(
        reporting(app),
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        ws="none",
        # `Connections` closes idle connections before.
        timeout_keep_alive=math.ceil(limits.patience_s) + 1,
        backlog=limits.at_once,
        # For h11, without httptools: it has to be higher than that of `Connections`.
        h11_max_incomplete_event_size=MAX_INCOMPLETE_BYTES,
    )
    config.load()
    # Uvicorn expects a class, but only calls it.
    protocol = on_connections(connections, _forgetful(config.http_protocol_class))
    config.http_protocol_class = protocol  # type: ignore[assignment]
    server = uvicorn.Server(config)
    server.lifespan = config.lifespan_class(config)
    return server
