"""Held requests: answered after a change by another process."""

import logging
from collections.abc import Collection
from typing import Any

import anyio
import anyio.lowlevel
import pytest

from loopin_mcp import Decision, Interrupt
from loopin_mcp.api.database.sqlite import SQLite
from loopin_mcp.api.database.steps import Database, Row, Value, execute
from loopin_mcp.api.rest.waiting import follow_changes, wait_for_settled
from loopin_mcp.api.store.store import Store
from loopin_mcp.errors import UnavailableError
from tests.support import AGENT, PATIENCE_S, PUBLIC_URL, REVIEWER, Clock, Down, new_interrupt
from tests.support.waiters import never, until_waited_for

APPROVED = Decision(decision="approved")


async def test_change_of_another_process_wakes_those_it_concerns(
    store: Store, elsewhere: Store
) -> None:
    mine, other = [await store.create_interrupt(new_interrupt(), AGENT) for _ in range(2)]
    outcomes: list[Interrupt] = []

    async def wait() -> None:
        outcomes.append((await wait_for_settled(store, mine.interrupt_id, 60, never)).interrupt())
        followers.cancel_scope.cancel()

    with anyio.fail_after(PATIENCE_S):
        async with anyio.create_task_group() as followers:
            followers.start_soon(follow_changes, store)
            followers.start_soon(wait)
            await until_waited_for(store)
            await elsewhere.decide_interrupt(other.interrupt_id, APPROVED, REVIEWER)
            await elsewhere.cancel_interrupt(mine.interrupt_id, AGENT)

    assert [outcome.status for outcome in outcomes] == ["cancelled"]


async def test_new_interrupt_of_another_process_is_a_change(store: Store, elsewhere: Store) -> None:
    with anyio.fail_after(PATIENCE_S):
        async with anyio.create_task_group() as followers:
            followers.start_soon(follow_changes, store)
            # The start of listening counts as a change, since earlier ones were missed.
            change = store.changes.next
            await elsewhere.create_interrupt(new_interrupt(), AGENT)
            await change.wait()
            followers.cancel_scope.cancel()


async def test_lost_listener_listens_again(
    empty_postgres_url: str, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    from loopin_mcp.api.store.opening import open_postgresql

    database = await open_postgresql(empty_postgres_url)
    store = Store(database, PUBLIC_URL, clock)
    cut = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query ~ '^LISTEN'"

    with anyio.fail_after(PATIENCE_S):
        async with anyio.create_task_group() as followers:
            followers.start_soon(follow_changes, store)
            await store.changes.next.wait()
            # It may listen again before the answer comes.
            change = store.changes.next
            await execute(database, cut)
            await change.wait()
            followers.cancel_scope.cancel()
    await database.aclose()

    assert caplog.messages == [
        "Changes of other processes are delayed: The database cannot report changes right now"
    ]


async def test_database_that_tells_nothing_is_asked_again_and_named_in_the_log(
    clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING), anyio.fail_after(PATIENCE_S):
        async with anyio.create_task_group() as followers:
            followers.start_soon(follow_changes, Store(Down(), PUBLIC_URL, clock))
            await anyio.wait_all_tasks_blocked()
            followers.cancel_scope.cancel()

    assert caplog.messages == [
        "Changes of other processes are delayed: The database cannot report changes right now"
    ]


class LostOnce:
    """A database that reports that anything may have changed, and then cannot be read once."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._left = [UnavailableError("The database cannot be read right now")]
        self._reports = [None]

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - any part of a database
        return getattr(self._database, name)

    async def changed(self, wanted: object) -> None:
        if not self._reports:
            await anyio.sleep_forever()
        self._reports.pop()

    async def find(self, sql: str, **params: Value) -> list[Row]:
        if self._left and not self._reports:
            raise self._left.pop()
        return await self._database.find(sql, **params)

    read = find


async def test_change_that_could_not_be_read_is_read_again(
    database: Database, elsewhere: Store, clock: Clock
) -> None:
    store = Store(LostOnce(database), PUBLIC_URL, clock)
    created = await store.create_interrupt(new_interrupt(), AGENT)
    outcomes: list[Interrupt] = []

    async def wait() -> None:
        settled = await wait_for_settled(store, created.interrupt_id, 60, never)
        outcomes.append(settled.interrupt())
        tasks.cancel_scope.cancel()

    with anyio.fail_after(PATIENCE_S):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(wait)
            await until_waited_for(store)
            await elsewhere.cancel_interrupt(created.interrupt_id, AGENT)
            tasks.start_soon(follow_changes, store)

    assert [outcome.status for outcome in outcomes] == ["cancelled"]


async def test_change_of_the_process_itself_is_not_told_twice(
    store: Store, elsewhere: Store, database: Database
) -> None:
    told: list[Collection[str] | None] = []

    async def follow() -> None:
        while True:
            told.append(await database.changed(anyio.lowlevel.checkpoint))

    with anyio.fail_after(PATIENCE_S):
        async with anyio.create_task_group() as followers:
            followers.start_soon(follow)
            if not isinstance(database, SQLite):
                # The start of listening counts as a change, since earlier ones were missed.
                while not told:
                    await anyio.lowlevel.checkpoint()
                told.clear()
            await store.create_interrupt(new_interrupt(), AGENT)
            other = await elsewhere.create_interrupt(new_interrupt(), AGENT)
            while not told:
                await anyio.lowlevel.checkpoint()
            followers.cancel_scope.cancel()

    assert told in ([None], [[other.interrupt_id]])
