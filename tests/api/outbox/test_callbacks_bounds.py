"""Callbacks under load: receivers that hang or flood, many at once, several processes."""

import logging
import sqlite3
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import anyio
import pytest

from loopin_mcp.api.outbox.callbacks import SEND_S
from loopin_mcp.api.outbox.channels import SEND_S as CHANNEL_SEND_S
from loopin_mcp.api.outbox.delivery import LEASE_S
from loopin_mcp.api.store.opening import open_sqlite
from loopin_mcp.api.store.store import Store
from loopin_mcp.wire.models import Decision
from tests.support import AGENT, PATIENCE_S, PUBLIC_URL, REVIEWER, Clock, new_interrupt, take_due
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
    """Deliver the callbacks of these stores, as API processes do, until the block ends."""
    with anyio.fail_after(PATIENCE_S):
        async with AsyncExitStack() as stack, anyio.create_task_group() as loops:
            for store in stores:
                outbox = await stack.enter_async_context(delivering(store, names=NAMES))
                loops.start_soon(outbox.run)
            yield
            loops.cancel_scope.cancel()


async def decide_many(store: Store, number: int, host: str, to: Receiver) -> None:
    for place in range(number):
        await decide_with_callback(store, f"http://{host}:{to.server_port}/{place}")


async def test_receiver_that_hangs_gets_five_at_once_and_delays_no_other(
    store: Store, clock: Clock
) -> None:
    with receiving("hang") as hanging, receiving() as steady:
        await decide_many(store, 12, "a.test", hanging)
        await decide_many(store, 30, "b.test", steady)
        async with delivered_by_loops(store, clock=clock):
            await arrivals(hanging, 5)
            await arrivals(steady, 30)
            assert hanging.received == []

            hanging.released.set()
            await arrivals(hanging, 7)


async def test_receiver_of_many_names_is_one_receiver(sqlite_store: Store) -> None:
    spellings = ["127.0.0.1", "127.1", "2130706433", "0x7f000001", "[::ffff:127.0.0.1]"]
    books = ["bücher.example", "xn--bcher-kva.example", "BÜCHER.example."]
    for host in (*spellings, *books, "LOCALHOST.", "localhost", "[::1]", "[0:0::1]"):
        new = new_interrupt(callback_url=f"http://{host}/")
        created = await sqlite_store.create_interrupt(new, AGENT)
        approved = Decision(decision="approved")
        await sqlite_store.decide_interrupt(created.interrupt_id, approved, REVIEWER)

    due = await take_due(sqlite_store, limit=99)

    assert Counter(callback.host for callback in due) == {
        "127.0.0.1": 5,
        "::1": 2,
        "localhost": 2,
        "xn--bcher-kva.example": 3,
    }


def test_lease_is_longer_than_any_delivery_takes() -> None:
    assert max(SEND_S, CHANNEL_SEND_S) < LEASE_S


async def test_at_most_twenty_are_under_way_at_once(sqlite_store: Store, clock: Clock) -> None:
    with receiving("hang") as hanging:
        for name in "abcdef":
            await decide_many(sqlite_store, 5, f"{name}.test", hanging)
        async with delivered_by_loops(sqlite_store, clock=clock):
            hosts = Counter(one.headers["host"] for one in await arrivals(hanging, 20))
            left = await take_due(sqlite_store, lease_ms=1, limit=99)

    assert len(left) == 10
    assert set(hosts.values()) == {5}


async def test_ten_that_hang_leave_room_for_ten_more(sqlite_store: Store, clock: Clock) -> None:
    with receiving("hang") as hanging:
        for name in "ab":
            await decide_many(sqlite_store, 6, f"{name}.test", hanging)
        async with delivered_by_loops(sqlite_store, clock=clock):
            await arrivals(hanging, 10)
            for name in "cdef":
                await decide_many(sqlite_store, 5, f"{name}.test", hanging)
            await arrivals(hanging, 10)
            left = await take_due(sqlite_store, limit=99)

    assert len(left) == 2 + 10


async def test_retries_of_many_are_spread_over_time(sqlite_store: Store, clock: Clock) -> None:
    with receiving(500) as broken:
        for name in "abcdef":
            await decide_many(sqlite_store, 5, f"{name}.test", broken)
        async with delivering(sqlite_store, names=NAMES) as outbox:
            await deliver_due(outbox)
        clock.advance(7.9)
        early = await take_due(sqlite_store, limit=99)
        clock.advance(2.1)
        first_half = await take_due(sqlite_store, lease_ms=60_000, limit=99)
        clock.advance(2.1)
        second_half = await take_due(sqlite_store, limit=99)

    assert (early, len(first_half) + len(second_half)) == ([], 30)
    assert first_half
    assert second_half


async def test_what_is_new_comes_before_what_failed(sqlite_store: Store, clock: Clock) -> None:
    with receiving(500) as broken, receiving() as steady:
        await decide_many(sqlite_store, 1, "a.test", broken)
        async with delivering(sqlite_store, names=NAMES) as outbox:
            await deliver_due(outbox)
        clock.advance(3600)
        await decide_many(sqlite_store, 1, "b.test", steady)

        [first] = await take_due(sqlite_store, lease_ms=1, limit=1)

    assert first.host == "b.test"


async def test_several_processes_send_each_callback_once(
    sqlite_store: Store, clock: Clock, tmp_path: Path
) -> None:
    database = await open_sqlite(tmp_path / "loopin.db")
    with receiving() as receiver:
        for name in "abcdef":
            await decide_many(sqlite_store, 10, f"{name}.test", receiver)
        async with delivered_by_loops(
            sqlite_store, Store(database, PUBLIC_URL, clock), clock=clock
        ):
            received = await arrivals(receiver, 60)
        clock.advance(60)
        async with delivering(sqlite_store) as outbox:
            await deliver_due(outbox)

        assert receiver.received == []
    assert len({one.headers["webhook-id"] for one in received}) == 60
    await database.aclose()


async def test_callback_taken_by_a_process_that_died_is_sent_by_another(
    store: Store, clock: Clock
) -> None:
    with receiving() as receiver:
        await decide_many(store, 1, "a.test", receiver)
        [taken] = await take_due(store, lease_ms=20_000, limit=5)
        async with delivering(store, names=NAMES) as outbox:
            await deliver_due(outbox)
            assert receiver.received == []
            clock.advance(21)
            await deliver_due(outbox)

        [received] = receiver.received
    assert received.headers["webhook-id"] == received.json["eventsHead"]
    assert received.json["interruptId"] == taken.interrupt_id


async def test_process_that_was_too_slow_does_not_put_off_what_another_has_taken(
    store: Store, clock: Clock
) -> None:
    with receiving() as receiver:
        await decide_many(store, 1, "a.test", receiver)
        [slow] = await take_due(store, lease_ms=1000, limit=5)
        clock.advance(2)
        await take_due(store, lease_ms=1000, limit=5)

        await store.deliveries.postpone(slow, clock() + 3_600_000)
        clock.advance(2)

        assert await take_due(store, lease_ms=1000, limit=5)


@pytest.mark.parametrize("answer", ["flood", "stall", "cut"])
async def test_success_stands_whatever_becomes_of_the_answers_body(
    sqlite_store: Store, answer: str
) -> None:
    with receiving(answer) as receiver:
        url = f"http://127.0.0.1:{receiver.server_port}/"
        interrupt_id = await decide_with_callback(sqlite_store, url)
        async with delivering(sqlite_store) as outbox:
            await deliver_due(outbox)

    last = (await sqlite_store.list_events(interrupt_id))[-1]
    assert last.type == "callback-delivered"


@pytest.mark.parametrize("answer", ["hang", "drip"])
async def test_receiver_that_does_not_answer_in_time_is_asked_again(
    sqlite_store: Store, clock: Clock, answer: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, logger="loopin_mcp")
    with receiving(answer, 200) as receiver:
        url = f"http://127.0.0.1:{receiver.server_port}/"
        interrupt_id = await decide_with_callback(sqlite_store, url)
        async with (
            delivering(sqlite_store, send_s=SEND_S) as outbox,
            anyio.create_task_group() as deliveries,
        ):
            await outbox.start_due(deliveries)
            await arrivals(receiver, 1)
            leap(SEND_S)
        async with delivering(sqlite_store) as outbox:
            clock.advance(13)
            await deliver_due(outbox)

        assert len(receiver.received) == 1
    assert caplog.messages == [
        f"Callback of {interrupt_id} to 127.0.0.1 will be tried again: no answer within 10 seconds"
    ]


async def test_what_is_under_way_when_the_api_stops_is_sent_again(
    sqlite_store: Store, clock: Clock
) -> None:
    with receiving("hang", 200) as receiver:
        await decide_many(sqlite_store, 1, "a.test", receiver)
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
        interrupt_id = await decide_with_callback(store, url)
        other = sqlite3.connect(tmp_path / "loopin.db", isolation_level=None)
        async with delivering(store) as outbox:
            with anyio.fail_after(PATIENCE_S):
                async with anyio.create_task_group() as deliveries:
                    await outbox.start_due(deliveries)
                    await arrivals(receiver, 1)
                    other.execute("BEGIN IMMEDIATE")
                    receiver.released.set()
            other.close()
            clock.advance(21)
            await deliver_due(outbox)

        assert len(receiver.received) == 1
    assert f"Callback of {interrupt_id} is delayed: The database cannot store this" in caplog.text
    await database.aclose()
