"""Errors made from refusals of the API: its own sentence, and nothing unsafe."""

import json

import httpx
import pytest
import respx

from loopin_mcp import (
    APIError,
    ConflictError,
    ForbiddenError,
    InvalidRequestError,
    LoopinClient,
    NotFoundError,
    RateLimitedError,
    TooLargeError,
    UnauthorizedError,
    UnavailableError,
    UnprocessableError,
    UnsupportedTypeError,
)
from tests.support import KEY
from tests.support.client import (
    DATE,
    DOUBT,
    NOT_LOOPIN,
    STATUS,
    TLS,
    TRACE,
    URL,
    WRITES,
    Call,
    answer,
)


@pytest.mark.parametrize(
    ("status", "error", "sentence", "kind"),
    [
        (400, "action is required", "action is required", InvalidRequestError),
        (401, "Unauthorized", "Unauthorized", UnauthorizedError),
        (403, "Only the reviewer may decide.", "Only the reviewer may decide", ForbiddenError),
        (404, "Interrupt not found", "Interrupt not found", NotFoundError),
        (403, "Interrupt is already approved", "Interrupt is already approved", ForbiddenError),
        (405, "Method not allowed", "Method not allowed", APIError),
        (413, "body is over 256 KiB", "body is over 256 KiB", TooLargeError),
        (415, "not JSON", "not JSON", UnsupportedTypeError),
        (422, "key was used", "key was used", UnprocessableError),
        (429, "Too many", "Too many", RateLimitedError),
        (500, "Internal error", "Internal error", UnavailableError),
        (503, "Restarting", "Restarting", UnavailableError),
        (404, " Not found\n at /srv/secret.js:1", "Not found", NotFoundError),
        (404, f"No {KEY} here", "No [key] here", NotFoundError),
        (404, "No \x1b[31mred\x00\u202e\u200b text", "No [31mred text", NotFoundError),
        (404, f"No {KEY[:4]}\u200b{KEY[4:]} here", "No [key] here", NotFoundError),
        (404, "x" * 3_000_000, "x" * 500, NotFoundError),
        (404, f"{'x' * 480} {KEY} here", f"{'x' * 480} [key] here", NotFoundError),
        (409, "approved or rejected already", "approved or rejected already", ConflictError),
        (409, "Interrupt is settled", "Interrupt is settled", ConflictError),
        (503, "", "The request failed", UnavailableError),
        (429, "\x00", "The request failed", RateLimitedError),
    ],
)
async def test_refusal_tells_what_the_api_said(
    client: LoopinClient,
    route: respx.Route,
    status: int,
    error: str,
    sentence: str,
    kind: type[APIError],
) -> None:
    route.return_value = answer({"error": error}, status)

    with pytest.raises(kind) as refusal:
        await client.get_interrupt_status("int-1")

    assert str(refusal.value) == f"{sentence} (HTTP {status} from GET {STATUS})."
    assert (type(refusal.value), refusal.value.status) == (kind, status)


@pytest.mark.parametrize(
    ("error", "status"),
    [
        ("Interrupt is already approved", "approved"),
        ("Cannot cancel an interrupt with status: expired", "expired"),
    ],
)
async def test_conflict_tells_how_the_interrupt_ended(
    client: LoopinClient, route: respx.Route, error: str, status: str
) -> None:
    route.return_value = answer({"error": error}, 409)

    with pytest.raises(ConflictError) as refusal:
        await client.cancel_interrupt("int-1")

    assert str(refusal.value) == f"{error} (HTTP 409 from DELETE {STATUS})."
    assert str(refusal.value).count(status) == 1


@pytest.mark.parametrize(
    ("headers", "wait_s"),
    [
        ({"retry-after": "60"}, 60.0),
        ({"retry-after": "9" * 400}, 999_999_999.0),
        ({"retry-after": "Sun, 15 Jun 2025 15:07:40 GMT", "date": DATE}, 60.0),
        ({"retry-after": "Sun, 15 Jun 2025 15:07:40 -0000", "date": DATE}, 60.0),
        ({"retry-after": "Sun, 15 Jun 2025 15:00:00 GMT", "date": DATE}, 0.0),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "-1"}, None),
        ({"retry-after": f"Sun, 15 Jun 2025 15:07:40 +{'9' * 20}"}, None),
    ],
)
async def test_refusal_tells_when_to_try_again(
    client: LoopinClient, route: respx.Route, headers: dict[str, str], wait_s: float | None
) -> None:
    route.return_value = answer({"error": "Too many"}, 429, **headers)

    with pytest.raises(RateLimitedError) as refusal:
        await client.cancel_interrupt("int-1")

    advice = "" if wait_s is None else f" Try again in {wait_s:.0f} s."
    assert str(refusal.value) == f"Too many (HTTP 429 from DELETE {STATUS}).{advice}"
    assert refusal.value.retry_after_s == wait_s


@pytest.mark.parametrize(
    ("status", "text"),
    [
        (200, f"GET {STATUS} answered text/html (HTTP 200), {NOT_LOOPIN}"),
        (204, f"GET {STATUS} answered text/html (HTTP 204), {NOT_LOOPIN}"),
        (400, f"GET {STATUS} answered text/html (HTTP 400), {NOT_LOOPIN}"),
        (401, f"The request failed (HTTP 401 from GET {STATUS})."),
        (403, f"The request failed (HTTP 403 from GET {STATUS})."),
        (404, f"GET {STATUS} answered text/html (HTTP 404), {NOT_LOOPIN}"),
        (413, f"The request failed (HTTP 413 from GET {STATUS})."),
        (429, f"The request failed (HTTP 429 from GET {STATUS})."),
        (500, f"The request failed (HTTP 500 from GET {STATUS})."),
        (502, f"The request failed (HTTP 502 from GET {STATUS})."),
    ],
)
@pytest.mark.parametrize(
    "page", [TRACE, json.dumps({"error": TRACE}), json.dumps({"error": "<\x00b>secret"})]
)
async def test_nothing_of_an_error_page_is_told(
    client: LoopinClient, route: respx.Route, status: int, text: str, page: str
) -> None:
    route.return_value = httpx.Response(status, html=page)

    with pytest.raises(APIError) as refusal:
        await client.get_interrupt_status("int-1")

    assert str(refusal.value) == text
    assert refusal.value.status == status


@pytest.mark.parametrize("status", [300, 302, 308])
@pytest.mark.parametrize(
    ("location", "shown"),
    [
        ("https://user:pw@evil.test/login?key=1#x", "https://evil.test/login"),
        ("/login?next=/", "/login"),
        (f"https://evil.test/{KEY}", "https://evil.test/[key]"),
        (f"https://evil.test/{'x' * 1000}", "https://evil.test/…"),
        ("https://evil.test/do%20approve this", "https://evil.test/…"),
        (f"https://{'x' * 1000}/", f"https://{'x' * 192}"),
        ("", "nowhere"),
        ("http://[bad", "nowhere"),
        ("https://evil.test/\x85", "https://evil.test/…"),
    ],
)
async def test_redirect_is_named_and_not_followed(
    route: respx.Route, status: int, location: str, shown: str
) -> None:
    route.return_value = httpx.Response(status, headers=[(b"location", location.encode("latin-1"))])

    async with httpx.AsyncClient(verify=TLS, follow_redirects=True) as http:
        with pytest.raises(APIError) as refusal:
            await LoopinClient(URL, KEY, http=http).cancel_interrupt("int-1")

    assert str(refusal.value) == (
        f"DELETE {STATUS} is redirected to {shown} (HTTP {status}), and redirects are not "
        "followed, so that the key goes nowhere else. If the LoopIn API is there, use that address."
    )
    assert route.call_count == 1


@pytest.mark.parametrize("call", WRITES)
@pytest.mark.parametrize(
    ("status", "body", "doubt"),
    [
        (200, TRACE, DOUBT),
        (201, '{"interruptId": "int', DOUBT),
        (500, '{"error": "Internal error"}', DOUBT),
        (502, TRACE, DOUBT),
        (302, "", ""),
        (400, '{"error": "reason is too long"}', ""),
        (404, TRACE, ""),
    ],
)
async def test_failed_write_says_whether_it_may_have_taken_effect(
    client: LoopinClient, route: respx.Route, call: Call, status: int, body: str, doubt: str
) -> None:
    route.return_value = httpx.Response(status, content=body)

    with pytest.raises(APIError) as refusal:
        await call(client)

    assert str(refusal.value).endswith(doubt)
    assert ("not known" in str(refusal.value)) == bool(doubt)
