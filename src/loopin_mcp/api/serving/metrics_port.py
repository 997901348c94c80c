"""The port that serves only metrics, without a key."""

import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from starlette.applications import Starlette
from starlette.routing import Route

from loopin_mcp.api.access.limits import Limits
from loopin_mcp.api.front import Endpoint
from loopin_mcp.api.serving.uvicorn_server import running

# A few scrapers, and none may hold up the end.
LIMITS = Limits(connections=50, at_once=10)
GRACE_S = 1


@asynccontextmanager
async def metrics_on(listener: socket.socket | None, get_metrics: Endpoint) -> AsyncIterator[None]:
    """Serve `GET /metrics` on a listener, if there is one, until the block ends."""
    if listener is None:
        yield
        return
    app = Starlette(routes=[Route("/metrics", get_metrics)])
    async with running(app, listener, GRACE_S, LIMITS):
        yield
