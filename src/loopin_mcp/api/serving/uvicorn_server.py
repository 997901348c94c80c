"""Uvicorn, from its start to the end of the requests in flight."""

import math
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio
import uvicorn
from starlette.applications import Starlette
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from loopin_mcp.api.access.guard import refusal
from loopin_mcp.api.access.limits import Limits
from loopin_mcp.api.serving.connections import MAX_INCOMPLETE_BYTES, Connections
from loopin_mcp.errors import UnavailableError

BACKLOG = 2048


class Endings:
    """The requests in flight whose answers have not begun.

    A thread that is storing something may finish, so that its request is still answered.
    """

    def __init__(self) -> None:
        self._in_flight: set[anyio.CancelScope] = set()

    def over(self, app: ASGIApp) -> ASGIApp:
        """The app, so that its requests can be ended, each with an answer."""

        async def answer(scope: Scope, receive: Receive, send: Send) -> None:
            async def send_and_go_on(message: Message) -> None:
                self._in_flight.discard(in_flight)
                await send(message)

            with anyio.CancelScope() as in_flight:
                self._in_flight.add(in_flight)
                try:
                    await app(scope, receive, send_and_go_on)
                finally:
                    self._in_flight.discard(in_flight)
            if in_flight.cancelled_caught:
                error = UnavailableError("The API is ending", retry_after_s=1)
                await refusal(error)(scope, receive, send)

        return answer

    def end_all(self) -> None:
        """Answer all of them with 503."""
        for in_flight in tuple(self._in_flight):
            in_flight.cancel()


@asynccontextmanager
async def running(
    app: Starlette, listener: socket.socket, grace_s: int, limits: Limits
) -> AsyncIterator[None]:
    """Run an app until the block ends, and then until its requests in flight are answered.

    Requests that take longer than `grace_s` get 503, and slow connections are cut.
    """
    connections, endings = Connections(limits), Endings()
    server = _server(connections, endings.over(app), limits)
    await server.startup(sockets=[listener])
    # More connections may wait than are accepted at once.
    listener.listen(BACKLOG)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(server.main_loop)
        try:
            yield
        finally:
            server.should_exit = True
            with anyio.move_on_after(grace_s + 1, shield=True):
                async with anyio.create_task_group() as ending:
                    ending.start_soon(_hurry, connections, endings, grace_s)
                    await server.shutdown(sockets=[listener])
                    ending.cancel_scope.cancel()


async def _hurry(connections: Connections, endings: Endings, grace_s: int) -> None:
    """After a while, answer the requests that are still in flight, and cut slow connections.

    Uvicorn would cancel the tasks, and leave their threads in a database that is being closed.
    """
    await anyio.sleep(grace_s)
    connections.cut_waiting()
    endings.end_all()


def _server(connections: Connections, app: ASGIApp, limits: Limits) -> uvicorn.Server:
    """A uvicorn server that handles no signals and logs no access.

    Its own `serve` would replace the signal handlers of the process it is embedded in.
    """
    config = uvicorn.Config(
        connections.over(app),
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        ws="none",
        # `Connections` cuts idle connections.
        timeout_keep_alive=math.ceil(limits.patience_s) + 1,
        backlog=limits.at_once,
        # Httptools reads as many requests at once as a client sends without waiting for answers,
        # which takes some 20 MB for each connection. `Connections` has a bound of its own, which
        # that of h11 must not forestall.
        http="h11",
        h11_max_incomplete_event_size=MAX_INCOMPLETE_BYTES,
    )
    config.load()
    # Uvicorn only calls it.
    config.http_protocol_class = connections.under(config.http_protocol_class)  # type: ignore[assignment]
    server = uvicorn.Server(config)
    server.lifespan = config.lifespan_class(config)
    return server
