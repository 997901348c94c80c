"""Guards the API: the host names it answers to, and the keys it requires."""

import math
import socket
import threading
from collections.abc import Callable
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.requests import HTTPConnection, Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from loopin_mcp.api.access.actors import Actor
from loopin_mcp.api.access.browser import error_response
from loopin_mcp.api.access.keys import ANONYMOUS, Door
from loopin_mcp.errors import APIError, UnauthorizedError
from loopin_mcp.settings.base_urls import address_of, is_loopback

_LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})
# The inbox and the pages around it ask for a session instead of the key.
_PUBLIC = ("/health", "/openapi.json", "/", "/history", "/analytics", "/sign-in", "/sign-out")
_PUBLIC_FOLDERS = ("/review/", "/static/", "/inbox/", "/sign-in/", "/proofs/")

HostRule = Callable[[str], bool]


def host_rule(listens_on: str, public_url: str) -> HostRule:
    """The host names that browsers may use for this server, against DNS rebinding.

    On loopback: its names and the public one. Elsewhere also plain addresses, which cannot be
    rebound, and this machine's names. A name server may know a longer one, which counts as soon as
    it has answered.
    """
    names = {*_LOOPBACK_NAMES, str(urlsplit(public_url).hostname), listens_on}
    if is_loopback(listens_on):
        return names.__contains__
    names |= {socket.gethostname().lower()}
    threading.Thread(target=lambda: names.add(socket.getfqdn().lower()), daemon=True).start()
    return lambda name: name in names or address_of(name) is not None


def refusal(error: APIError) -> Response:
    """The response for an error."""
    code = {"code": error.code} if error.code else {}
    return error_response(str(error), error.status, retry_headers(error), **code)


def retry_headers(error: APIError) -> dict[str, str]:
    """The header that says when to try again, if the error says so."""
    retry_s = error.retry_after_s
    return {} if retry_s is None else {"Retry-After": str(math.ceil(retry_s))}


def actor_of(request: Request) -> Actor:
    """Who calls the API, by their key; the guard has set it."""
    actor = request.scope["actor"]
    assert isinstance(actor, Actor)
    return actor


class Guard:
    """Requires a key of API calls before it reads their body, and of browsers a known host name.

    With a valid key the host does not matter: a page that was rebound to this server has no key.
    """

    def __init__(self, app: ASGIApp, *, door: Door, knows_host: HostRule) -> None:
        self._app = app
        self._door = door
        self._knows_host = knows_host

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on with its actor, or refuse it with 401, 421 or 429."""
        try:
            actor = await self._admitted(HTTPConnection(scope))
        except APIError as error:
            return await refusal(error)(scope, receive, send)
        # Routes match the path as it was sent, so that an encoded slash stays inside its id.
        raw_path = scope["raw_path"].decode("ascii", "replace")
        return await self._app({**scope, "path": raw_path, "actor": actor}, receive, send)

    async def _admitted(self, connection: HTTPConnection) -> Actor:
        headers, path = connection.headers, connection.scope["path"]
        public = path in _PUBLIC or path.startswith(_PUBLIC_FOLDERS)
        name: str | None = ANONYMOUS
        if not public:
            # If there are two, a proxy in front may have checked the other one.
            shown = ", ".join(headers.getlist("x-api-key"))
            name = await self._door.holder_of(shown, connection)
        if name is None:
            raise UnauthorizedError("Unauthorized")
        if name == ANONYMOUS and path != "/health" and not self._knows_host(_host(headers)):
            raise APIError("This host name is not served here: set LOOPIN_BASE_URL to use it", 421)
        # The client says so itself, which proves nothing.
        is_mcp = headers.get("x-loopin-channel") == "mcp"
        return Actor(name, "mcp" if is_mcp else "api")


def _host(headers: Headers) -> str:
    """The host's name without its port, in lower case; empty if it cannot be read."""
    try:
        return (urlsplit("//" + headers.get("host", "")).hostname or "").lower()
    except ValueError:
        return ""
