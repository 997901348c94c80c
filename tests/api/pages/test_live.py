"""The event streams of open pages: they report every change, and no content."""

from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import anyio
import anyio.lowlevel
import httpx
import pytest

from loopin_mcp.api.database.rows import Stored
from loopin_mcp.api.database.steps import Database
from loopin_mcp.api.store.store import Store
from loopin_mcp.errors import UnavailableError
from loopin_mcp.wire.models import Decision
from tests.support import (
    AGENT,
    KEY,
    PATIENCE_S,
    PUBLIC_URL,
    REVIEWER,
    Clock,
    ServedAPI,
    new_interrupt,
)
from tests.support.streams import PagesAPI
from tests.support.visitors import REVIEWERS

APPROVED = Decision(decision="approved")
INBOX = "/inbox/events"


@pytest.fixture
def pages(sqlite_store: Store) -> PagesAPI:
    return PagesAPI(sqlite_store)


async def ask(store: Store, **changes: Any) -> str:  # noqa: ANN401 - any field
    """Create an interrupt; returns its id."""
    return (await store.create_interrupt(new_interrupt(**changes), AGENT)).interrupt_id


async def until(condition: Callable[[], bool]) -> None:
    """Wait until the condition holds."""
    with anyio.fail_after(PATIENCE_S):
        while not condition():
            await anyio.lowlevel.checkpoint()


async def test_inbox_is_told_at_once_and_at_every_kind_of_change(
    pages: PagesAPI, sqlite_store: Store, clock: Clock
) -> None:
    told: list[str | None] = []
    async with pages.stream(INBOX) as events:
        told.append(await events.next())
        first = await ask(sqlite_store)
        told.append(await events.next())
        await sqlite_store.decide_interrupt(first, APPROVED, REVIEWER)
        told.append(await events.next())
        second = await ask(sqlite_store, expires_in=60)
        told.append(await events.next())
        clock.advance(60)
        await sqlite_store.expire_interrupts()
        told.append(await events.next())

    assert second != first
    assert told == ["changed"] * 5


async def test_burst_of_changes_is_told_to_its_end(pages: PagesAPI, sqlite_store: Store) -> None:
    async with pages.stream(INBOX) as events:
        assert await events.next() == "changed"
        for _ in range(20):
            await ask(sqlite_store)
        assert await events.next() == "changed"
        await ask(sqlite_store)
        assert await events.next() == "changed"


async def decide(store: Store, interrupt_id: str) -> None:
    await store.decide_interrupt(interrupt_id, APPROVED, REVIEWER)


async def cancel(store: Store, interrupt_id: str) -> None:
    await store.cancel_interrupt(interrupt_id, AGENT)


async def let_expire(store: Store, _interrupt_id: str) -> None:
    assert isinstance(store.clock, Clock)
    store.clock.advance(0.01)


@pytest.mark.parametrize("settle", [decide, cancel, let_expire])
async def test_review_page_is_told_when_its_own_interrupt_is_settled(
    pages: PagesAPI,
    sqlite_store: Store,
    clock: Clock,
    settle: Callable[[Store, str], Awaitable[None]],
) -> None:
    interrupt_id, other = [await ask(sqlite_store) for _ in range(2)]
    clock.advance(3599.99)

    async with pages.stream(f"/review/{interrupt_id}/events") as events:
        await until(lambda: sqlite_store.changes.waited_for(None) == [interrupt_id])
        await cancel(sqlite_store, other)
        await settle(sqlite_store, interrupt_id)
        told = [await events.next(), await events.next()]

    assert told == ["settled", None]
    assert sqlite_store.changes.waited_for(None) == []


async def test_review_page_that_asks_too_late_is_told_at_once(
    pages: PagesAPI, sqlite_store: Store
) -> None:
    interrupt_id = await ask(sqlite_store)
    await cancel(sqlite_store, interrupt_id)

    async with pages.stream(f"/review/{interrupt_id}/events") as events:
        told = [await events.next(), await events.next()]

    assert told == ["settled", None]


async def test_streams_are_kept_from_caches_and_buffers(
    pages: PagesAPI, sqlite_store: Store
) -> None:
    review = f"/review/{await ask(sqlite_store)}/events"

    for path in (INBOX, review):
        async with pages.stream(path) as events:
            assert events.headers.pop("x-request-id")
            assert (events.status, events.headers) == (
                200,
                {
                    "cache-control": "no-store",
                    "content-type": "text/event-stream; charset=utf-8",
                    "x-accel-buffering": "no",
                    "x-content-type-options": "nosniff",
                },
            )


async def test_silence_is_broken_by_heartbeats(sqlite_store: Store) -> None:
    pages = PagesAPI(sqlite_store, heartbeat_s=0.001)
    interrupt_id = await ask(sqlite_store)

    async with pages.stream(f"/review/{interrupt_id}/events") as events:
        for _ in range(3):
            await events.beat()


async def test_pages_that_go_away_free_their_places_at_once(
    pages: PagesAPI, sqlite_store: Store
) -> None:
    review = f"/review/{await ask(sqlite_store)}/events"

    async with pages.stream(INBOX) as one, pages.stream(INBOX) as two, pages.stream(review):
        assert [await one.next(), await two.next()] == ["changed"] * 2
        await until(lambda: len(sqlite_store.changes.waited_for(None)) == 1)
        assert pages.live.connected == 2

    assert pages.live.connected == 0
    assert sqlite_store.changes.waited_for(None) == []


async def test_stopping_api_ends_every_stream(pages: PagesAPI, sqlite_store: Store) -> None:
    review = f"/review/{await ask(sqlite_store)}/events"

    async with pages.stream(INBOX) as inbox, pages.stream(review) as one:
        assert await inbox.next() == "changed"
        await until(lambda: len(sqlite_store.changes.waited_for(None)) == 1)
        sqlite_store.changes.close()

        assert [await inbox.next(), await one.next()] == [None, None]


async def test_asking_for_the_headers_alone_opens_nothing(pages: PagesAPI) -> None:
    async with pages.stream(INBOX, method="HEAD") as events:
        assert (events.status, await events.next()) == (200, None)


async def test_inbox_of_an_api_with_a_key_tells_those_who_are_signed_in(
    sqlite_store: Store,
) -> None:
    pages = PagesAPI(sqlite_store, api_key=KEY)

    refused = await pages.get(INBOX)
    place, cookie = await pages.sign_in()
    async with pages.stream(place + INBOX, cookie=cookie) as events:
        told = await events.next()

    assert (refused.status_code, told) == (401, "changed")
    assert refused.json() == {"error": "You are not signed in"}


@pytest.mark.parametrize("path", [INBOX, "/review/ID/events"])
async def test_stream_of_a_session_ends_with_it(
    store: Store, elsewhere: Store, clock: Clock, path: str
) -> None:
    path = path.replace("ID", await ask(store))
    pages = PagesAPI(store, api_key=KEY, reviewers=REVIEWERS, heartbeat_s=0.01)
    for end in ("here", "elsewhere", "by age"):
        place, cookie = await pages.sign_in("alice")
        async with pages.stream(place + path, cookie=cookie) as events:
            await events.beat()
            if end == "here":
                signed_out = await pages.get(f"{place}/sign-out", "POST", cookie=cookie)
                assert signed_out.status_code == 303
            elif end == "elsewhere":
                await elsewhere.sessions.delete_all()
            else:
                clock.advance(12 * 3600)
            # There may be a `changed` first.
            while await events.next():
                continue


async def test_signing_out_ends_no_other_session_and_is_not_waited_for(store: Store) -> None:
    pages = PagesAPI(store, api_key=KEY, reviewers=REVIEWERS)
    (place, cookie), (other, others) = await pages.sign_in("alice"), await pages.sign_in("bob")

    async with pages.stream(place + INBOX, cookie=cookie) as events:
        assert await events.next() == "changed"
        await pages.get(f"{other}/sign-out", "POST", cookie=others)
        await ask(store)
        assert await events.next() == "changed"
        await pages.get(f"{place}/sign-out", "POST", cookie=cookie)
        assert await events.next() is None


@pytest.mark.parametrize("path", ["/review/unknown/events", "/review/%00/events"])
async def test_stream_of_no_interrupt_is_a_404(pages: PagesAPI, path: str) -> None:
    answer = await pages.get(path)

    assert (answer.status_code, answer.json()) == (404, {"error": "Interrupt not found"})


async def test_stream_ends_where_the_database_fails_so_that_the_page_asks_again(
    database: Database, clock: Clock
) -> None:
    class Failing(Store):
        looks = 0

        async def read_interrupt(self, interrupt_id: str) -> Stored:
            self.looks += 1
            if self.looks > 1:
                raise UnavailableError("The database cannot be used right now")
            return await super().read_interrupt(interrupt_id)

    store = Failing(database, PUBLIC_URL, clock)
    pages = PagesAPI(store)

    async with pages.stream(f"/review/{await ask(store)}/events") as events:
        assert await events.next() is None


@pytest.mark.subprocess
async def test_terminated_api_ends_open_streams_and_has_nothing_to_say_of_them(
    tmp_path: Path,
) -> None:
    api = ServedAPI(tmp_path, {})
    question = new_interrupt().model_dump(by_alias=True)
    async with httpx.AsyncClient(base_url=api.url, timeout=PATIENCE_S) as client:
        created = (await client.post("/interrupts", json=question)).raise_for_status().json()
        paths = [INBOX, f"/review/{created['interruptId']}/events"] * 5
        async with AsyncExitStack() as stack:
            requests = [client.stream("GET", path) for path in paths]
            streams = [await stack.enter_async_context(request) for request in requests]

            api.process.terminate()
            ended = [await answer.aread() for answer in streams]

    _, said = api.process.communicate(timeout=PATIENCE_S)
    assert all(b"event: beat\ndata:\n\n" in body for body in ended)
    assert (api.process.returncode, said) == (0, "Stopped.\n")
