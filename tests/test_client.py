"""The client over mocked HTTP, and over real sockets where a mock cannot show the fact."""

import asyncio
import gzip
import json
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from typing import Any

import anyio
import httpx
import pytest
import respx
from anyio.lowlevel import checkpoint

from loopin_mcp import (
    ActionCount,
    Address,
    Analytics,
    APIError,
    Cancelled,
    ConfigurationError,
    ConflictError,
    Created,
    Decided,
    Decision,
    ForbiddenError,
    Health,
    Interrupt,
    InvalidRequestError,
    LoopinClient,
    LoopinError,
    NotFoundError,
    PendingPage,
    RateLimitedError,
    TooLargeError,
    UnauthorizedError,
    UnavailableError,
    UnprocessableError,
    UnreachableError,
    UnsupportedTypeError,
)
from loopin_mcp.client import MAX_ANSWER_BYTES
from loopin_mcp.retries import LONGEST_BACKOFF_S
from tests.support import KEY, PATIENCE_S, new_interrupt

URL = "https://loopin.test"
STATUS = f"{URL}/interrupts/int-1"
# Read once, since reading the certificates of the world takes longer than a test.
TLS = ssl.create_default_context()
MOMENT = datetime(2025, 6, 15, 15, 6, 40, tzinfo=UTC)
DATE = "Sun, 15 Jun 2025 15:06:40 GMT"
PENDING = {"interruptId": "int-1", "status": "pending", "action": "Pay"}
APPROVED = PENDING | {"status": "approved"}
TRACE = "<!DOCTYPE html><pre>Error: secret<br> at /srv/app/server.js:12</pre>"
NOT_LOOPIN = (
    "which is not an answer of a LoopIn API. Check that LOOPIN_API_URL names one, and any proxy "
    "before it."
)
DOUBT = (
    " It is not known whether it took effect: look with list_pending_interrupts or "
    "get_interrupt_status before you call again."
)

Call = Callable[[LoopinClient], Awaitable[object]]
READS: list[Call] = [
    lambda client: client.get_interrupt_status("int-1"),
    lambda client: client.list_pending_interrupts("user-1"),
    lambda client: client.get_interrupt_analytics("user-1"),
    lambda client: client.get_health(),
]
WRITES: list[Call] = [
    lambda client: client.create_interrupt(new_interrupt()),
    lambda client: client.decide_interrupt("int-1", Decision(decision="approved")),
    lambda client: client.cancel_interrupt("int-1"),
]
BY_INTERRUPT: list[Callable[[LoopinClient, str], Awaitable[object]]] = [
    lambda client, name: client.get_interrupt_status(name),
    lambda client, name: client.decide_interrupt(name, Decision(decision="approved")),
    lambda client, name: client.cancel_interrupt(name),
]
BY_USER: list[Callable[[LoopinClient, str], Awaitable[object]]] = [
    lambda client, name: client.list_pending_interrupts(name),
    lambda client, name: client.get_interrupt_analytics(name),
]


class Naps:
    """A sleep that only gives way to others, and remembers how long it was asked to be."""

    def __init__(self) -> None:
        self.taken: list[float] = []

    async def __call__(self, seconds: float) -> None:
        self.taken.append(seconds)
        await checkpoint()


class Endless(httpx.AsyncByteStream):
    """A body without end, which knows whether it was closed."""

    closed = False

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while True:
            yield bytes(8 * 1024 * 1024)

    async def aclose(self) -> None:
        self.closed = True


@pytest.fixture
def naps() -> Naps:
    return Naps()


@pytest.fixture
async def client(naps: Naps, anyio_backend: str) -> AsyncIterator[LoopinClient]:
    async with httpx.AsyncClient(verify=TLS) as http:
        yield LoopinClient(URL, KEY, http=http, sleep=naps)


@pytest.fixture
def route(respx_mock: respx.MockRouter) -> respx.Route:
    """Whatever is requested of any host."""
    respx_mock._assert_all_called = False
    return respx_mock.route()


def answer(body: object, status: int = 200, **headers: str) -> httpx.Response:
    """A JSON answer."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return httpx.Response(status, json=body, headers=named)


def sent(route: respx.Route) -> dict[str, Any]:
    """What the last request was."""
    request = route.calls.last.request
    headers = ("accept", "accept-encoding", "x-api-key", "content-type")
    return {
        "line": f"{request.method} {request.url}",
        "headers": {name: request.headers[name] for name in headers if name in request.headers},
        "body": json.loads(request.content) if request.content else None,
    }


def asked(line: str) -> dict[str, Any]:
    """A request without a body."""
    headers = {"accept": "application/json", "accept-encoding": "identity", "x-api-key": KEY}
    return {"line": line, "headers": headers, "body": None}


def told(line: str, body: dict[str, Any]) -> dict[str, Any]:
    """A request with a JSON body."""
    request = asked(line)
    headers = request["headers"] | {"content-type": "application/json"}
    return request | {"headers": headers, "body": body}


@asynccontextmanager
async def serving(
    handle: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]],
) -> AsyncIterator[str]:
    """A server of raw bytes on a free port; gives its URL."""

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):
            await handle(reader, writer)
        writer.close()

    with anyio.fail_after(PATIENCE_S):
        async with await asyncio.start_server(connected, "127.0.0.1", 0) as server:
            yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


# The verbs


async def test_create_sends_the_question_and_reads_the_link(
    client: LoopinClient, route: respx.Route
) -> None:
    route.return_value = answer(
        {
            "interruptId": "int-1",
            "status": "pending",
            "expiresAt": "2025-06-15T15:06:40.000Z",
            "reviewUrl": f"{URL}/review/int-1",
            "unknown": 1,
        },
        201,
    )

    created = await client.create_interrupt(new_interrupt(urgency="high", expires_in=60))

    assert created == Created(
        interrupt_id="int-1",
        status="pending",
        expires_at=MOMENT,
        review_url=f"{URL}/review/int-1",
    )
    assert sent(route) == told(
        f"POST {URL}/interrupts",
        {
            "agentId": "agent-1",
            "userId": "user-1",
            "action": "Transfer $4,200 to vendor account ending in 9821",
            "context": {"amount": 4200, "currency": "USD"},
            "urgency": "high",
            "expiresIn": 60,
        },
    )


async def test_status_is_read_whole(client: LoopinClient, route: respx.Route) -> None:
    wire = {
        "interruptId": "int-1",
        "agentId": "agent-1",
        "userId": "user-1",
        "status": "approved",
        "action": "Pay",
        "context": {"amount": 1},
        "urgency": "low",
        "createdAt": "2025-06-15T15:06:40.000Z",
        "expiresAt": "2025-06-15T16:06:40.000Z",
        "reviewUrl": f"{URL}/review/int-1",
        "decision": "approved",
        "decidedAt": "2025-06-15T15:07:40.000Z",
        "reason": "fine",
        "modifiedParams": {"amount": 2},
        "decidedBy": "reviewer",
    }
    route.return_value = answer(wire)

    interrupt = await client.get_interrupt_status("int-1")

    assert interrupt.model_dump(mode="json", by_alias=True) == wire
    assert sent(route) == asked(f"GET {STATUS}")


async def test_list_is_read_as_a_page(client: LoopinClient, route: respx.Route) -> None:
    route.return_value = answer(
        [PENDING],
        link=f'<{URL}/x>; rel="prev", <{URL}/interrupts?cursor=a%2Fb&limit=2>; rel="next"',
    )

    page = await client.list_pending_interrupts("user-1", limit=2, cursor="c/d&e")

    assert page == PendingPage(
        user_id="user-1",
        count=1,
        interrupts=(Interrupt(interrupt_id="int-1", status="pending", action="Pay"),),
        next_cursor="a/b",
    )
    line = f"GET {URL}/interrupts/pending/user-1?limit=2&cursor=c%2Fd%26e"
    assert sent(route) == asked(line)


@pytest.mark.parametrize(
    "link",
    [
        "",
        f'<{URL}/interrupts?cursor=a>; rel="prev"',
        f'<{URL}/interrupts?page=2>; rel="next"',
        '<http://[bad?cursor=a>; rel="next"',
    ],
)
async def test_list_without_a_usable_next_link_is_the_last_page(
    client: LoopinClient, route: respx.Route, link: str
) -> None:
    route.return_value = answer([], link=link)

    page = await client.list_pending_interrupts("user-1")

    assert page == PendingPage(user_id="user-1", count=0, interrupts=())
    assert sent(route) == asked(f"GET {URL}/interrupts/pending/user-1")


async def test_decide_sends_the_decision_and_reads_the_receipt(
    client: LoopinClient, route: respx.Route
) -> None:
    route.return_value = answer(
        {
            "interruptId": "int-1",
            "status": "resolved",
            "decision": "approved",
            "decidedAt": "2025-06-15T15:06:40Z",
        }
    )

    decided = await client.decide_interrupt(
        "int-1", Decision(decision="approved", reason="fine", modified_params={"a_b": 2})
    )

    assert decided == Decided(
        interrupt_id="int-1", status="resolved", decision="approved", decided_at=MOMENT
    )
    body = {"decision": "approved", "reason": "fine", "modifiedParams": {"a_b": 2}}
    assert sent(route) == told(f"POST {STATUS}/decide", body)


async def test_cancel_deletes_and_reads_the_receipt(
    client: LoopinClient, route: respx.Route
) -> None:
    route.return_value = answer({"interruptId": "int-1", "status": "cancelled"})

    cancelled = await client.cancel_interrupt("int-1")

    assert cancelled == Cancelled(interrupt_id="int-1", status="cancelled")
    assert sent(route) == asked(f"DELETE {STATUS}")


async def test_analytics_are_read_whole(client: LoopinClient, route: respx.Route) -> None:
    route.return_value = answer(
        {
            "userId": "user-1",
            "totalInterrupts": 3,
            "approvalRate": 0.5,
            "avgResponseTimeMs": None,
            "byStatus": {"approved": 1, "__proto__": 2},
            "byUrgency": {},
            "topActionTypes": [{"action": "Pay", "count": 3}],
        }
    )

    analytics = await client.get_interrupt_analytics("user-1")

    assert analytics == Analytics(
        user_id="user-1",
        total_interrupts=3,
        approval_rate=0.5,
        avg_response_time_ms=None,
        by_status={"approved": 1, "__proto__": 2},
        by_urgency={},
        top_action_types=(ActionCount(action="Pay", count=3),),
    )
    assert sent(route) == asked(f"GET {URL}/analytics/user-1")


@pytest.mark.parametrize(("challenge", "query"), [(None, ""), ("abc", "?challenge=abc")])
async def test_health_is_read_with_the_proof(
    client: LoopinClient, route: respx.Route, challenge: str | None, query: str
) -> None:
    route.return_value = answer({"status": "ok", "service": "loopin-api", "proof": "p"})

    health = await client.get_health(challenge)

    assert health == Health(status="ok", service="loopin-api", proof="p")
    assert sent(route) == asked(f"GET {URL}/health{query}")


# Addresses and ids


@pytest.mark.parametrize("base_url", [f"{URL}/some/prefix", f"{URL}/some/prefix/"])
async def test_prefix_of_the_address_is_kept_and_no_key_sends_none(
    route: respx.Route, base_url: str
) -> None:
    route.return_value = answer(PENDING)

    async with LoopinClient(base_url) as client:
        await client.get_interrupt_status("int-1")

    assert str(route.calls.last.request.url) == f"{URL}/some/prefix/interrupts/int-1"
    assert "x-api-key" not in route.calls.last.request.headers


@pytest.mark.parametrize(
    ("base_url", "api_key", "fault"),
    [
        ("", None, "LOOPIN_API_URL must be an http or https URL"),
        ("ftp://loopin.test", None, "LOOPIN_API_URL must be an http or https URL"),
        ("https://", None, "LOOPIN_API_URL must be an http or https URL"),
        ("http://999.1.1.1", None, "LOOPIN_API_URL names no address"),
        ("https://hidden:hidden@loopin.test", None, "LOOPIN_API_URL must not hold a user name"),
        ("https://loopin.test/?key=hidden", None, "LOOPIN_API_URL must be a base URL"),
        (URL, "hidden key", "LOOPIN_API_KEY must be printable ASCII"),
    ],
)
async def test_address_or_key_that_cannot_be_used_is_refused_by_name(
    base_url: str, api_key: str | None, fault: str
) -> None:
    with pytest.raises(ConfigurationError) as refusal:
        LoopinClient(base_url, api_key)

    assert str(refusal.value).startswith(fault)
    assert "hidden" not in str(refusal.value)


@pytest.mark.parametrize("call", [*BY_INTERRUPT, *BY_USER])
@pytest.mark.parametrize(
    ("id", "segment"),
    [
        ("../analytics/u", "..%2Fanalytics%2Fu"),
        ("a/b?c#d%", "a%2Fb%3Fc%23d%25"),
        ("..%2f", "..%252f"),
        ("a b\n", "a%20b%0A"),
        ("jürgen@例え.jp", "j%C3%BCrgen%40%E4%BE%8B%E3%81%88.jp"),
    ],
)
async def test_id_travels_as_one_segment(
    client: LoopinClient,
    route: respx.Route,
    call: Callable[[LoopinClient, str], Awaitable[object]],
    id: str,  # noqa: A002 - the parameter's name in the table
    segment: str,
) -> None:
    route.return_value = answer({"error": "Interrupt not found"}, 404)

    with pytest.raises(NotFoundError):
        await call(client, id)

    segments = route.calls.last.request.url.raw_path.decode().split("/")
    assert segment in segments
    assert len(segments) <= 4


@pytest.mark.parametrize(("calls", "name"), [(BY_INTERRUPT, "interruptId"), (BY_USER, "userId")])
@pytest.mark.parametrize(
    ("id", "fault"),
    [
        ("", "must not be empty, '.' or '..'. Give the whole id."),
        (".", "must not be empty, '.' or '..'. Give the whole id."),
        ("..", "must not be empty, '.' or '..'. Give the whole id."),
        ("\ud800", "holds a character that is not text."),
    ],
)
async def test_id_that_names_nothing_is_refused_unsent(
    client: LoopinClient,
    route: respx.Route,
    calls: list[Callable[[LoopinClient, str], Awaitable[object]]],
    name: str,
    id: str,  # noqa: A002 - the parameter's name in the table
    fault: str,
) -> None:
    for call in calls:
        with pytest.raises(InvalidRequestError) as refusal:
            await call(client, id)
        assert str(refusal.value) == f"{name} {fault}"

    assert not route.called


@pytest.mark.parametrize(
    "call",
    [
        lambda client: client.get_interrupt_status("x" * 100_000),
        lambda client: client.list_pending_interrupts("user-1", cursor="x" * 100_000),
        lambda client: client.list_pending_interrupts("user-1", cursor="\ud800"),
    ],
)
async def test_what_no_url_can_hold_is_refused_unsent(
    client: LoopinClient, route: respx.Route, call: Call
) -> None:
    with pytest.raises(InvalidRequestError, match="^An id or the cursor is too long for a URL, or"):
        await call(client)

    assert not route.called


# Refusals


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
async def test_refusal_tells_what_the_api_said_and_what_to_do(
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

    assert str(refusal.value) == f"{sentence} (HTTP {status} from GET {STATUS}). {kind.remedy}"
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

    assert str(refusal.value) == (
        f"{error} (HTTP 409 from DELETE {STATUS}). The interrupt's status is now {status}. Nothing "
        "was changed. Call get_interrupt_status to read how it ended."
    )


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
async def test_refusal_tells_how_long_it_asks_to_wait(
    client: LoopinClient, route: respx.Route, headers: dict[str, str], wait_s: float | None
) -> None:
    route.return_value = answer({"error": "Too many"}, 429, **headers)

    with pytest.raises(RateLimitedError) as refusal:
        await client.cancel_interrupt("int-1")

    asks = "" if wait_s is None else f"It asks to wait {wait_s:.0f} s. "
    assert str(refusal.value) == (
        f"Too many (HTTP 429 from DELETE {STATUS}). {asks}{RateLimitedError.remedy}"
    )
    assert refusal.value.retry_after_s == wait_s


@pytest.mark.parametrize(
    ("status", "text"),
    [
        (200, f"GET {STATUS} answered text/html (HTTP 200), {NOT_LOOPIN}"),
        (204, f"GET {STATUS} answered text/html (HTTP 204), {NOT_LOOPIN}"),
        (400, f"GET {STATUS} answered text/html (HTTP 400), {NOT_LOOPIN}"),
        (401, f"The request failed (HTTP 401 from GET {STATUS}). {UnauthorizedError.remedy}"),
        (403, f"The request failed (HTTP 403 from GET {STATUS}). {ForbiddenError.remedy}"),
        (404, f"GET {STATUS} answered text/html (HTTP 404), {NOT_LOOPIN}"),
        (413, f"The request failed (HTTP 413 from GET {STATUS}). {TooLargeError.remedy}"),
        (429, f"The request failed (HTTP 429 from GET {STATUS}). {RateLimitedError.remedy}"),
        (500, f"The request failed (HTTP 500 from GET {STATUS}). {UnavailableError.remedy}"),
        (502, f"The request failed (HTTP 502 from GET {STATUS}). {UnavailableError.remedy}"),
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


@pytest.mark.parametrize(
    ("body", "kind", "found"),
    [
        ("", "application/json", "nothing"),
        (" \n", "text/html", "nothing"),
        ("{}", "", "something unknown"),
        ("{}", "text/html secret<b>", "something unknown"),
        (TRACE, "Text/HTML; charset=utf-8", "text/html"),
        (
            '{"interruptId": "int-1", "sta',
            "application/json",
            "JSON of another kind, or cut short,",
        ),
        ('{"secret": 1}', "application/json", "JSON of another kind, or cut short,"),
        ('["secret"]', "application/json", "JSON of another kind, or cut short,"),
        ("[" * 100_000, "application/json", "JSON of another kind, or cut short,"),
        (
            json.dumps(PENDING | {"expiresAt": "0001-01-01T00:00:00+05:00"}),
            "application/problem+json",
            "JSON of another kind, or cut short,",
        ),
        (
            json.dumps(PENDING | {"interruptId": "int-2"}),
            "application/json",
            "another interrupt than the one asked for",
        ),
    ],
)
async def test_success_that_is_no_answer_of_loopin_is_refused(
    client: LoopinClient, route: respx.Route, body: str, kind: str, found: str
) -> None:
    route.return_value = httpx.Response(200, content=body, headers={"content-type": kind})

    with pytest.raises(APIError) as refusal:
        await client.get_interrupt_status("int-1")

    assert str(refusal.value) == f"GET {STATUS} answered {found} (HTTP 200), {NOT_LOOPIN}"


@pytest.mark.parametrize("status", [202, 206])
async def test_success_of_another_kind_is_no_answer_of_loopin(
    client: LoopinClient, route: respx.Route, status: int
) -> None:
    route.return_value = answer(PENDING, status)

    with pytest.raises(APIError) as refusal:
        await client.get_interrupt_status("int-1")

    assert str(refusal.value) == (
        f"GET {STATUS} answered JSON of another kind, or cut short, (HTTP {status}), {NOT_LOOPIN}"
    )


@pytest.mark.parametrize("status", [300, 302, 308])
@pytest.mark.parametrize(
    ("location", "shown"),
    [
        ("https://user:pw@evil.test/login?key=1#x", "https://evil.test/login"),
        ("/login?next=/", "/login"),
        (f"https://evil.test/{KEY}", "https://evil.test/[key]"),
        (f"https://evil.test/{'x' * 1000}", f"https://evil.test/{'x' * 182}"),
        ("", "nowhere"),
        ("http://[bad", "nowhere"),
        ("https://evil.test/\x85", "nowhere"),
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
        "followed, so that the key goes nowhere else. If that is the LoopIn API, set "
        "LOOPIN_API_URL to it."
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


# No answer


async def test_absent_api_is_told_with_its_address_and_the_reason(naps: Naps) -> None:
    def refuse(_request: httpx.Request) -> httpx.Response:
        reason = ConnectionRefusedError(111, "Connection refused")
        raise httpx.ConnectError("All connection attempts failed") from reason

    async with httpx.AsyncClient(transport=httpx.MockTransport(refuse)) as http:
        with pytest.raises(UnreachableError) as failure:
            await LoopinClient(URL, http=http, sleep=naps).cancel_interrupt("int-1")

    assert str(failure.value) == (
        f"No connection to the LoopIn API at {URL}: Connection refused. Check that it runs there, "
        "and that LOOPIN_API_URL is right."
    )


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (httpx.ConnectError("no route"), f"No connection to the LoopIn API at {URL}: no route."),
        (
            httpx.ConnectTimeout(""),
            f"No connection to the LoopIn API at {URL}: connecting took too long.",
        ),
        (
            httpx.ReadTimeout(""),
            f"The LoopIn API at {URL} did not answer GET /interrupts/int-1 within 10 s.",
        ),
        (
            httpx.ReadError(""),
            f"The LoopIn API at {URL} broke off its answer to GET /interrupts/int-1: the "
            "connection was lost.",
        ),
        (
            httpx.RemoteProtocolError("illegal status line: bytearray(b'secret')"),
            f"The LoopIn API at {URL} broke off its answer to GET /interrupts/int-1: it was cut "
            "short, or is not HTTP.",
        ),
    ],
)
async def test_lost_read_tells_why(
    client: LoopinClient, route: respx.Route, error: httpx.RequestError, reason: str
) -> None:
    route.side_effect = error

    with pytest.raises(UnreachableError) as failure:
        await client.get_interrupt_status("int-1")

    assert str(failure.value).startswith(f"{reason} Check ")
    assert DOUBT not in str(failure.value)


@pytest.mark.parametrize("call", WRITES)
@pytest.mark.parametrize(
    "error",
    [
        httpx.ReadTimeout(""),
        httpx.WriteError(""),
        httpx.ReadError(""),
        httpx.RemoteProtocolError(""),
        httpx.DecodingError(""),
    ],
)
async def test_write_that_may_have_arrived_is_sent_once_and_says_so(
    client: LoopinClient, route: respx.Route, call: Call, error: httpx.RequestError
) -> None:
    route.side_effect = error

    with pytest.raises(UnreachableError) as failure:
        await call(client)

    assert str(failure.value).endswith(DOUBT)
    assert route.call_count == 1


async def test_endless_answer_is_cut_off(client: LoopinClient, route: respx.Route) -> None:
    endless = Endless()
    route.return_value = httpx.Response(200, stream=endless)

    with pytest.raises(UnreachableError) as failure:
        await client.get_interrupt_status("int-1")

    assert str(failure.value) == (
        f"The answer of the LoopIn API at {URL} to GET /interrupts/int-1 cannot be read: more than "
        f"{MAX_ANSWER_BYTES} bytes. Check the API and any proxy before it."
    )
    assert (route.call_count, endless.closed) == (1, True)


async def test_compressed_answer_is_bounded_by_its_true_size(
    client: LoopinClient, route: respx.Route
) -> None:
    bomb = gzip.compress(bytes(MAX_ANSWER_BYTES + 1), compresslevel=1)
    route.return_value = httpx.Response(200, content=bomb, headers={"content-encoding": "gzip"})

    with pytest.raises(UnreachableError, match=f"cannot be read: more than {MAX_ANSWER_BYTES}"):
        await client.get_interrupt_status("int-1")


@pytest.mark.parametrize("drips", [False, True])
async def test_server_that_never_ends_its_answer_is_given_up(drips: bool) -> None:
    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        while drips and not reader.at_eof():
            writer.write(b".")
            await writer.drain()
            await checkpoint()
        await reader.read()

    async with serving(handle) as url, LoopinClient(url, timeout_s=0.3) as client:
        with pytest.raises(UnreachableError) as failure:
            await client.get_interrupt_status("int-1")

    assert str(failure.value) == (
        f"The LoopIn API at {url} did not answer GET /interrupts/int-1 within 0.3 s. Check that it "
        "is healthy, or raise LOOPIN_TIMEOUT."
    )


@pytest.mark.parametrize(
    "bytes_sent",
    [
        b"",
        b"SSH-2.0-secret\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{",
        b"HTTP/1.1 302 Found\r\nLocation: http://evil.test:secret/\r\nContent-Length: 0\r\n\r\n",
    ],
)
async def test_answer_that_is_cut_short_is_asked_for_again_and_then_told(
    naps: Naps, bytes_sent: bytes
) -> None:
    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(bytes_sent)
        await writer.drain()

    async with serving(handle) as url, LoopinClient(url, sleep=naps) as client:
        with pytest.raises(UnreachableError) as failure:
            await client.get_interrupt_status("int-1")

    assert str(failure.value) == (
        f"The LoopIn API at {url} broke off its answer to GET /interrupts/int-1: it was cut short, "
        "or is not HTTP. Check the API and any proxy before it."
    )
    assert len(naps.taken) == 2


async def test_cancelled_call_closes_its_connection_at_once() -> None:
    arrived, gone = anyio.Event(), anyio.Event()

    async def handle(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        arrived.set()
        await reader.read()
        gone.set()

    async with (
        serving(handle) as url,
        LoopinClient(url) as client,
        anyio.create_task_group() as tasks,
    ):
        tasks.start_soon(client.get_interrupt_status, "int-1")
        await arrived.wait()
        tasks.cancel_scope.cancel()
        with anyio.CancelScope(shield=True):
            await gone.wait()


async def test_port_where_nothing_listens_is_told_as_no_connection(naps: Naps) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
        async with LoopinClient(url, sleep=naps) as client:
            with pytest.raises(
                UnreachableError, match=f"^No connection to the LoopIn API at {url}: "
            ):
                await client.create_interrupt(new_interrupt())

    assert len(naps.taken) == 2


# Retries


@pytest.mark.parametrize("call", READS)
@pytest.mark.parametrize(
    "first",
    [
        httpx.ConnectError(""),
        httpx.ConnectTimeout(""),
        httpx.ReadError(""),
        httpx.RemoteProtocolError(""),
        answer({"error": "Too many"}, 429),
        httpx.Response(502, html=TRACE),
        answer({"error": "Restarting"}, 503, retry_after="0"),
        httpx.Response(504),
    ],
)
async def test_read_is_sent_again_after_a_passing_failure(
    client: LoopinClient,
    route: respx.Route,
    naps: Naps,
    call: Call,
    first: httpx.Response | httpx.RequestError,
) -> None:
    route.side_effect = [first, answer({"error": "Interrupt not found"}, 404)]

    with pytest.raises(NotFoundError):
        await call(client)

    assert route.call_count == 2
    assert [0.5 <= delay_s <= 1 for delay_s in naps.taken] == [True]


async def test_read_that_succeeds_at_last_is_a_success(
    client: LoopinClient, route: respx.Route, naps: Naps
) -> None:
    route.side_effect = [httpx.ReadError(""), httpx.Response(503), answer(APPROVED)]

    interrupt = await client.get_interrupt_status("int-1")

    assert interrupt == Interrupt.model_validate(APPROVED)
    assert [0.5 <= naps.taken[0] <= 1, 1 <= naps.taken[1] <= 2] == [True, True]


async def test_read_is_given_up_after_the_last_attempt(route: respx.Route, naps: Naps) -> None:
    route.side_effect = httpx.ConnectError("")

    async with LoopinClient(URL, attempts=8, sleep=naps) as client:
        with pytest.raises(UnreachableError):
            await client.get_interrupt_status("int-1")

    assert route.call_count == 8
    assert 0.5 * LONGEST_BACKOFF_S <= max(naps.taken) <= LONGEST_BACKOFF_S


@pytest.mark.parametrize(
    "headers",
    [
        {"retry-after": "5"},
        {"retry-after": "Sun, 15 Jun 2025 15:06:45 GMT", "date": DATE},
    ],
)
@pytest.mark.parametrize("status", [429, 503])
async def test_read_waits_as_long_as_it_is_asked_to(
    client: LoopinClient, route: respx.Route, naps: Naps, status: int, headers: dict[str, str]
) -> None:
    route.side_effect = [httpx.Response(status, headers=headers), answer(APPROVED)]

    await client.get_interrupt_status("int-1")

    assert naps.taken == [5.0]


@pytest.mark.parametrize(
    "failure",
    [
        httpx.Response(429, html=TRACE, headers={"retry-after": "9"}),
        answer({"error": "Restarting"}, 503, retry_after="3600"),
        answer({"error": "Internal error"}, 500),
        answer({"error": "Not implemented"}, 501),
        answer({"error": "Interrupt not found"}, 404),
        httpx.ReadTimeout(""),
    ],
)
async def test_read_is_not_sent_again_where_that_is_of_no_use(
    client: LoopinClient,
    route: respx.Route,
    naps: Naps,
    failure: httpx.Response | httpx.RequestError,
) -> None:
    route.side_effect = [failure]

    with pytest.raises(LoopinError):
        await client.get_interrupt_status("int-1")

    assert (route.call_count, naps.taken) == (1, [])


@pytest.mark.parametrize("call", WRITES)
async def test_write_is_sent_again_where_no_connection_was_made(
    client: LoopinClient, route: respx.Route, call: Call
) -> None:
    route.side_effect = [
        httpx.ConnectError(""),
        httpx.ConnectTimeout(""),
        answer({"error": "Interrupt not found"}, 404),
    ]

    with pytest.raises(NotFoundError):
        await call(client)

    assert route.call_count == 3


@pytest.mark.parametrize("call", WRITES)
@pytest.mark.parametrize("status", [429, 502, 503, 504])
async def test_write_that_was_answered_is_sent_once(
    client: LoopinClient, route: respx.Route, call: Call, status: int
) -> None:
    route.return_value = httpx.Response(status)

    with pytest.raises(APIError):
        await call(client)

    assert route.call_count == 1


async def test_address_is_asked_for_before_every_attempt(
    respx_mock: respx.MockRouter, naps: Naps
) -> None:
    addresses = iter([Address("http://gone.test", "old"), Address(URL, KEY)])
    gone = respx_mock.get("http://gone.test/interrupts/int-1")
    gone.side_effect = httpx.ConnectError("")
    found = respx_mock.get(STATUS, headers={"x-api-key": KEY})
    found.return_value = answer(APPROVED)

    async def locate() -> Address:
        return next(addresses)

    async with LoopinClient(locate=locate, sleep=naps) as client:
        interrupt = await client.get_interrupt_status("int-1")

    assert interrupt == Interrupt.model_validate(APPROVED)


# Waiting


async def test_waiting_polls_until_the_interrupt_is_settled(
    client: LoopinClient, route: respx.Route, naps: Naps
) -> None:
    route.side_effect = [answer(PENDING)] * 9 + [answer(APPROVED)]

    interrupt = await client.get_interrupt_status("int-1", wait_s=60)

    assert interrupt == Interrupt.model_validate(APPROVED)
    assert [round(delay_s, 2) for delay_s in naps.taken] == [
        *(0.5, 0.75, 1.12, 1.69, 2.53, 3.8),
        *(5.0, 5.0, 5.0),
    ]


@pytest.mark.parametrize("wait_s", [0, 0.01])
async def test_waiting_ends_at_its_bound_with_pending(route: respx.Route, wait_s: float) -> None:
    async def never_over(_seconds: float) -> None:
        await anyio.sleep_forever()

    route.return_value = answer(PENDING)

    async with LoopinClient(URL, sleep=never_over) as client:
        with anyio.fail_after(PATIENCE_S):
            interrupt = await client.get_interrupt_status("int-1", wait_s=wait_s)

    assert interrupt == Interrupt.model_validate(PENDING)
    assert route.call_count == 1


async def test_waiting_ends_at_its_bound_though_a_read_hangs(
    client: LoopinClient, route: respx.Route
) -> None:
    hangs = anyio.Event()

    async def hang_at_last(_request: httpx.Request) -> httpx.Response:
        if route.called:
            hangs.set()
            await anyio.sleep_forever()
        return answer(PENDING)

    route.side_effect = hang_at_last

    with anyio.fail_after(PATIENCE_S):
        interrupt = await client.get_interrupt_status("int-1", wait_s=0.2)

    assert interrupt == Interrupt.model_validate(PENDING)
    assert hangs.is_set()


# LoopIn 1.0


async def test_list_of_an_older_server_is_read_without_what_has_expired(
    client: LoopinClient, route: respx.Route
) -> None:
    def item(id: str, **fields: str) -> dict[str, str]:  # noqa: A002 - as the wire has it
        return {"id": id, "status": "pending", "action": "Pay"} | fields

    route.return_value = answer(
        [
            item("now", expiresAt="2025-06-15T15:06:40.000Z"),
            item("soon", expiresAt="2025-06-15T15:06:40.001Z"),
            item("settled", status="approved"),
            item("never"),
        ],
        date=DATE,
    )

    page = await client.list_pending_interrupts("user-1")

    soon = Interrupt(
        interrupt_id="soon",
        status="pending",
        action="Pay",
        expires_at=MOMENT + timedelta(milliseconds=1),
    )
    never = Interrupt(interrupt_id="never", status="pending", action="Pay")
    assert page == PendingPage(user_id="user-1", count=2, interrupts=(soon, never))


@pytest.mark.parametrize(
    ("expires_at", "headers", "status"),
    [
        ("2025-06-15T15:06:40Z", {"date": DATE}, "expired"),
        ("2025-06-15T15:06:41Z", {"date": DATE}, "pending"),
        ("2025-06-15T15:06:41Z", {}, "expired"),
        ("2025-06-15T15:06:41Z", {"date": "today"}, "expired"),
        ("9999-01-01T00:00:00Z", {}, "pending"),
    ],
)
async def test_pending_after_its_end_is_read_as_expired(
    client: LoopinClient,
    route: respx.Route,
    expires_at: str,
    headers: dict[str, str],
    status: str,
) -> None:
    wire = PENDING | {"expiresAt": expires_at}
    route.return_value = httpx.Response(200, json=wire, headers=headers)

    interrupt = await client.get_interrupt_status("int-1")

    assert interrupt == Interrupt.model_validate(wire | {"status": status})


# Connections


async def test_client_closes_its_own_connections_and_no_others(route: respx.Route) -> None:
    route.return_value = answer(PENDING)
    async with httpx.AsyncClient() as http:
        async with LoopinClient(URL, http=http) as client:
            await client.get_interrupt_status("int-1")
        assert not http.is_closed

    async with LoopinClient(URL) as client:
        await client.get_interrupt_status("int-1")
    with pytest.raises(RuntimeError, match="has been closed"):
        await client.get_interrupt_status("int-1")


@pytest.mark.parametrize(
    ("address", "line"),
    [
        ("http://loopin.test", b"GET http://loopin.test/health HTTP/1.1"),
        ("", b"GET /health HTTP/1.1"),
    ],
)
async def test_proxy_of_the_environment_is_not_for_this_machine(
    monkeypatch: pytest.MonkeyPatch, address: str, line: bytes
) -> None:
    seen: list[bytes] = []

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.append((await reader.readuntil(b"\r\n\r\n")).splitlines()[0])
        body = b'{"status": "ok", "service": "loopin-api"}'
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))
        await writer.drain()

    async with serving(handle) as url:
        for name in ("no_proxy", "NO_PROXY", "all_proxy", "ALL_PROXY", "HTTP_PROXY"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv("http_proxy", url if address else "http://127.0.0.1:1")
        async with LoopinClient(address or url) as client:
            health = await client.get_health()

    assert health == Health(status="ok", service="loopin-api")
    assert seen == [line]


@respx.mock
async def test_receipt_for_another_interrupt_is_refused(client: LoopinClient) -> None:
    receipt = {"interruptId": "int-2", "status": "resolved", "decision": "approved"}
    respx.route().respond(200, json=receipt)
    other = "another interrupt than the one asked for"

    with pytest.raises(APIError, match=other):
        await client.decide_interrupt("int-1", Decision(decision="approved"))
    with pytest.raises(APIError, match=other):
        await client.cancel_interrupt("int-1")


@respx.mock
async def test_values_stored_as_they_came_do_not_spoil_a_list(client: LoopinClient) -> None:
    item = PENDING | {"userId": 7, "agentId": 1.5, "context": "text"}
    respx.get(f"{URL}/interrupts/pending/7").respond(200, json=[item, PENDING])

    page = await client.list_pending_interrupts("7")

    assert [(i.user_id, i.agent_id, i.context) for i in page.interrupts] == [
        ("7", "1.5", {"value": "text"}),
        (None, None, None),
    ]
