"""Guards the API: the host names it answers to, and the keys it requires."""

import math
import socket
import threading
from collections.abc import Callable
from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Scope

from loopin_mcp.api.access.actors import Actor
from loopin_mcp.api.access.browser import error_response, values_of
from loopin_mcp.api.access.keys import ANONYMOUS, API_KEY, Door
from loopin_mcp.errors import APIError, UnauthorizedError, UnavailableError
from loopin_mcp.settings.base_urls import address_of, is_loopback
from loopin_mcp.telemetry.traces import current_trace
from loopin_mcp.wire.bearer import bearer_token

_LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})
# The inbox and the pages around it ask for a session instead of the key.
_PAGES = ("/", "/history", "/history.csv", "/history.jsonl", "/analytics", "/notifications")
_APP = ("/sw.js", "/app.webmanifest")
_PROBES = ("/health", "/ready")
_PUBLIC = (*_PROBES, "/openapi.json", "/sign-in", "/sign-out", *_PAGES, *_APP)
_PUBLIC_FOLDERS = (
    *("/review/", "/static/", "/inbox/", "/sign-in/", "/proofs/", "/notifications/", "/favicon/"),
)

# When to ask again for what is not available now; clients add a little that differs.
UNAVAILABLE_S = 2
# There the agents' key may also come as a bearer token, for programs that send no X-API-Key.
_BEARER = ("/metrics",)

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
    """The header that says when to try again, if that may help."""
    retry_s = error.retry_after_s
    if retry_s is None and error.status == UnavailableError.status:
        retry_s = UNAVAILABLE_S
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

    def __init__(self, door: Door, knows_host: HostRule) -> None:
        self._door = door
        self._knows_host = knows_host

    async def admit(self, scope: Scope) -> None:
        """Add its actor to a request.

        Raises:
            UnauthorizedError: It has no valid key.
            RateLimitedError: Too many wrong keys came from its address.
            APIError: The host name is not known (421).
        """
        path = scope["path"]
        public = path in _PUBLIC or path.startswith(_PUBLIC_FOLDERS)
        name: str | None = ANONYMOUS
        if not public:
            name = await self._holder_of_key(scope)
        if name is None:
            wrong = "X-API-Key is missing or has a wrong key"
            if path in _BEARER:
                wrong = "neither X-API-Key nor a bearer token has the API key"
            raise UnauthorizedError(f"Unauthorized: {wrong}")
        if name == ANONYMOUS and path not in _PROBES:
            require_known_host(scope, self._knows_host)
        # The client says so itself, which proves nothing.
        is_mcp = "mcp" in values_of(scope, b"x-loopin-channel")
        scope["actor"] = Actor(name, "mcp" if is_mcp else "api", current_trace())
        # Routes match the path as it was sent, so that an encoded slash stays inside its id.
        scope["path"] = scope["raw_path"].decode("ascii", "replace")

    async def _holder_of_key(self, scope: Scope) -> str | None:
        # If there are two, a proxy in front may have checked the other one.
        shown = ", ".join(values_of(scope, b"x-api-key"))
        is_bearer = scope["path"] in _BEARER and not shown
        token = bearer_token(values_of(scope, b"authorization")) if is_bearer else ""
        name = await self._door.holder_of(shown or token, scope["client"])
        return None if token and name != API_KEY else name


def require_known_host(scope: Scope, knows_host: HostRule) -> None:
    """Refuse a request for a host name that is not this server's.

    Raises:
        APIError: It is for another one (421).
    """
    if not knows_host(name_in("".join(values_of(scope, b"host")))):
        raise APIError("This host name is not served here: set LOOPIN_BASE_URL to use it", 421)


def name_in(netloc: str) -> str:
    """A host's name without its port, in lower case; empty if it cannot be read."""
    try:
        return (urlsplit(f"//{netloc}").hostname or "").lower()
    except ValueError:
        return ""
