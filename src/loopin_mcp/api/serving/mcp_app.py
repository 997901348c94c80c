"""The MCP server that an API serves beside its own calls."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from typing import Protocol

import anyio
from starlette.types import ASGIApp, Receive, Scope, Send

from loopin_mcp.api.access.limits import Limits
from loopin_mcp.api.app import API
from loopin_mcp.api.mcp_front import MCPFront


class MCPApp(Protocol):
    """An MCP server that calls the API for its callers."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""

    def let_go(self) -> None:
        """Answer all waits for decisions, so that the API can end."""


# Makes an MCP server that calls the app of an API.
MakeMCP = Callable[[ASGIApp], AbstractAsyncContextManager[MCPApp]]


class _Later:
    """An MCP server that starts with its first request.

    Loading it takes almost as long as loading the API, and many APIs never need it.
    """

    def __init__(self) -> None:
        self._wanted, self._started = anyio.Event(), anyio.Event()
        self._mcp: MCPApp | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See `MCPApp.__call__`."""
        self._wanted.set()
        await self._started.wait()
        assert self._mcp
        await self._mcp(scope, receive, send)

    def let_go(self) -> None:
        """See `MCPApp.let_go`."""
        if self._mcp:
            self._mcp.let_go()

    async def run(self, make: Callable[[], AbstractAsyncContextManager[MCPApp]]) -> None:
        """Start the server once it is needed, and run it until cancelled."""
        await self._wanted.wait()
        async with make() as self._mcp:
            self._started.set()
            await anyio.sleep_forever()


@asynccontextmanager
async def with_mcp(
    api: API, make_mcp: MakeMCP | None, public_url: str, limits: Limits
) -> AsyncIterator[tuple[ASGIApp, Callable[[], None]]]:
    """The app to serve, and what ends the waits of its MCP server, if it has one."""
    if make_mcp is None:
        yield api.app, lambda: None
        return
    mcp = _Later()
    front = MCPFront(mcp, api.app, api.door, api.knows_host, public_url, limits, api.count)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(mcp.run, partial(make_mcp, api.app))
        try:
            yield front, mcp.let_go
        finally:
            tasks.cancel_scope.cancel()
