"""Housekeeping continues after failures, as long as the API runs."""

import logging

import anyio
import anyio.lowlevel
import pytest

from loopin_mcp.api.serving.housekeeping import keep_house
from loopin_mcp.api.store.store import Store
from loopin_mcp.errors import NotFoundError
from loopin_mcp.wire.models import Decision
from tests.support import (
    AGENT,
    PATIENCE_S,
    PUBLIC_URL,
    REVIEWER,
    Clock,
    Down,
    new_interrupt,
    take_due,
)


async def test_expiry_is_stored_without_anybody_looking(sqlite_store: Store, clock: Clock) -> None:
    created = await sqlite_store.create_interrupt(new_interrupt(expires_in=60), AGENT)
    clock.advance(61)
    stored = sqlite_store.changes.next

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(keep_house, sqlite_store, None)
        with anyio.fail_after(PATIENCE_S):
            await stored.wait()
        tasks.cancel_scope.cancel()

    [_, expired] = await sqlite_store.list_events(created.interrupt_id)
    assert (expired.type, expired.at) == ("expired", created.expires_at)


async def look_for_ever(store: Store, interrupt_id: str) -> None:
    while True:
        await store.get_interrupt_status(interrupt_id)
        # The store reads it at once, without a pause.
        await anyio.lowlevel.checkpoint()


async def test_what_is_old_is_deleted_without_anybody_asking(
    sqlite_store: Store, clock: Clock
) -> None:
    created = await sqlite_store.create_interrupt(new_interrupt(), AGENT)
    decision = Decision(decision="approved")
    await sqlite_store.decide_interrupt(created.interrupt_id, decision, REVIEWER)
    clock.advance(86_400)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(keep_house, sqlite_store, 1)
        with anyio.fail_after(PATIENCE_S), pytest.raises(NotFoundError):
            await look_for_ever(sqlite_store, created.interrupt_id)
        tasks.cancel_scope.cancel()


async def test_delivery_is_due_again_after_the_clock_was_set_back(
    sqlite_store: Store, clock: Clock
) -> None:
    url = "https://example.com/hook"
    created = await sqlite_store.create_interrupt(new_interrupt(callback_url=url), AGENT)
    decision = Decision(decision="approved")
    await sqlite_store.decide_interrupt(created.interrupt_id, decision, REVIEWER)
    clock.advance(-86_400)
    rings = sqlite_store.deliveries.bell.next

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(keep_house, sqlite_store, None)
        with anyio.fail_after(PATIENCE_S):
            await rings.wait()
        tasks.cancel_scope.cancel()

    assert len(await take_due(sqlite_store)) == 1


async def test_database_that_is_away_is_said_once_and_waited_for(
    clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    down = Down()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(keep_house, Store(down, PUBLIC_URL, clock), 1)
        with anyio.fail_after(PATIENCE_S):
            await down.asked.wait()
        await anyio.lowlevel.checkpoint()
        tasks.cancel_scope.cancel()

    assert {(record.levelno, record.message) for record in caplog.records} == {
        (logging.WARNING, "Expiries are delayed: The database cannot be used right now"),
        (
            logging.WARNING,
            "Repairs of deliveries are delayed: The database cannot be used right now",
        ),
        (logging.WARNING, "Deletions by age are delayed: The database cannot be used right now"),
    }
