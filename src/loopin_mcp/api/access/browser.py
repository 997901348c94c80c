"""What browsers are sent with every page, and what they say of a request."""

from urllib.parse import urlsplit

from starlette.requests import Request

from loopin_mcp.errors import ForbiddenError

PAGE_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; img-src 'self'; "
    "script-src 'self'; connect-src 'self'; "
    "form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    # The last value a browser knows counts. With no-referrer alone it would send the form
    # with `Origin: null`, which a page of another origin can also bring about.
    "Referrer-Policy": "no-referrer, same-origin",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "X-Robots-Tag": "noindex, nofollow",
}


def root_of(public_url: str) -> str:
    """What all links begin with: the path of the public URL, which a proxy takes off."""
    path = urlsplit(public_url).path.strip("/")
    return f"/{path}/" if path else "/"


def is_visit(request: Request) -> bool:
    """Whether a page is asked for to be shown now, and not by a script or ahead of its time."""
    headers = request.headers
    is_document = headers.get("sec-fetch-dest", "document") == "document"
    return request.method == "GET" and is_document and "sec-purpose" not in headers


def refuse_foreign_page(request: Request, public_url: str) -> None:
    """Refuse a form that a page of another origin sent.

    Raises:
        ForbiddenError: The browser says so, by `Sec-Fetch-Site` or `Origin`.
    """
    hosts = (request.headers.get("host", ""), urlsplit(public_url).netloc)
    site = request.headers.get("sec-fetch-site", "same-origin")
    origin = request.headers.get("origin")
    # The scheme is left open: behind a proxy that ends TLS it is not known here.
    same_origin = origin is None or origin.partition(":")[2] in [f"//{own}" for own in hosts]
    if site not in ("same-origin", "none") or not same_origin:
        raise ForbiddenError("This form was sent by another web page, so nothing was recorded")
