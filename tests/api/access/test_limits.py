"""How much the API takes: heads of requests, creates in a minute, waits at once."""

from collections.abc import AsyncIterator

import anyio
import httpx
import pytest

from loopin_mcp.api.access.limits import CreateRate, Limits
from loopin_mcp.api.store.store import Store
from loopin_mcp.errors import RateLimitedError
from tests.support import KEY, PATIENCE_S, Clock, api_client
from tests.support.questions import NEW, create
from tests.support.streams import PagesAPI
from tests.support.waiters import until_waited_for

REVIEWER_KEY = "key-of-a-reviewer-with-32-letters"


@pytest.fixture
async def limited(sqlite_store: Store, clock: Clock) -> AsyncIterator[httpx.AsyncClient]:
    """An API that takes two creates a minute and has two requests of one caller wait."""
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


async def test_create_that_is_sent_again_does_not_count(limited: httpx.AsyncClient) -> None:
    once = {"Idempotency-Key": '"key"'}
    first = await limited.post("/interrupts", json=NEW, headers=once)
    await create(limited)

    again = await limited.post("/interrupts", json=NEW, headers=once)
    another = await limited.post("/interrupts", json=NEW, headers={"Idempotency-Key": '"new"'})

    assert (again.status_code, again.content) == (201, first.content)
    assert another.status_code == 429


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
    """After how many seconds a create may be tried again, or None if it was let through."""
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


async def test_waits_of_one_caller_leave_room_for_those_of_others(
    limited: httpx.AsyncClient, sqlite_store: Store
) -> None:
    interrupt_id = (await create(limited))["interruptId"]
    statuses: list[str] = []

    async def wait(key: str) -> None:
        headers = {"Prefer": "wait=60", "X-API-Key": key}
        answer = await limited.get(f"/interrupts/{interrupt_id}", headers=headers)
        statuses.append(answer.json()["status"])

    with anyio.fail_after(PATIENCE_S):
        async with anyio.create_task_group() as tasks:
            for key in (KEY, KEY, KEY, REVIEWER_KEY):
                tasks.start_soon(wait, key)
            while statuses != ["pending"]:
                await anyio.lowlevel.checkpoint()
            await limited.delete(f"/interrupts/{interrupt_id}")

    assert statuses == ["pending", "cancelled", "cancelled", "cancelled"]


async def test_waits_of_all_callers_together_leave_room_for_other_requests(
    limited: httpx.AsyncClient, sqlite_store: Store
) -> None:
    interrupt_id = (await create(limited))["interruptId"]
    statuses: list[str] = []

    async def wait(key: str) -> None:
        headers = {"Prefer": "wait=60", "X-API-Key": key}
        answer = await limited.get(f"/interrupts/{interrupt_id}", headers=headers)
        statuses.append(answer.json()["status"])

    with anyio.fail_after(PATIENCE_S):
        async with anyio.create_task_group() as tasks:
            for key in (KEY, KEY, REVIEWER_KEY, REVIEWER_KEY):
                tasks.start_soon(wait, key)
            while statuses != ["pending"]:
                await anyio.lowlevel.checkpoint()
            await limited.delete(f"/interrupts/{interrupt_id}")

    assert statuses == ["pending", "cancelled", "cancelled", "cancelled"]


async def test_page_beyond_the_limit_is_told_once_and_asks_again(
    sqlite_store: Store, clock: Clock
) -> None:
    pages = PagesAPI(sqlite_store, clock, limits=Limits(connections=2))
    async with pages.stream("/inbox/events") as first:
        assert await first.next() == "changed"

        async with pages.stream("/inbox/events") as second:
            assert [await second.next(), await second.next()] == ["changed", None]


@pytest.mark.parametrize(
    ("path", "headers", "status", "error"),
    [
        ("/" + "a" * 8192, {}, 414, "The URL must be at most 8192 bytes"),
        ("/?a=" + "a" * 8190, {}, 414, "The URL must be at most 8192 bytes"),
        ("/health", {"X": "a" * 32_768}, 431, "The headers must be at most 100, and 32768 bytes"),
        (
            "/health",
            {f"X-{number}": "a" for number in range(100)},
            431,
            "The headers must be at most 100, and 32768 bytes",
        ),
    ],
)
async def test_head_over_its_bounds_is_refused(
    api: httpx.AsyncClient, path: str, headers: dict[str, str], status: int, error: str
) -> None:
    answer = await api.get(path, headers=headers)

    assert (answer.status_code, answer.json()) == (status, {"error": error})


@pytest.mark.parametrize(
    ("headers", "error"),
    [
        ([("Host", "127.0.0.1"), ("Host", "example.com")], "Host must be sent once"),
        (
            [("Content-Length", "1"), ("Transfer-Encoding", "chunked")],
            "Transfer-Encoding must be sent alone, by HTTP/1.1",
        ),
    ],
)
async def test_head_of_two_minds_is_refused(
    api: httpx.AsyncClient, headers: list[tuple[str, str]], error: str
) -> None:
    answer = await api.get("/health", headers=headers)

    assert (answer.status_code, answer.json()) == (400, {"error": error})


async def test_head_at_its_bounds_is_taken(api: httpx.AsyncClient) -> None:
    path = "/health?" + "a=" * 4000

    assert (await api.get(path, headers={"X": "a" * 32_000})).status_code == 200
