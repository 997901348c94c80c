"""The MCP server that an API serves beside its own calls."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Protocol

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


@asynccontextmanager
async def with_mcp(
    api: API, make_mcp: MakeMCP | None, public_url: str, limits: Limits
) -> AsyncIterator[tuple[ASGIApp, Callable[[], None]]]:
    """The app to serve, and what ends the waits of its MCP server, if it has one."""
    if make_mcp is None:
        yield api.app, lambda: None
        return
    async with make_mcp(api.app) as mcp:
        yield MCPFront(mcp, api.app, api.door, api.knows_host, public_url, limits), mcp.let_go
