"""Opening the inbox for a new request, unless it is open or was opened a moment ago."""

import queue
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio
import anyio.lowlevel
import anyio.to_thread
import pytest
from starlette.applications import Starlette
from starlette.routing import Route

from loopin_mcp.api.access.keys import Keys
from loopin_mcp.api.access.limits import Limits, Waits
from loopin_mcp.api.access.sessions import Sessions
from loopin_mcp.api.pages.live import Live
from loopin_mcp.api.serving.inbox_opener import open_when_created
from loopin_mcp.api.serving.serving import beside
from loopin_mcp.api.store.store import Store
from loopin_mcp.wire.models import Decision
from tests.support import AGENT, KEY, PATIENCE_S, PUBLIC_URL, REVIEWER, Clock, new_interrupt
from tests.support.streams import stream
from tests.support.visitors import REVIEWERS


class Desk:
    """A desktop whose browser only records the links."""

    def __init__(self, store: Store, clock: Clock, keys: Keys) -> None:
        self._store = store
        self._opened: queue.SimpleQueue[str] = queue.SimpleQueue()
        self.sessions = Sessions(keys, store.sessions, clock, PUBLIC_URL)
        self.live = Live(store, self.sessions, Waits(Limits().waits))
        self.has_browser = True
        self.fault: Exception = FileNotFoundError(2, "No such file or directory")

    def start_browser(self, url: str) -> None:
        is_missing = not self.has_browser
        self._opened.put(url)
        if is_missing:
            raise self.fault

    async def run(self) -> None:
        await open_when_created(self._store, self.sessions, self.live, self.start_browser)

    async def ask(self) -> str:
        created = await self._store.create_interrupt(new_interrupt(), AGENT)
        await anyio.wait_all_tasks_blocked()
        return created.interrupt_id

    async def opened(self) -> str:
        """Wait for the next link."""
        return await anyio.to_thread.run_sync(lambda: self._opened.get(timeout=PATIENCE_S))

    @property
    def opened_no_more(self) -> bool:
        return self._opened.empty()


@asynccontextmanager
async def desk_at(store: Store, clock: Clock, keys: Keys) -> AsyncIterator[Desk]:
    desk = Desk(store, clock, keys)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(desk.run)
        await anyio.wait_all_tasks_blocked()
        yield desk
        tasks.cancel_scope.cancel()


@pytest.fixture
async def desk(sqlite_store: Store, clock: Clock) -> AsyncIterator[Desk]:
    async with desk_at(sqlite_store, clock, Keys(None, {})) as desk:
        yield desk


async def test_first_interrupt_opens_the_inbox_signed_in_once(desk: Desk) -> None:
    await desk.ask()
    link = await desk.opened()

    token = link.removeprefix(f"{PUBLIC_URL}/sign-in/")
    assert [desk.sessions.redeem(token), desk.sessions.redeem(token)] == [True, False]


async def test_reviewers_sign_in_themselves(sqlite_store: Store, clock: Clock) -> None:
    async with desk_at(sqlite_store, clock, Keys(KEY, REVIEWERS)) as desk:
        await desk.ask()

        assert await desk.opened() == f"{PUBLIC_URL}/"


async def test_it_is_not_opened_again_within_a_minute(desk: Desk, clock: Clock) -> None:
    await desk.ask()
    first = await desk.opened()
    clock.advance(59.9)
    await desk.ask()
    assert desk.opened_no_more
    clock.advance(0.1)
    await desk.ask()

    assert await desk.opened() != first
    assert desk.opened_no_more


async def test_it_is_not_opened_while_somebody_has_it_open(desk: Desk) -> None:
    app = Starlette(routes=[Route("/inbox/events", desk.live.inbox_events)])
    async with stream(app, "/inbox/events") as events:
        assert await events.next() == "changed"
        await desk.ask()
        assert desk.opened_no_more
    await desk.ask()

    await desk.opened()


async def test_a_decision_opens_nothing(desk: Desk, clock: Clock, sqlite_store: Store) -> None:
    interrupt_id = await desk.ask()
    await desk.opened()
    clock.advance(60)
    approved = Decision(decision="approved")
    await sqlite_store.decide_interrupt(interrupt_id, approved, REVIEWER)
    await anyio.wait_all_tasks_blocked()

    assert desk.opened_no_more


async def test_machine_that_cannot_open_it_says_so_without_the_link(
    desk: Desk, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    desk.has_browser = False
    await desk.ask()
    await desk.opened()
    clock.advance(60)
    desk.has_browser = True
    await desk.ask()
    await desk.opened()

    assert caplog.messages == ["The inbox cannot be opened in a browser: No such file or directory"]


async def test_browser_that_no_thread_can_start_is_tried_again_at_another_interrupt(
    sqlite_store: Store, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    desk = Desk(sqlite_store, clock, Keys(None, {}))
    desk.has_browser = False
    desk.fault = RuntimeError("can't start new thread")
    async with beside({"Opening the inbox": desk.run}, again_s=0):
        await anyio.wait_all_tasks_blocked()
        await desk.ask()
        await desk.opened()
        desk.has_browser = True
        with anyio.fail_after(PATIENCE_S):
            while not caplog.messages:
                await anyio.lowlevel.checkpoint()
        await anyio.wait_all_tasks_blocked()
        await desk.ask()
        await desk.opened()

    assert caplog.messages == ["Opening the inbox failed and will be tried again: RuntimeError"]
