"""The headers of every response, and what the headers of a browser's request say."""

from collections.abc import Mapping
from types import MappingProxyType
from urllib.parse import urlsplit

from pydantic_core import to_json
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.types import Scope

from loopin_mcp.errors import ForbiddenError

# No page of another origin can send it.
SHOWN = "loopin-shown"
PAGE_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; img-src 'self'; "
    "script-src 'self'; connect-src 'self'; worker-src 'self'; manifest-src 'self'; "
    "form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    # The last value that a browser knows counts. With only no-referrer it would send the form with
    # `Origin: null`, which a page of another origin can also cause.
    "Referrer-Policy": "no-referrer, same-origin",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "X-Robots-Tag": "noindex, nofollow",
}

JSON_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Type": "application/json",
    "X-Content-Type-Options": "nosniff",
}
_RAW_JSON_HEADERS = [
    (name.lower().encode(), value.encode()) for name, value in JSON_HEADERS.items()
]


class _JSONResponse(Response):
    """JSON whose headers are made once for all responses."""

    def __init__(self, body: bytes, status: int, headers: Mapping[str, str]) -> None:
        self.status_code = status
        self.body = body
        self.background = None
        own = [(name.lower().encode(), value.encode("latin-1")) for name, value in headers.items()]
        self.raw_headers = [*_RAW_JSON_HEADERS, (b"content-length", b"%d" % len(body)), *own]


def json_response(
    body: bytes, status: int = 200, headers: Mapping[str, str] = MappingProxyType({})
) -> Response:
    """A response with this JSON."""
    return _JSONResponse(body, status, headers)


def values_of(scope: Scope, header: bytes) -> list[str]:
    """The values of a request's header, whose name is in lower case."""
    return [value.decode("latin-1") for name, value in scope["headers"] if name == header]


def error_response(
    error: str, status: int, headers: Mapping[str, str] = MappingProxyType({}), **more: str
) -> Response:
    """A refusal: JSON with one sentence, and `more` fields."""
    return json_response(to_json({"error": error, **more}), status, headers)


def root_of(public_url: str, place: str | None = None) -> str:
    """The start of all links: the path of the public URL, which a proxy strips.

    The links of a signed-in reviewer also have the `place` of their session.
    """
    path = urlsplit(public_url).path.strip("/")
    root = f"/{path}/" if path else "/"
    return root if place is None else f"{root}~{place}/"


def redirect(url: str) -> Response:
    """The response that leads a browser to another page."""
    return RedirectResponse(url, 303, PAGE_HEADERS)


def numbered(request: Request, public_url: str) -> str | None:
    """The address of a page by number, if it was opened by the name localhost.

    Browsers connect to ::1 first, where another program can listen. It must not get a session.
    """
    is_local = urlsplit(public_url).hostname in ("127.0.0.1", "::1")
    if not is_local or request.url.hostname != "localhost":
        return None
    return f"{public_url}{request.url.path}?{request.url.query}".rstrip("?")


def is_visit(request: Request) -> bool:
    """Whether a page is loaded to be shown now, and not by a script or a prefetch.

    The inbox says so of the request that it shows beside its list.
    """
    headers = request.headers
    is_document = headers.get("sec-fetch-dest", "document") == "document" or SHOWN in headers
    return request.method == "GET" and is_document and "sec-purpose" not in headers


def refuse_foreign_page(request: Request, public_url: str) -> None:
    """Refuse a form that a page of another origin sent.

    Raises:
        ForbiddenError: The browser says so, by `Sec-Fetch-Site` or `Origin`.
    """
    hosts = (request.headers.get("host", ""), urlsplit(public_url).netloc)
    site = request.headers.get("sec-fetch-site", "same-origin")
    origin = request.headers.get("origin")
    # The scheme does not count: behind a proxy that terminates TLS it is unknown here.
    same_origin = origin is None or origin.partition(":")[2] in [f"//{own}" for own in hosts]
    if site not in ("same-origin", "none") or not same_origin:
        raise ForbiddenError("This form was sent by another web page, so nothing was recorded")
