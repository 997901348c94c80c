"""Limits of the API: request heads, creates per minute, concurrent waits."""

from collections.abc import AsyncIterator

import anyio
import httpx
import pytest
from starlette.types import Message, Scope

from loopin_mcp.api.access.limits import CreateRate, Limits
from loopin_mcp.api.store.store import Store
from loopin_mcp.errors import RateLimitedError
from tests.support import AGENT, KEY, PATIENCE_S, api_app, api_client, new_interrupt
from tests.support.questions import NEW, create
from tests.support.streams import PagesAPI
from tests.support.waiters import until_waited_for

HEADERS_FAULT = "The headers must be at most 100, and 32768 bytes without cookies"
REVIEWER_KEY = "key-of-a-reviewer-with-32-letters"


@pytest.fixture
async def limited(sqlite_store: Store) -> AsyncIterator[httpx.AsyncClient]:
    """An API that allows two creates per minute and two waits per caller."""
    options = {"api_key": KEY, "reviewers": {"alice": REVIEWER_KEY}, "rate_limit": 2}
    limits = Limits(connections=4)
    async with api_client(sqlite_store, limits=limits, **options) as client:
        client.headers["X-API-Key"] = KEY
        yield client


async def test_creates_beyond_the_rate_are_refused_until_the_time_that_is_told(
    limited: httpx.AsyncClient,
) -> None:
    for _ in range(2):
        await create(limited)

    answer = await limited.post("/interrupts", json=NEW)

    assert answer.status_code == 429
    assert answer.json()["error"].startswith("At most 2 interrupts a minute")
    assert 0 < int(answer.headers["Retry-After"]) <= 60
    assert len((await limited.get("/interrupts/pending/u")).json()) == 2


async def test_each_key_has_a_rate_of_its_own(limited: httpx.AsyncClient) -> None:
    for _ in range(2):
        await create(limited)

    limited.headers["X-API-Key"] = REVIEWER_KEY
    await create(limited)


async def test_refused_creates_do_not_count(limited: httpx.AsyncClient) -> None:
    for _ in range(5):
        assert (await limited.post("/interrupts", json={})).status_code == 400

    for _ in range(2):
        await create(limited)


def test_rate_holds_in_any_minute_and_no_longer() -> None:
    times = iter([10.0, 50.0, 60.0, 69.5, 70.0, 110.0, 110.5])
    rate = CreateRate(2, times.__next__)

    assert [outcome(rate) for _ in range(7)] == [None, None, 10.0, 0.5, None, None, 19.5]


def outcome(rate: CreateRate) -> float | None:
    """The seconds in `Retry-After` of a create, or None if it was accepted."""
    try:
        rate.count("a")
    except RateLimitedError as refusal:
        return refusal.retry_after_s
    return None


async def test_waits_beyond_the_limit_are_answered_at_once(
    limited: httpx.AsyncClient, sqlite_store: Store
) -> None:
    first, second = [(await create(limited))["interruptId"] for _ in range(2)]

    async def wait(interrupt_id: str) -> None:
        answer = await limited.get(f"/interrupts/{interrupt_id}", headers={"Prefer": "wait=60"})
        assert answer.json()["status"] == "cancelled"
        assert answer.headers["Preference-Applied"] == "wait=60"

    with anyio.fail_after(PATIENCE_S):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(wait, first)
            tasks.start_soon(wait, second)
            await until_waited_for(sqlite_store, 2)
            one_too_many = await limited.get(f"/interrupts/{first}", headers={"Prefer": "wait=60"})
            await limited.delete(f"/interrupts/{first}")
            await limited.delete(f"/interrupts/{second}")

        assert one_too_many.json()["status"] == "pending"
        assert "Preference-Applied" not in one_too_many.headers


@pytest.mark.parametrize(
    "callers",
    [
        pytest.param((KEY, KEY, KEY, REVIEWER_KEY), id="those of one caller leave room for others"),
        pytest.param(
            (KEY, KEY, REVIEWER_KEY, REVIEWER_KEY), id="those of all leave room for other requests"
        ),
    ],
)
async def test_one_wait_too_many_is_answered_at_once(
    limited: httpx.AsyncClient, callers: tuple[str, ...]
) -> None:
    interrupt_id = (await create(limited))["interruptId"]
    statuses: list[str] = []

    async def wait(key: str) -> None:
        headers = {"Prefer": "wait=60", "X-API-Key": key}
        answer = await limited.get(f"/interrupts/{interrupt_id}", headers=headers)
        statuses.append(answer.json()["status"])

    with anyio.fail_after(PATIENCE_S):
        async with anyio.create_task_group() as tasks:
            for key in callers:
                tasks.start_soon(wait, key)
            while statuses != ["pending"]:
                await anyio.lowlevel.checkpoint()
            await limited.delete(f"/interrupts/{interrupt_id}")

    assert statuses == ["pending", "cancelled", "cancelled", "cancelled"]


async def test_page_beyond_the_limit_is_told_once_and_asks_again(sqlite_store: Store) -> None:
    pages = PagesAPI(sqlite_store, limits=Limits(connections=2))
    async with pages.stream("/inbox/events") as first:
        assert await first.next() == "changed"

        async with pages.stream("/inbox/events") as second:
            assert [await second.next(), await second.next()] == ["changed", None]


async def test_review_page_beyond_the_limit_is_not_held_and_asks_again(sqlite_store: Store) -> None:
    pages = PagesAPI(sqlite_store, limits=Limits(connections=2))
    asked = await sqlite_store.create_interrupt(new_interrupt(), AGENT)
    path = f"/review/{asked.interrupt_id}/events"
    async with pages.stream(path) as first:
        await until_waited_for(sqlite_store, 1)

        async with pages.stream(path) as second:
            assert await second.next() is None

        await sqlite_store.cancel_interrupt(asked.interrupt_id, AGENT)
        assert await first.next() == "settled"


async def status_of(
    api: httpx.AsyncClient, path: str, headers: dict[str, str]
) -> tuple[int, str | None]:
    """The status and the error of a request with exactly these headers and a Host of 13 bytes."""
    request = api.build_request("GET", path)
    request.headers = httpx.Headers({"host": "127.0.0.1"} | headers)
    answer = await api.send(request)
    return answer.status_code, answer.json().get("error")


@pytest.mark.parametrize(
    ("path", "headers", "more", "refusal"),
    [
        ("/health?" + "a" * 8185, {}, "a", (414, "The URL must be at most 8192 bytes")),
        ("/health", {"x": "a" * 32_754}, "", (431, HEADERS_FAULT)),
        ("/health", {f"x-{number}": "a" for number in range(99)}, "", (431, HEADERS_FAULT)),
    ],
    ids=["URL", "bytes of headers", "headers"],
)
async def test_head_at_its_bounds_is_taken_and_beyond_them_refused(
    api: httpx.AsyncClient,
    path: str,
    headers: dict[str, str],
    more: str,
    refusal: tuple[int, str],
) -> None:
    beyond = headers if more else {**headers, "y": ""}

    assert await status_of(api, path, headers) == (200, None)
    assert await status_of(api, path + more, beyond) == refusal


async def test_cookies_count_with_no_bound_of_headers(api: httpx.AsyncClient) -> None:
    cookies = {"cookie": "; ".join(["c=" + "a" * 4092] * 180)}

    assert await status_of(api, "/health", {"x": "a" * 32_754, **cookies}) == (200, None)
    assert (await status_of(api, "/health", {"x": "a" * 32_755, **cookies}))[0] == 431


async def test_request_that_waits_keeps_no_cookies(sqlite_store: Store) -> None:
    scope: Scope = {
        "type": "http",
        "method": "GET",
        "path": "/health",
        "raw_path": b"/health",
        "query_string": b"",
        "headers": [(b"host", b"127.0.0.1"), (b"cookie", b"c=" + b"a" * 700_000)],
    }
    headers = scope["headers"]

    async def send(_: Message) -> None:
        # The server has the same list.
        assert headers == [(b"host", b"127.0.0.1")]

    async def receive() -> Message:
        return {"type": "http.disconnect"}

    await api_app(sqlite_store)(scope, receive, send)

    assert headers == [(b"host", b"127.0.0.1")]


async def test_path_counts_as_the_query_does(api: httpx.AsyncClient) -> None:
    assert (await api.get("/" + "a" * 8191)).status_code == 404
    assert (await api.get("/" + "a" * 8192)).status_code == 414


@pytest.mark.parametrize(
    ("headers", "error"),
    [
        ([("Host", "127.0.0.1"), ("Host", "example.com")], "Host must be sent once"),
        (
            [("Content-Length", "1"), ("Transfer-Encoding", "chunked")],
            "Transfer-Encoding must be sent without Content-Length, over HTTP/1.1",
        ),
    ],
)
async def test_head_of_two_minds_is_refused(
    api: httpx.AsyncClient, headers: list[tuple[str, str]], error: str
) -> None:
    answer = await api.get("/health", headers=headers)

    assert (answer.status_code, answer.json()) == (400, {"error": error})
