"""Notifications to channels that refuse, redirect or cannot be reached."""

import logging

import pytest

from loopin_mcp.api.database.steps import Database
from loopin_mcp.api.outbox.delivery import LEASE_S
from loopin_mcp.api.store.store import Store
from loopin_mcp.errors import UnavailableError
from tests.support import AGENT, Clock, new_interrupt, take_due
from tests.support.auditing import edit
from tests.support.receiver import channels_to, deliver_due, outbox_to, receiving


@pytest.mark.parametrize("answer", [500, 403, 302])
async def test_channel_that_refuses_is_tried_again_later_and_the_others_are_not(
    store: Store, clock: Clock, answer: int
) -> None:
    with receiving() as steady, receiving(answer, 200) as flaky:
        outbox = outbox_to(store, channels_to(steady.url, flaky.url))
        await store.create_interrupt(new_interrupt(expires_in=100_000), AGENT)
        await deliver_due(outbox)
        refused = flaky.messages
        clock.advance(7.9)
        await deliver_due(outbox)
        assert flaky.messages == []
        clock.advance(4.2)
        await deliver_due(outbox)

        assert flaky.messages == refused
        assert len(steady.messages) == 1


async def test_channel_that_was_gone_gets_its_notification_when_it_is_back(
    sqlite_store: Store, clock: Clock, free_port: int
) -> None:
    outbox = outbox_to(sqlite_store, channels_to(f"json://127.0.0.1:{free_port}"))
    await sqlite_store.create_interrupt(new_interrupt(), AGENT)
    await deliver_due(outbox)
    with receiving(port=free_port) as receiver:
        clock.advance(13)
        await deliver_due(outbox)

        assert len(receiver.messages) == 1


async def test_notification_is_given_up_visibly_after_ten_minutes_and_the_reminder_still_goes(
    store: Store, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, logger="loopin_mcp")
    with receiving() as steady, receiving(500) as broken:
        outbox = outbox_to(store, channels_to(steady.url, broken.url))
        created = await store.create_interrupt(new_interrupt(expires_in=100_000), AGENT)
        for wait_s in (599, 1, 3600):
            await deliver_due(outbox)
            clock.advance(wait_s)
        await deliver_due(outbox)
        assert len(broken.messages) == 3
        clock.advance(50_000)
        await deliver_due(outbox)

        [reminder] = broken.messages
        assert steady.messages[1:] == [reminder]
    about = f"Notification of {created.interrupt_id[:8]}... to entry 2 of LOOPIN_NOTIFY (JSON)"
    assert created.interrupt_id not in caplog.text
    told = [record for record in caplog.records if record.name == "loopin_mcp"]
    assert [(each.levelname, each.getMessage()) for each in told[:3]] == [
        ("INFO", f"{about} will be tried again: it answered 500"),
        ("INFO", f"{about} will be tried again: it answered 500"),
        ("WARNING", f"{about} given up: it answered 500"),
    ]


async def test_retries_come_ever_later(sqlite_store: Store, clock: Clock) -> None:
    with receiving(500) as receiver:
        outbox = outbox_to(sqlite_store, channels_to(receiver.url))
        await sqlite_store.create_interrupt(new_interrupt(), AGENT)
        await deliver_due(outbox)
        for delay_s in (10, 20, 40, 80, 160):
            clock.advance(0.79 * delay_s)
            await deliver_due(outbox)
            sent = len(receiver.messages)
            clock.advance(0.42 * delay_s)
            await deliver_due(outbox)
            assert (sent, len(receiver.messages)) == (1 if delay_s == 10 else 0, 1)


async def test_notification_taken_by_a_process_that_died_is_sent_by_another(
    store: Store, clock: Clock
) -> None:
    with receiving() as receiver:
        outbox = outbox_to(store, channels_to(receiver.url))
        await store.create_interrupt(new_interrupt(), AGENT)
        [taken] = await take_due(store, lease_ms=round(LEASE_S * 1000))
        await deliver_due(outbox)
        assert receiver.messages == []
        clock.advance(LEASE_S)
        await deliver_due(outbox)
        # The first process comes back after its lease has ended: its result does not count.
        await store.deliveries.postpone(taken, clock())
        await deliver_due(outbox)

        assert len(receiver.messages) == 1


async def test_notification_whose_success_cannot_be_stored_is_sent_again(
    sqlite_store: Store,
    clock: Clock,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def locked(*_: object) -> None:
        raise UnavailableError("The database is locked")

    with receiving() as receiver:
        outbox = outbox_to(sqlite_store, channels_to(receiver.url))
        created = await sqlite_store.create_interrupt(new_interrupt(), AGENT)
        with monkeypatch.context() as away:
            away.setattr(sqlite_store.deliveries, "settle", locked)
            await deliver_due(outbox)
        clock.advance(LEASE_S)
        await deliver_due(outbox)
        clock.advance(LEASE_S)
        await deliver_due(outbox)

        assert len(receiver.messages) == 2
    assert caplog.messages == [
        f"Notification of {created.interrupt_id[:8]}... is delayed: The database is locked"
    ]


async def test_notification_of_an_interrupt_that_is_gone_is_dropped(
    store: Store, database: Database
) -> None:
    with receiving() as receiver:
        outbox = outbox_to(store, channels_to(receiver.url))
        created = await store.create_interrupt(new_interrupt(), AGENT)
        await edit(database, created.interrupt_id, "DELETE FROM interrupts WHERE TRUE")
        await deliver_due(outbox)

        assert receiver.messages == []
    assert await database.read("SELECT * FROM deliveries") == []
