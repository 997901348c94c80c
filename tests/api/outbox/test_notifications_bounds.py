"""Notices are bounded: what hangs holds its own place alone, and each waits for its turn."""

import asyncio
import logging
import threading

import anyio
import anyio.to_thread
import pytest

from loopin_mcp.api.outbox.channels import SEND_S, Bounds
from loopin_mcp.api.outbox.notifications import MOST_A_MINUTE, MOST_TRIES, Notices
from loopin_mcp.api.store.store import Store
from loopin_mcp.wire.models import Decision
from tests.support import AGENT, PATIENCE_S, REVIEWER, Clock, new_interrupt
from tests.support.loops import WITH_LEAPING_TIME, Backend, leap
from tests.support.receiver import channels_to, receiving, send_due


@pytest.fixture
def anyio_backend() -> Backend:
    return WITH_LEAPING_TIME


async def test_only_so_many_are_told_a_minute_and_the_urgent_ones_first(
    store: Store, clock: Clock
) -> None:
    with receiving() as receiver:
        notices = Notices(store, clock, channels_to(receiver.url))
        for _ in range(MOST_A_MINUTE):
            await store.create_interrupt(new_interrupt(), AGENT)
            clock.now += 1
        await store.create_interrupt(new_interrupt(urgency="high"), AGENT)
        await send_due(notices)
        await send_due(notices)
        first = receiver.messages
        clock.advance(59)
        await send_due(notices)
        assert receiver.messages == []
        clock.advance(1)
        await send_due(notices)

        assert len(receiver.messages) == 1
    assert len(first) == MOST_A_MINUTE
    assert [message["type"] for message in first].count("warning") == 1


async def test_place_that_hangs_holds_two_messages_and_keeps_no_other_place_waiting(
    sqlite_store: Store, clock: Clock
) -> None:
    with receiving() as steady, receiving("hang") as hanging:
        notices = Notices(sqlite_store, clock, channels_to(hanging.url, steady.url))
        for _ in range(5):
            await sqlite_store.create_interrupt(new_interrupt(), AGENT)
        async with anyio.create_task_group() as sending:
            sending.start_soon(send_due, notices)
            for _ in range(5):
                await anyio.to_thread.run_sync(steady.next)
            for _ in range(2):
                await anyio.to_thread.run_sync(hanging.next)
            held = hanging.messages
            hanging.released.set()

        assert (held, len(hanging.messages)) == ([], 3)


async def test_what_is_decided_while_it_waits_for_its_turn_is_not_sent(
    store: Store, clock: Clock
) -> None:
    with receiving("hang") as receiver:
        notices = Notices(store, clock, channels_to(receiver.url))
        async with anyio.create_task_group() as sending:
            for _ in range(2):
                await store.create_interrupt(new_interrupt(), AGENT)
            sending.start_soon(send_due, notices)
            for _ in range(2):
                await anyio.to_thread.run_sync(receiver.next)
            late = await store.create_interrupt(new_interrupt(), AGENT)
            await notices.send_due(sending)
            await anyio.wait_all_tasks_blocked()
            await store.decide_interrupt(late.interrupt_id, Decision(decision="approved"), REVIEWER)
            receiver.released.set()
        await store.create_interrupt(new_interrupt(action="Next"), AGENT)
        await send_due(notices)

        [message] = receiver.messages
    assert message["message"].startswith("`Next`\n")


async def test_waiting_for_its_turn_in_vain_is_no_try(sqlite_store: Store, clock: Clock) -> None:
    with receiving("hang") as receiver:
        channels = channels_to(receiver.url, bounds=Bounds(turn_s=0.01))
        notices = Notices(sqlite_store, clock, channels)
        async with anyio.create_task_group() as sending:
            for _ in range(2):
                await sqlite_store.create_interrupt(new_interrupt(), AGENT)
            sending.start_soon(send_due, notices)
            for _ in range(2):
                await anyio.to_thread.run_sync(receiver.next)
            await sqlite_store.create_interrupt(new_interrupt(), AGENT)
            for _ in range(2 * MOST_TRIES):
                await send_due(notices)
                clock.advance(2)
            assert receiver.messages == []
            receiver.released.set()
        await send_due(notices)

        assert len(receiver.messages) == 1


async def test_what_is_new_goes_before_what_waits_for_a_place_that_hangs(
    store: Store, clock: Clock
) -> None:
    with receiving() as steady, receiving("hang") as hanging:
        notices = Notices(store, clock, channels_to(steady.url, hanging.url))
        async with anyio.create_task_group() as sending:
            for _ in range(2):
                for _ in range(MOST_A_MINUTE):
                    await store.create_interrupt(new_interrupt(), AGENT)
                await notices.send_due(sending)
                for _ in range(MOST_A_MINUTE):
                    await anyio.to_thread.run_sync(steady.next)
                clock.advance(60)
            assert len(hanging.messages) == 2
            hanging.released.set()


async def test_no_more_are_under_way_at_once_than_may_be(sqlite_store: Store, clock: Clock) -> None:
    bounds = Bounds(turn_s=0.05, at_once=asyncio.Semaphore(1))
    with receiving("hang") as first, receiving("hang") as second:
        notices = Notices(sqlite_store, clock, channels_to(first.url, second.url, bounds=bounds))
        await sqlite_store.create_interrupt(new_interrupt(), AGENT)
        async with anyio.create_task_group() as sending:
            await notices.send_due(sending)
            await anyio.to_thread.run_sync(first.next)
            await sqlite_store.create_interrupt(new_interrupt(), AGENT)
            await send_due(notices)
            assert (first.messages, second.messages) == ([], [])
            first.released.set()
            second.released.set()
        for _ in range(4):
            clock.advance(2)
            await send_due(notices)

        assert (len(first.messages), len(second.messages)) == (1, 2)


async def test_place_that_drips_is_given_no_more_until_it_ends(
    sqlite_store: Store, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, logger="loopin_mcp")
    with receiving("drip", "drip", 200) as receiver:
        notices = Notices(sqlite_store, clock, channels_to(receiver.url, bounds=Bounds()))
        for _ in range(2):
            await sqlite_store.create_interrupt(new_interrupt(), AGENT)
        async with anyio.create_task_group() as sending:
            sending.start_soon(send_due, notices)
            for _ in range(2):
                await anyio.to_thread.run_sync(receiver.next)
            leap(SEND_S)
        await sqlite_store.create_interrupt(new_interrupt(), AGENT)
        await send_due(notices)
        assert receiver.messages == []
        receiver.released.set()
        with anyio.fail_after(PATIENCE_S):
            while not receiver.messages:
                clock.advance(60)
                await send_due(notices)

    assert [message.partition(": ")[2] for message in caplog.messages[:3]] == [
        "it took longer than 15 seconds",
        "it took longer than 15 seconds",
        "earlier ones still hang there",
    ]


async def test_machine_that_can_start_no_thread_sends_later(
    sqlite_store: Store, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    start = threading.Thread.start

    def start_no_more(thread: threading.Thread) -> None:
        if thread.daemon:
            raise RuntimeError("can't start new thread")
        start(thread)

    with receiving() as receiver:
        notices = Notices(sqlite_store, clock, channels_to(receiver.url))
        for _ in range(3):
            await sqlite_store.create_interrupt(new_interrupt(), AGENT)
        with monkeypatch.context() as crowded:
            crowded.setattr(threading.Thread, "start", start_no_more)
            await send_due(notices)
        clock.advance(7)
        await send_due(notices)

        assert len(receiver.messages) == 3
