"""Callbacks under load: receivers that hang or flood, many at once, and several processes."""

import logging
import sqlite3
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import pytest

from loopin_mcp.api.outbox.delivery import DELIVERY_S, deliver_callbacks
from loopin_mcp.api.outbox.destinations import LOOPBACK, Destinations
from loopin_mcp.api.store.opening import open_sqlite
from loopin_mcp.api.store.store import Store
from loopin_mcp.wire.models import Decision
from tests.support import AGENT, PATIENCE_S, PUBLIC_URL, REVIEWER, Clock, new_interrupt
from tests.support.loops import WITH_LEAPING_TIME, Backend, leap
from tests.support.receiver import (
    Names,
    Receiver,
    arrivals,
    decide_with_callback,
    deliver_due,
    delivering,
    receiving,
)

NAMES = Names(**{f"{name}.test": ["127.0.0.1"] for name in "abcdef"})


@pytest.fixture
def anyio_backend() -> Backend:
    return WITH_LEAPING_TIME


@asynccontextmanager
async def delivered_by_loops(*stores: Store, clock: Clock) -> AsyncIterator[None]:
    """Deliver the callbacks of these stores, as API processes do, as long as the block lasts."""
    with anyio.fail_after(PATIENCE_S):
        async with anyio.create_task_group() as loops:
            for store in stores:
                destinations = Destinations(LOOPBACK, NAMES)
                loops.start_soon(deliver_callbacks, store, clock, destinations, None)
            yield
            loops.cancel_scope.cancel()


async def decide_many(store: Store, clock: Clock, number: int, host: str, to: Receiver) -> None:
    for place in range(number):
        await decide_with_callback(store, clock, f"http://{host}:{to.server_port}/{place}")


async def test_receiver_that_hangs_gets_five_at_once_and_delays_no_other(
    store: Store, clock: Clock
) -> None:
    with receiving("hang") as hanging, receiving() as steady:
        await decide_many(store, clock, 12, "a.test", hanging)
        await decide_many(store, clock, 30, "b.test", steady)
        async with delivered_by_loops(store, clock=clock):
            await arrivals(hanging, 5)
            await arrivals(steady, 30)
            assert hanging.received == []

            hanging.released.set()
            await arrivals(hanging, 7)


async def test_receiver_of_many_names_is_one_receiver(sqlite_store: Store, clock: Clock) -> None:
    spellings = ["127.0.0.1", "127.1", "2130706433", "0x7f000001", "[::ffff:127.0.0.1]"]
    for host in (*spellings, "LOCALHOST.", "localhost", "[::1]", "[0:0::1]"):
        new = new_interrupt(callback_url=f"http://{host}/")
        created = await sqlite_store.create_interrupt(new, AGENT)
        approved = Decision(decision="approved")
        await sqlite_store.decide_interrupt(created.interrupt_id, approved, REVIEWER)

    due = await sqlite_store.callbacks.take_due(lease_ms=1, limit=9, limit_each=9)

    assert sorted({callback.host for callback in due}) == ["127.0.0.1", "::1", "localhost"]


async def test_at_most_twenty_are_under_way_at_once(sqlite_store: Store, clock: Clock) -> None:
    with receiving("hang") as hanging:
        for name in "abcdef":
            await decide_many(sqlite_store, clock, 5, f"{name}.test", hanging)
        async with delivered_by_loops(sqlite_store, clock=clock):
            hosts = Counter(one.headers["host"] for one in await arrivals(hanging, 20))
            left = await sqlite_store.callbacks.take_due(lease_ms=1, limit=99, limit_each=99)

    assert len(left) == 10
    assert set(hosts.values()) == {5}


async def test_what_is_new_comes_before_what_failed(sqlite_store: Store, clock: Clock) -> None:
    with receiving(500) as broken, receiving() as steady:
        await decide_many(sqlite_store, clock, 1, "a.test", broken)
        async with delivering(sqlite_store, clock, names=NAMES) as webhooks:
            await deliver_due(webhooks)
        clock.advance(3600)
        await decide_many(sqlite_store, clock, 1, "b.test", steady)

        [first] = await sqlite_store.callbacks.take_due(lease_ms=1, limit=1, limit_each=1)

    assert first.host == "b.test"


async def test_several_processes_send_each_callback_once(
    sqlite_store: Store, clock: Clock, tmp_path: Path
) -> None:
    database = await open_sqlite(tmp_path / "loopin.db")
    with receiving() as receiver:
        for name in "abcdef":
            await decide_many(sqlite_store, clock, 10, f"{name}.test", receiver)
        async with delivered_by_loops(
            sqlite_store, Store(database, PUBLIC_URL, clock), clock=clock
        ):
            received = await arrivals(receiver, 60)
        clock.advance(60)
        async with delivering(sqlite_store, clock) as webhooks:
            await deliver_due(webhooks)

        assert receiver.received == []
    assert len({one.headers["webhook-id"] for one in received}) == 60
    await database.aclose()


async def test_callback_taken_by_a_process_that_died_is_sent_by_another(
    store: Store, clock: Clock
) -> None:
    with receiving() as receiver:
        await decide_many(store, clock, 1, "a.test", receiver)
        [taken] = await store.callbacks.take_due(lease_ms=20_000, limit=5, limit_each=5)
        async with delivering(store, clock, names=NAMES) as webhooks:
            await deliver_due(webhooks)
            assert receiver.received == []
            clock.advance(21)
            await deliver_due(webhooks)

        [received] = receiver.received
    assert received.headers["webhook-id"] == taken.callback_id


async def test_process_that_was_too_slow_does_not_put_off_what_another_has_taken(
    store: Store, clock: Clock
) -> None:
    with receiving() as receiver:
        await decide_many(store, clock, 1, "a.test", receiver)
        [slow] = await store.callbacks.take_due(lease_ms=1000, limit=5, limit_each=5)
        clock.advance(2)
        await store.callbacks.take_due(lease_ms=1000, limit=5, limit_each=5)

        await store.callbacks.postpone(slow, clock() + 3_600_000)
        clock.advance(2)

        assert await store.callbacks.take_due(lease_ms=1000, limit=5, limit_each=5)


@pytest.mark.parametrize("answer", ["flood", "stall", "cut"])
async def test_success_stands_whatever_becomes_of_the_answers_body(
    sqlite_store: Store, clock: Clock, answer: str
) -> None:
    with receiving(answer) as receiver:
        url = f"http://127.0.0.1:{receiver.server_port}/"
        interrupt_id = await decide_with_callback(sqlite_store, clock, url)
        async with delivering(sqlite_store, clock) as webhooks:
            await deliver_due(webhooks)

    last = (await sqlite_store.list_events(interrupt_id))[-1]
    assert last.type == "callback-delivered"


@pytest.mark.parametrize("answer", ["hang", "drip"])
async def test_receiver_that_does_not_answer_in_time_is_asked_again(
    sqlite_store: Store, clock: Clock, answer: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, logger="loopin_mcp")
    with receiving(answer, 200) as receiver:
        url = f"http://127.0.0.1:{receiver.server_port}/"
        interrupt_id = await decide_with_callback(sqlite_store, clock, url)
        async with (
            delivering(sqlite_store, clock, delivery_s=DELIVERY_S) as webhooks,
            anyio.create_task_group() as deliveries,
        ):
            await webhooks.start_due(deliveries)
            await arrivals(receiver, 1)
            leap(DELIVERY_S)
        async with delivering(sqlite_store, clock) as webhooks:
            clock.advance(13)
            await deliver_due(webhooks)

        assert len(receiver.received) == 1
    assert caplog.messages == [
        f"Callback of {interrupt_id} to 127.0.0.1 will be tried again: no answer within 10 seconds"
    ]


async def test_what_is_under_way_when_the_api_stops_is_sent_again(
    sqlite_store: Store, clock: Clock
) -> None:
    with receiving("hang", 200) as receiver:
        await decide_many(sqlite_store, clock, 1, "a.test", receiver)
        async with delivered_by_loops(sqlite_store, clock=clock):
            [first] = await arrivals(receiver, 1)
        clock.advance(21)
        async with delivered_by_loops(sqlite_store, clock=clock):
            [second] = await arrivals(receiver, 1)

    assert first.headers["webhook-id"] == second.headers["webhook-id"]


async def test_callback_whose_success_cannot_be_stored_is_sent_again(
    tmp_path: Path, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    database = await open_sqlite(tmp_path / "loopin.db", busy_timeout_s=0.01)
    store = Store(database, PUBLIC_URL, clock)
    with receiving("hang", 200) as receiver:
        url = f"http://127.0.0.1:{receiver.server_port}/"
        interrupt_id = await decide_with_callback(store, clock, url)
        other = sqlite3.connect(tmp_path / "loopin.db", isolation_level=None)
        async with delivering(store, clock) as webhooks:
            with anyio.fail_after(PATIENCE_S):
                async with anyio.create_task_group() as deliveries:
                    await webhooks.start_due(deliveries)
                    await arrivals(receiver, 1)
                    other.execute("BEGIN IMMEDIATE")
                    receiver.released.set()
            other.close()
            clock.advance(21)
            await deliver_due(webhooks)

        assert len(receiver.received) == 1
    assert f"Callback of {interrupt_id} waits: The database cannot store this" in caplog.text
    await database.aclose()
