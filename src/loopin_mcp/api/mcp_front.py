"""The front of an MCP server over HTTP: it checks every request for `/mcp`, before any MCP."""

from functools import partial
from urllib.parse import urlsplit

from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from loopin_mcp.api.access.browser import error_response, json_response, values_of
from loopin_mcp.api.access.guard import HostRule, name_in, refusal, require_known_host
from loopin_mcp.api.access.keys import Door
from loopin_mcp.api.access.limits import Limits, Waits
from loopin_mcp.api.rest.headers import CALLER, refusal_of_head
from loopin_mcp.api.watch import Count, Noted, Watch
from loopin_mcp.errors import APIError, ForbiddenError, UnauthorizedError, UnavailableError
from loopin_mcp.version import __version__
from loopin_mcp.wire.bearer import bearer_token
from loopin_mcp.wire.models import Health

PATH = "/mcp"


class MCPFront:
    """Passes requests for `/mcp` on to an MCP server if they may use it, and all others elsewhere.

    The MCP server calls the API with a key, so its callers need a bearer token, unless `door` asks
    for none. Host names that are not this server's are refused, and so are pages of other origins:
    a page could be rebound to this server.
    """

    def __init__(
        self,
        mcp: ASGIApp,
        others: ASGIApp,
        door: Door,
        knows_host: HostRule,
        public_url: str,
        limits: Limits,
        count: Count | None = None,
    ) -> None:
        self._mcp = mcp
        self._others = others
        self._door = door
        self._knows_host = knows_host
        self._public = urlsplit(public_url).netloc.lower()
        self._in_progress = Waits(limits.mcp_requests)
        self._watch = Watch([Route(PATH, self)], count)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer the request, or pass it on."""
        if scope["path"] != PATH:
            await self._others(scope, receive, send)
            return
        watched, scope["endpoint"] = self._watch.begin(scope), self
        noted = Noted(send, watched.header)
        try:
            answer = refusal_of_head(scope) or await self._answer_to(scope)
            await answer(scope, receive, noted)
        finally:
            self._watch.end(scope, watched, noted.status)

    async def _answer_to(self, scope: Scope) -> ASGIApp:
        try:
            self._refuse_foreign_page(scope)
            require_known_host(scope, self._knows_host)
            holder = await self._admit(scope)
        except UnauthorizedError as error:
            return error_response(str(error), error.status, {"WWW-Authenticate": "Bearer"})
        except APIError as error:
            return refusal(error)
        if scope["method"] != "POST":
            # Nothing is kept between requests, which could be streamed or deleted.
            return error_response("Method Not Allowed", 405, {"Allow": "POST"})
        return partial(self._serve, holder)

    async def _serve(self, holder: str, scope: Scope, receive: Receive, send: Send) -> None:
        token = CALLER.set(scope)
        try:
            with self._in_progress.one_of(("calls", holder)) as may_begin:
                busy = UnavailableError("Too many requests of MCP at once: try again soon")
                await (self._mcp if may_begin else refusal(busy))(scope, receive, send)
        finally:
            CALLER.reset(token)

    async def _admit(self, scope: Scope) -> str:
        """The holder of a request's token.

        Raises:
            UnauthorizedError: It has none.
            RateLimitedError: Too many wrong tokens came from its address.
        """
        token = bearer_token(values_of(scope, b"authorization"))
        holder = await self._door.holder_of(token, scope["client"])
        if holder is None:
            raise UnauthorizedError("Unauthorized: Authorization has no valid bearer token")
        return holder

    def _refuse_foreign_page(self, scope: Scope) -> None:
        """Refuse a request of a web page, unless the page comes from this server.

        Raises:
            ForbiddenError: It has another origin.
        """
        own = {self._public, *(host.lower() for host in values_of(scope, b"host"))}
        for origin in values_of(scope, b"origin"):
            # The scheme does not count: behind a proxy that terminates TLS it is unknown here.
            netloc = origin.lower().partition("://")[2]
            if netloc not in own or not self._knows_host(name_in(netloc)):
                raise ForbiddenError("Web pages of other origins may not use this MCP server")


def health_of(service: str) -> ASGIApp:
    """An app that answers `GET /health`, and knows nothing else."""
    health = Health(status="ok", service=service, version=__version__)
    body = health.model_dump_json(by_alias=True).encode()

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        response = error_response("Not Found", 404)
        if scope["path"] == "/health":
            is_read = scope["method"] in ("GET", "HEAD")
            refused = error_response("Method Not Allowed", 405, {"Allow": "GET, HEAD"})
            response = json_response(body) if is_read else refused
        await response(scope, receive, send)

    return answer
