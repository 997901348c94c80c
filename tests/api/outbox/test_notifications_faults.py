"""Notices to places that refuse, redirect or are gone, and while the database is away."""

import logging

import anyio
import pytest

from loopin_mcp.api.outbox.notifications import LEASE_S, MOST_TRIES, Notices, send_notices
from loopin_mcp.api.store.store import Store
from loopin_mcp.errors import UnavailableError
from tests.support import AGENT, PATIENCE_S, PUBLIC_URL, Clock, Down, new_interrupt
from tests.support.receiver import channels_to, receiving, send_due

LONG_AGO = 3600


@pytest.mark.parametrize("answer", [500, 403, 302])
async def test_place_that_refuses_is_told_again_later_and_the_others_are_not(
    store: Store, clock: Clock, answer: int
) -> None:
    with receiving() as steady, receiving(answer, 200) as flaky:
        notices = Notices(store, clock, channels_to(steady.url, flaky.url))
        await store.create_interrupt(new_interrupt(expires_in=100_000), AGENT)
        await send_due(notices)
        refused = flaky.messages
        clock.advance(3.9)
        await send_due(notices)
        assert flaky.messages == []
        clock.advance(2.2)
        await send_due(notices)

        assert flaky.messages == refused
        assert len(steady.messages) == 1


async def test_place_that_was_gone_is_told_when_it_is_back(
    sqlite_store: Store, clock: Clock, free_port: int
) -> None:
    notices = Notices(sqlite_store, clock, channels_to(f"json://127.0.0.1:{free_port}"))
    await sqlite_store.create_interrupt(new_interrupt(), AGENT)
    await send_due(notices)
    with receiving(port=free_port) as receiver:
        clock.advance(7)
        await send_due(notices)

        assert len(receiver.messages) == 1


async def test_notice_is_given_up_visibly_after_its_last_try_and_the_reminder_still_goes(
    store: Store, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, logger="loopin_mcp")
    with receiving() as steady, receiving(500) as broken:
        notices = Notices(store, clock, channels_to(steady.url, broken.url))
        created = await store.create_interrupt(new_interrupt(expires_in=100_000), AGENT)
        for _ in range(MOST_TRIES + 2):
            await send_due(notices)
            clock.advance(LONG_AGO)
        assert len(broken.messages) == MOST_TRIES
        clock.advance(50_000)
        await send_due(notices)

        [reminder] = broken.messages
        assert steady.messages[1:] == [reminder]
    about = f"Notice of {created.interrupt_id} to entry 2 of LOOPIN_NOTIFY (JSON)"
    told = [record for record in caplog.records if record.name.startswith("loopin_mcp")]
    assert [(record.levelname, record.getMessage()) for record in told[:2]] == [
        ("INFO", f"{about} is to be sent again: it answered 500"),
        ("WARNING", f"{about} is given up: it answered 500"),
    ]


async def test_retries_come_ever_later(sqlite_store: Store, clock: Clock) -> None:
    with receiving(500) as receiver:
        notices = Notices(sqlite_store, clock, channels_to(receiver.url))
        await sqlite_store.create_interrupt(new_interrupt(), AGENT)
        await send_due(notices)
        for delay_s in (5, 15, 45, 135, 405):
            clock.advance(0.79 * delay_s)
            await send_due(notices)
            sent = len(receiver.messages)
            clock.advance(0.42 * delay_s)
            await send_due(notices)
            assert (sent, len(receiver.messages)) == (1 if delay_s == 5 else 0, 1)


async def test_notice_taken_by_a_process_that_died_is_sent_by_another(
    store: Store, clock: Clock
) -> None:
    with receiving() as receiver:
        notices = Notices(store, clock, channels_to(receiver.url))
        await store.create_interrupt(new_interrupt(), AGENT)
        taken = await store.notices.take_due_notices(
            lease_ms=round(LEASE_S * 1000), limit=5, high_alone=False
        )
        await send_due(notices)
        assert (len(taken), receiver.messages) == (1, [])
        clock.advance(LEASE_S)
        await send_due(notices)
        # The one who was thought dead comes back: it has no say any more.
        await store.notices.postpone_notice(taken[0], clock(), 0, [])
        await send_due(notices)

        assert len(receiver.messages) == 1


async def test_notices_wait_while_the_database_is_away(
    clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    database = Down()

    with anyio.fail_after(PATIENCE_S):
        async with anyio.create_task_group() as tasks:
            channels = channels_to("json://127.0.0.1:9")
            tasks.start_soon(send_notices, Store(database, PUBLIC_URL, clock), clock, channels)
            await database.asked.wait()
            await anyio.wait_all_tasks_blocked()
            tasks.cancel_scope.cancel()

    assert caplog.messages == ["Notices wait: The database cannot be used right now"]


async def test_notice_that_cannot_be_settled_waits_for_its_lease_to_end(
    sqlite_store: Store,
    clock: Clock,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def locked(*_: object, **__: object) -> None:
        raise UnavailableError("The database is locked")

    with receiving() as receiver:
        notices = Notices(sqlite_store, clock, channels_to(receiver.url))
        created = await sqlite_store.create_interrupt(new_interrupt(), AGENT)
        with monkeypatch.context() as away:
            away.setattr(sqlite_store.notices, "settle_notice", locked)
            await send_due(notices)
        clock.advance(LEASE_S)
        await send_due(notices)

        # The place that has it is remembered all the same.
        assert len(receiver.messages) == 1
    assert caplog.messages == [f"Notice of {created.interrupt_id} waits: The database is locked"]
