"""Watches the requests: counts each by its route, logs it, and works in its trace."""

import logging
import sys
import time
from collections.abc import Callable, Iterator, Sequence

from starlette.routing import BaseRoute, Mount, Route
from starlette.types import Message, Scope, Send

from loopin_mcp.api.access.browser import values_of
from loopin_mcp.api.rest.headers import HELD
from loopin_mcp.telemetry.spans import OpenSpan, can_record, open_span
from loopin_mcp.telemetry.traces import CURRENT, Trace, new_trace, read_trace

logger = logging.getLogger("loopin_mcp")

# All other routes count as one, and all other methods: anyone can make up more.
OTHER = "other"
# The status of a request whose client left before the answer; nginx logs the same one.
LEFT = 499
_METHODS = frozenset({"DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"})
# Given the route, the method, the status, and the seconds that it took, if it was not held.
Count = Callable[[str, str, int, float | None], None]


class Watch:
    """Logs requests to these routes, and lets `count`, if there is one, count them.

    Each works in the trace that its headers name, or in a new one.
    """

    def __init__(self, routes: Sequence[BaseRoute], count: Count | None) -> None:
        self._templates = dict(_templates(routes))
        self._count = count

    def begin(self, scope: Scope) -> "Watched":
        """Watch a request from now on."""
        parent = None
        for name, value in scope["headers"]:
            if name == b"traceparent":
                state = ",".join(values_of(scope, b"tracestate"))
                parent = read_trace(value.decode("latin-1"), state)
        span = open_span(scope["method"], "server", parent) if can_record() else None
        return Watched((span.trace if span else parent) or new_trace(), span)

    def end(self, scope: Scope, watched: "Watched", status: int | None) -> None:
        """Watch the end of a request that was answered with this status, or not at all."""
        if status is None:
            status = 500 if isinstance(sys.exception(), Exception) else LEFT
        took_s = time.perf_counter() - watched.started
        method = scope["method"] if scope["method"] in _METHODS else OTHER
        route = self._templates.get(scope.get("endpoint"), OTHER)
        if self._count:
            self._count(route, method, status, None if HELD in scope else took_s)
        if logger.isEnabledFor(logging.DEBUG):
            _log(route, method, status, took_s)
        CURRENT.reset(watched.token)
        if watched.span:
            attributes = {"http.request.method": method, "http.route": route}
            attributes |= {"http.response.status_code": status}
            watched.span.end(f"{method} {route}", attributes, "" if status >= 500 else None)


class Watched:
    """A request that is watched; `header` is that of the response, which names the request."""

    __slots__ = ("header", "span", "started", "token")

    def __init__(self, trace: Trace, span: OpenSpan | None) -> None:
        self.started = time.perf_counter()
        self.token = CURRENT.set(trace)
        self.span = span
        self.header = b"x-request-id", trace.trace_id.encode()


class Noted:
    """Sends a response with one more header, and knows its status once there is one."""

    def __init__(self, send: Send, header: tuple[bytes, bytes]) -> None:
        self._send = send
        self._header = header
        self.status: int | None = None

    async def __call__(self, message: Message) -> None:
        """Send a part of the response."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
            message = {**message, "headers": [*message["headers"], self._header]}
        await self._send(message)


def _log(route: str, method: str, status: int, took_s: float) -> None:
    """Log a request by its route: the ids in its path are secrets if there are no reviewers."""
    took_ms = round(took_s * 1000, 1)
    fields = {"route": route, "method": method, "status": status, "durationMs": took_ms}
    logger.debug("%s %s %s in %s ms", method, route, status, took_ms, extra={"fields": fields})


def _templates(routes: Sequence[BaseRoute]) -> Iterator[tuple[object, str]]:
    """The path of each endpoint, as it is in the table of routes."""
    for route in routes:
        assert isinstance(route, Mount | Route)
        yield (route.app if isinstance(route, Mount) else route.endpoint), route.path
