"""Limits of notifications: a channel that hangs delays no other."""

import logging
import threading

import anyio
import anyio.to_thread
import pytest

from loopin_mcp.api.outbox.channels import SEND_S
from loopin_mcp.api.outbox.delivery import AT_ONCE_EACH, MOST_A_MINUTE
from loopin_mcp.api.store.store import Store
from loopin_mcp.wire.models import Decision
from tests.support import AGENT, PATIENCE_S, REVIEWER, Clock, new_interrupt, take_due
from tests.support.loops import WITH_LEAPING_TIME, Backend, leap
from tests.support.receiver import (
    channels_to,
    decide_with_callback,
    deliver_due,
    outbox_to,
    receiving,
)


@pytest.fixture
def anyio_backend() -> Backend:
    return WITH_LEAPING_TIME


async def test_only_so_many_are_sent_a_minute_and_the_urgent_ones_first(
    store: Store, clock: Clock
) -> None:
    with receiving() as receiver:
        outbox = outbox_to(store, channels_to(receiver.url))
        for _ in range(MOST_A_MINUTE):
            await store.create_interrupt(new_interrupt(), AGENT)
            clock.now += 1
        await store.create_interrupt(new_interrupt(urgency="high"), AGENT)
        await deliver_due(outbox)
        first = receiver.messages
        clock.advance(59)
        await deliver_due(outbox)
        assert receiver.messages == []
        clock.advance(1)
        await deliver_due(outbox)

        assert len(receiver.messages) == 1
    assert len(first) == MOST_A_MINUTE
    assert [message["type"] for message in first].count("warning") == 1


async def test_notifications_beyond_the_rate_delay_no_callback(store: Store) -> None:
    with receiving() as receiver, receiving("hang") as hanging:
        outbox = outbox_to(store, channels_to(receiver.url, hanging.url))
        for _ in range(MOST_A_MINUTE + 1):
            await store.create_interrupt(new_interrupt(), AGENT)
        async with anyio.create_task_group() as sending:
            await outbox.start_due(sending)
            hanging.released.set()
        await deliver_due(outbox)
        await decide_with_callback(store, "https://example.com/")
        due = await take_due(store)

    assert sorted(each.kind for each in due) == ["callback", "notification", "notification"]
    assert len(receiver.messages) == MOST_A_MINUTE


async def test_channel_that_hangs_gets_five_at_once_and_delays_no_other(
    sqlite_store: Store,
) -> None:
    number = AT_ONCE_EACH + 2
    with receiving() as steady, receiving("hang") as hanging:
        outbox = outbox_to(sqlite_store, channels_to(hanging.url, steady.url))
        for _ in range(number):
            await sqlite_store.create_interrupt(new_interrupt(), AGENT)
        async with anyio.create_task_group() as running:
            running.start_soon(outbox.run)
            for _ in range(number):
                await anyio.to_thread.run_sync(steady.next)
            for _ in range(AT_ONCE_EACH):
                await anyio.to_thread.run_sync(hanging.next)
            held = hanging.messages
            hanging.released.set()
            for _ in range(number - AT_ONCE_EACH):
                await anyio.to_thread.run_sync(hanging.next)
            running.cancel_scope.cancel()

    assert held == []


async def test_what_is_decided_before_its_turn_is_not_sent(store: Store) -> None:
    with receiving("hang") as receiver:
        outbox = outbox_to(store, channels_to(receiver.url))
        async with anyio.create_task_group() as sending:
            for _ in range(AT_ONCE_EACH):
                await store.create_interrupt(new_interrupt(), AGENT)
            await outbox.start_due(sending)
            for _ in range(AT_ONCE_EACH):
                await anyio.to_thread.run_sync(receiver.next)
            late = await store.create_interrupt(new_interrupt(), AGENT)
            await outbox.start_due(sending)
            await store.decide_interrupt(late.interrupt_id, Decision(decision="approved"), REVIEWER)
            receiver.released.set()
        await store.create_interrupt(new_interrupt(action="Next"), AGENT)
        await deliver_due(outbox)

        [message] = receiver.messages
    assert message["message"].startswith("`Next`\n")


async def test_channel_that_drips_is_given_no_more_until_it_ends(
    sqlite_store: Store, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, logger="loopin_mcp")
    with receiving(*["drip"] * AT_ONCE_EACH, 200) as receiver:
        outbox = outbox_to(sqlite_store, channels_to(receiver.url, send_s=SEND_S))
        for _ in range(AT_ONCE_EACH):
            await sqlite_store.create_interrupt(new_interrupt(), AGENT)
        async with anyio.create_task_group() as sending:
            await outbox.start_due(sending)
            for _ in range(AT_ONCE_EACH):
                await anyio.to_thread.run_sync(receiver.next)
            leap(SEND_S)
        await sqlite_store.create_interrupt(new_interrupt(), AGENT)
        await deliver_due(outbox)
        assert receiver.messages == []
        receiver.released.set()
        with anyio.fail_after(PATIENCE_S):
            while not receiver.messages:
                clock.advance(60)
                await deliver_due(outbox)

    faults = [message.partition(": ")[2] for message in caplog.messages]
    assert faults[: AT_ONCE_EACH + 1] == [
        *["it took longer than 15 seconds"] * AT_ONCE_EACH,
        "earlier messages to it have not ended yet",
    ]


async def test_machine_that_can_start_no_thread_sends_later(
    sqlite_store: Store,
    clock: Clock,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO, logger="loopin_mcp")
    start = threading.Thread.start

    def start_no_more(thread: threading.Thread) -> None:
        if thread.daemon:
            raise RuntimeError("can't start new thread")
        start(thread)

    with receiving() as receiver:
        outbox = outbox_to(sqlite_store, channels_to(receiver.url))
        for _ in range(3):
            await sqlite_store.create_interrupt(new_interrupt(), AGENT)
        with monkeypatch.context() as crowded:
            crowded.setattr(threading.Thread, "start", start_no_more)
            await deliver_due(outbox)
        clock.advance(13)
        await deliver_due(outbox)

        assert len(receiver.messages) == 3
    assert {message.partition(": ")[2] for message in caplog.messages} == {
        "this process cannot start more threads"
    }
