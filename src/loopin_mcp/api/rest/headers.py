"""The headers of requests: their bounds, `Prefer` and `Idempotency-Key`."""

import re
from collections.abc import Sequence
from contextvars import ContextVar
from urllib.request import parse_http_list

from starlette.responses import Response
from starlette.types import Scope

from loopin_mcp.api.access.browser import error_response
from loopin_mcp.errors import InvalidRequestError

LONGEST_WAIT_S = 60
# A request with this in its scope waits for a decision or a change.
HELD = "loopin.held"
# The scope of a request that is answered by calls of the API in this process.
CALLER: ContextVar[Scope | None] = ContextVar("loopin_caller", default=None)

LONGEST_KEY = 255

# A string as in RFC 9651, with escaped quotes and backslashes. Many clients omit the quotes.
_QUOTED = r'"((?:[ !#-\[\]-~]|\\["\\])+)"'
_BARE = r"[!#-~]+"
_ESCAPED = re.compile(r"\\(.)")

MAX_URL_BYTES = 8 * 1024
MAX_HEADER_BYTES = 32 * 1024
MAX_HEADERS = 100
URL_FAULT = f"The URL must be at most {MAX_URL_BYTES} bytes"
HEADERS_FAULT = (
    f"The headers must be at most {MAX_HEADERS}, and {MAX_HEADER_BYTES} bytes without cookies"
)


def hold(scope: Scope) -> None:
    """Note that a request waits for a decision or a change, and with it the one that it answers."""
    for held in filter(None, (scope, CALLER.get())):
        held[HELD] = True


def preferred_wait_s(headers: Sequence[str]) -> int | None:
    """The `wait` to honour, in seconds, or None if there is none (RFC 7240).

    The first of several counts. A value that is not a number of seconds is ignored.
    """
    if not headers:
        return None
    for preference in parse_http_list(", ".join(headers)):
        name, _, value = preference.partition(";")[0].partition("=")
        if name.strip().lower() == "wait":
            digits = value.strip().strip('"')
            usable = digits.isascii() and digits.isdigit()
            return min(int(digits[:9]), LONGEST_WAIT_S) if usable else None
    return None


def idempotency_key(values: list[str]) -> str | None:
    """The key in a request's headers, or None if it has no such header.

    Raises:
        InvalidRequestError: There are several headers, or the value is not a valid key.
    """
    if not values:
        return None
    text = values[0].strip()
    if quoted := re.fullmatch(_QUOTED, text):
        text = _ESCAPED.sub(r"\1", quoted[1])
    elif not re.fullmatch(_BARE, text):
        text = ""
    if len(values) > 1 or not 1 <= len(text) <= LONGEST_KEY:
        raise InvalidRequestError(
            f"Idempotency-Key must be one string of 1 to {LONGEST_KEY} printable ASCII characters "
            "in double quotes"
        )
    return text


def refusal_of_head(scope: Scope) -> Response | None:
    """Refuses a request whose head is too large, or leaves unclear where the body ends.

    The status is 400, 414 or 431.
    """
    headers: list[tuple[bytes, bytes]] = scope["headers"]
    names = [name for name, _ in headers]
    if len(scope["raw_path"]) + len(scope["query_string"]) > MAX_URL_BYTES:
        return _refused(414, URL_FAULT)
    # Other programs on the host set cookies too, and must not lock a browser out.
    size = sum(len(name) + len(value) for name, value in headers if name != b"cookie")
    if len(headers) > MAX_HEADERS or size > MAX_HEADER_BYTES:
        return _refused(431, HEADERS_FAULT)
    if names.count(b"host") > 1:
        return _refused(400, "Host must be sent once")
    chunked, measured = b"transfer-encoding" in names, b"content-length" in names
    # A proxy in front may see another end of the body (RFC 9112, section 6.1).
    if chunked and (measured or scope["http_version"] == "1.0"):
        return _refused(400, "Transfer-Encoding must be sent without Content-Length, over HTTP/1.1")
    return None


def _refused(status: int, error: str) -> Response:
    return error_response(error, status, {"Connection": "close"})


def has_body(scope: Scope) -> bool:
    """Whether the headers announce a body."""
    return any(
        name == b"transfer-encoding" or (name == b"content-length" and value.strip(b"0"))
        for name, value in scope["headers"]
    )
