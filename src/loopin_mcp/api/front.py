"""The one layer above the routes: it checks every request, and answers the calls of the API."""

from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from loopin_mcp.api.access.browser import error_response
from loopin_mcp.api.access.guard import Guard, refusal
from loopin_mcp.api.access.places import Places
from loopin_mcp.api.access.workers import removal_of_worker
from loopin_mcp.api.rest.headers import refusal_of_head
from loopin_mcp.api.watch import Noted, Watch, Watched
from loopin_mcp.errors import APIError

Endpoint = Callable[[Request], Awaitable[Response]]
# A refusal as the page that a browser shows, or as it is.
InBrowser = Callable[[Request, Response], Response]


class Front:
    """Lets the guard check each request, and calls the endpoints of `calls` itself.

    Starlette would take longer to find an endpoint than most of them take to answer. Everything
    else is passed on: pages, and requests that no call answers.
    """

    def __init__(
        self,
        app: Starlette,
        places: Places,
        guard: Guard,
        calls: "Calls",
        in_browser: InBrowser,
        watch: Watch,
    ) -> None:
        self.routes = app.routes
        self._app = app
        self._places = places
        self._guard = guard
        self._calls = calls
        self._in_browser = in_browser
        self._watch = watch

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer the request, or pass it on."""
        watched, status = self._watch.begin(scope), None
        try:
            answer = refusal_of_head(scope) or removal_of_worker(scope)
            answer = answer or await self._answer(scope, receive, send, watched)
            if answer is not None:
                status = answer.status_code
                answer.raw_headers.append(watched.header)
                await answer(scope, receive, send)
            else:
                noted = Noted(send, watched.header)
                try:
                    await self._app(scope, receive, noted)
                finally:
                    status = noted.status
        finally:
            self._watch.end(scope, watched, status)

    async def _answer(
        self, scope: Scope, receive: Receive, send: Send, watched: Watched
    ) -> Response | None:
        """The response to a call or to a request that is refused, or None for all others."""
        try:
            await self._places.take(scope)
            await self._guard.admit(scope)
            endpoint = self._calls.endpoint_of(scope)
            return await endpoint(Request(scope, receive)) if endpoint else None
        except APIError as error:
            return self._in_browser(Request(scope), refusal(error))
        except Exception:
            await apology()(scope, receive, Noted(send, watched.header))
            raise


def apology() -> Response:
    """The response to a request that met a fault of the API."""
    return error_response("The API has a fault; it is in its log", 500)


class Calls:
    """Finds endpoints by method, number of segments, and the segments that have no parameter."""

    def __init__(self, routes: Iterable[Route]) -> None:
        self._rows = defaultdict[tuple[str, int], list[tuple[list[str], Endpoint]]](list)
        for route in routes:
            segments = route.path.split("/")
            for method in route.methods or ():
                if method != "HEAD":
                    self._rows[method, len(segments)].append((segments, route.endpoint))

    def endpoint_of(self, scope: Scope) -> Endpoint | None:
        """The endpoint for a request, to which the parameters in its path are added."""
        segments = scope["path"].split("/")
        for pattern, endpoint in self._rows.get((scope["method"], len(segments)), ()):
            params = {}
            for wanted, given in zip(pattern, segments, strict=True):
                if wanted[:1] == "{" and given:
                    params[wanted[1:-1]] = given
                elif wanted != given:
                    break
            else:
                scope["path_params"] = params
                scope["endpoint"] = endpoint
                return endpoint
        return None
