"""Watches the requests: counts each by its route."""

import time
from collections.abc import Callable, Iterator, Sequence

from starlette.routing import BaseRoute, Mount, Route
from starlette.types import Message, Scope, Send

from loopin_mcp.api.rest.headers import HELD

# All other routes count as one, and all other methods: anyone can make up more.
OTHER = "other"
_METHODS = frozenset({"DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"})
# Given the route, the method, the status, and the seconds that it took, if it was not held.
Count = Callable[[str, str, int, float | None], None]


class Watch:
    """Lets `count`, if there is one, count the requests to these routes."""

    def __init__(self, routes: Sequence[BaseRoute], count: Count | None) -> None:
        self._templates = dict(_templates(routes))
        self._count = count

    def end(self, scope: Scope, started: float, status: int) -> None:
        """Watch the end of a request that began at `started` and was answered with this status."""
        if self._count is None:
            return
        duration_s = None if HELD in scope else time.perf_counter() - started
        method = scope["method"] if scope["method"] in _METHODS else OTHER
        route = self._templates.get(scope.get("endpoint"), OTHER)
        self._count(route, method, status, duration_s)


class Noted:
    """Sends a response, and knows its status."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self.status = 500

    async def __call__(self, message: Message) -> None:
        """Send a part of the response."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
        await self._send(message)


def _templates(routes: Sequence[BaseRoute]) -> Iterator[tuple[object, str]]:
    """The path of each endpoint, as it is in the table of routes."""
    for route in routes:
        assert isinstance(route, Mount | Route)
        yield (route.app if isinstance(route, Mount) else route.endpoint), route.path
