"""Callbacks: sent once and signed, retried if they fail, and given up in the end."""

import logging
from collections.abc import AsyncIterator
from datetime import UTC, datetime

import anyio
import pytest
from standardwebhooks import Webhook

from loopin_mcp.api.database.steps import Database
from loopin_mcp.api.outbox.callbacks import CallbackSender
from loopin_mcp.api.outbox.delivery import Outbox
from loopin_mcp.api.outbox.destinations import Destinations, callback_client
from loopin_mcp.api.store.store import Store
from tests.support import AGENT, PATIENCE_S, PUBLIC_URL, Clock, Down, new_interrupt, take_due
from tests.support.auditing import edit
from tests.support.receiver import (
    Names,
    decide_with_callback,
    deliver_due,
    delivering,
    receiving,
)

SECRET = bytes(range(32))


@pytest.fixture
async def outbox(store: Store, anyio_backend: str) -> AsyncIterator[Outbox]:
    async with delivering(store, secret=SECRET) as outbox:
        yield outbox


async def outcome_of(store: Store, interrupt_id: str) -> tuple[str, object]:
    """The type and detail of the last event of an interrupt."""
    last = (await store.list_events(interrupt_id))[-1]
    return last.type, last.detail


async def test_decision_is_told_once_signed_with_what_was_decided(
    store: Store, clock: Clock, outbox: Outbox
) -> None:
    with receiving(204) as receiver:
        url = f"http://127.0.0.1:{receiver.server_port}/hook?token=1"
        await store.create_interrupt(new_interrupt(callback_url=url), AGENT)
        await deliver_due(outbox)
        assert receiver.received == []

        interrupt_id = await decide_with_callback(store, url)
        decided = await store.get_interrupt_status(interrupt_id)
        await deliver_due(outbox)
        clock.advance(3000)
        await deliver_due(outbox)

        [received] = receiver.received
    assert received.json == {
        "interruptId": interrupt_id,
        "status": "approved",
        "decision": "approved",
        "decidedAt": "2025-06-15T15:06:40.000Z",
        "reason": "ok",
        "modifiedParams": {"amount": 1},
        "eventsHead": decided.events_head,
    }
    assert received.headers["content-type"] == "application/json"
    assert received.headers["webhook-timestamp"] == "1750000000"
    assert received.headers["webhook-signature"] == Webhook(SECRET).sign(
        received.headers["webhook-id"],
        datetime.fromtimestamp(1_750_000_000, UTC),
        received.body.decode(),
    )
    assert await outcome_of(store, interrupt_id) == ("callback-delivered", {"tries": 1})


async def test_expiry_is_told_and_cancellation_is_not(
    store: Store, clock: Clock, outbox: Outbox
) -> None:
    with receiving() as receiver:
        url = f"http://127.0.0.1:{receiver.server_port}/"
        new = new_interrupt(callback_url=url, expires_in=5)
        lapsed = await store.create_interrupt(new, AGENT)
        cancelled = await store.create_interrupt(new, AGENT)
        await store.cancel_interrupt(cancelled.interrupt_id, AGENT)
        clock.advance(5)
        await store.expire_interrupts()

        await deliver_due(outbox)

        [message] = receiver.messages
    assert message == {
        "interruptId": lapsed.interrupt_id,
        "status": "expired",
        "eventsHead": (await store.list_events(lapsed.interrupt_id))[-2].hash,
    }


@pytest.mark.parametrize("answer", [500, 404, 302, 429])
async def test_callback_that_did_not_arrive_is_sent_again_later(
    store: Store, clock: Clock, outbox: Outbox, answer: int
) -> None:
    with receiving(answer, 200) as receiver:
        url = f"http://127.0.0.1:{receiver.server_port}/"
        interrupt_id = await decide_with_callback(store, url)
        for seconds in (0, 7, 6, 3600):
            clock.advance(seconds)
            await deliver_due(outbox)

        first, second = receiver.received
    assert first.body == second.body
    assert first.headers["webhook-id"] == second.headers["webhook-id"]
    assert int(second.headers["webhook-timestamp"]) == 13 + int(first.headers["webhook-timestamp"])
    assert first.headers["webhook-signature"] != second.headers["webhook-signature"]
    assert await outcome_of(store, interrupt_id) == ("callback-delivered", {"tries": 2})


async def test_callback_waits_for_a_receiver_that_is_away(
    sqlite_store: Store, clock: Clock, caplog: pytest.LogCaptureFixture, free_port: int
) -> None:
    caplog.set_level(logging.INFO, logger="loopin_mcp")
    interrupt_id = await decide_with_callback(
        sqlite_store, f"http://localhost:{free_port}/s3cret?token=s3cret#s3cret"
    )

    async with delivering(sqlite_store) as outbox:
        await deliver_due(outbox)
        clock.advance(13)
        with receiving(port=free_port) as receiver:
            await deliver_due(outbox)

    [received] = receiver.received
    assert "webhook-signature" not in received.headers
    [away] = caplog.messages
    assert away.startswith(f"Callback of {interrupt_id} to localhost will be tried again: ")
    assert "s3cret" not in caplog.text


async def test_callback_is_tried_ever_later_for_three_days_and_given_up_visibly(
    sqlite_store: Store, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    with receiving(500) as receiver:
        url = f"http://127.0.0.1:{receiver.server_port}/?token=s3cret"
        interrupt_id = await decide_with_callback(sqlite_store, url)
        given_up_ms = clock() + 3 * 24 * 3600 * 1000
        tries, backoff_s = 0, 10.0
        async with delivering(sqlite_store) as outbox:
            while clock() < given_up_ms:
                await deliver_due(outbox)
                tries += 1
                clock.now = min(clock() + round(backoff_s * 790), given_up_ms - 1)
                await deliver_due(outbox)
                assert len(receiver.received) == 1
                clock.now = min(clock() + round(backoff_s * 420), given_up_ms)
                backoff_s = min(2 * backoff_s, 6 * 3600)
            await deliver_due(outbox)
            assert len(receiver.received) == 1
            clock.advance(7 * 3600)
            await deliver_due(outbox)

        assert receiver.received == []
    assert caplog.messages == [
        f"Callback of {interrupt_id} to 127.0.0.1 given up: the receiver answered 500"
    ]
    assert tries > 20
    assert await outcome_of(sqlite_store, interrupt_id) == (
        "callback-given-up",
        {"tries": tries + 1, "reason": "the receiver answered 500", "answered": 500},
    )


async def test_callback_is_not_sent_to_an_address_that_is_not_public(
    sqlite_store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, logger="loopin_mcp")
    destinations = Destinations((), Names(**{"hooks.test": ["127.0.0.1"]}))

    with receiving() as receiver:
        url = f"http://hooks.test:{receiver.server_port}/?token=s3cret"
        interrupt_id = await decide_with_callback(sqlite_store, url)
        async with callback_client(destinations) as http:
            await deliver_due(Outbox(sqlite_store, CallbackSender(sqlite_store, http, None)))

        assert receiver.received == []
    assert caplog.messages == [
        f"Callback of {interrupt_id} to hooks.test will be tried again: it leads to an address "
        "that LoopIn may not call: it must be public, or in a network that "
        "LOOPIN_CALLBACK_ALLOW lists"
    ]


@pytest.mark.parametrize(
    "host",
    ["☃.test", "exämple..test", "ü" * 70 + ".test", "a..b", "%00"],
    ids=["symbol", "no label", "long label", "no label in ASCII", "NUL"],
)
async def test_one_impossible_address_keeps_no_other_callback_back(
    sqlite_store: Store, host: str
) -> None:
    with receiving() as receiver:
        for url in (f"http://{host}/hook", f"http://127.0.0.1:{receiver.server_port}/"):
            await decide_with_callback(sqlite_store, url)
        async with delivering(sqlite_store) as outbox:
            await deliver_due(outbox)

        assert len(receiver.received) == 1


async def test_deliveries_wait_while_the_database_is_away(
    clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    database = Down()

    with anyio.fail_after(PATIENCE_S):
        async with (
            delivering(Store(database, PUBLIC_URL, clock)) as outbox,
            anyio.create_task_group() as tasks,
        ):
            tasks.start_soon(outbox.run)
            await database.asked.wait()
            await anyio.wait_all_tasks_blocked()
            tasks.cancel_scope.cancel()

    assert caplog.messages == [
        "Callbacks and notifications are delayed: The database cannot be used right now"
    ]


async def test_callback_of_an_interrupt_that_is_gone_is_dropped(
    store: Store, database: Database, clock: Clock, outbox: Outbox
) -> None:
    with receiving() as receiver:
        url = f"http://127.0.0.1:{receiver.server_port}/"
        interrupt_id = await decide_with_callback(store, url)
        await edit(database, interrupt_id, "DELETE FROM interrupts WHERE TRUE")
        await deliver_due(outbox)
        clock.advance(3600)
        await deliver_due(outbox)

        assert receiver.received == []
    assert await take_due(store) == []
