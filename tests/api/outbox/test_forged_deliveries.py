"""Whoever can edit the outbox in the database makes it send nothing but what is true."""

import uuid

import httpx
import pytest

from loopin_mcp.api.audit.audit_keys import AuditKeys
from loopin_mcp.api.database.steps import Database, execute
from loopin_mcp.api.store.store import Store
from tests.support import AGENT, PUBLIC_URL, Clock, api_client, new_interrupt
from tests.support.auditing import edit
from tests.support.page import Page
from tests.support.receiver import (
    Receiver,
    channels_to,
    decide_with_callback,
    deliver_due,
    delivering,
    outbox_to,
    receiving,
)


async def insert(database: Database, interrupt_id: str, kind: str, place: str, host: str) -> None:
    """Insert a delivery that is due, by hand."""
    await execute(
        database,
        """
        INSERT INTO deliveries (delivery_id, interrupt_id, kind, destination, host, urgent, due_ms,
            given_up_ms) VALUES (:id, :interrupt_id, :kind, :place, :host, 0, 0, 9000000000000)
        """,
        id=str(uuid.uuid4()),
        interrupt_id=interrupt_id,
        kind=kind,
        place=place,
        host=host,
    )


def hook(receiver: Receiver) -> str:
    return f"http://127.0.0.1:{receiver.server_port}/hook"


async def test_callback_that_is_not_due_is_dropped(
    keyed: Store, database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    with receiving() as receiver:
        for changes in ({"callback_url": hook(receiver)}, {}):
            asked = new_interrupt(**changes)
            created = await keyed.create_interrupt(asked, AGENT)
            await insert(database, created.interrupt_id, "callback", hook(receiver), "127.0.0.1")
        cancelled = await keyed.create_interrupt(new_interrupt(callback_url=hook(receiver)), AGENT)
        await keyed.cancel_interrupt(cancelled.interrupt_id, AGENT)
        await insert(database, cancelled.interrupt_id, "callback", hook(receiver), "127.0.0.1")
        await insert(database, "\x1b[2Jgone", "callback", hook(receiver), "127.0.0.1")
        async with delivering(keyed) as outbox:
            await deliver_due(outbox)

        assert receiver.received == []
    sql = "SELECT * FROM deliveries WHERE kind = 'callback'"
    assert await database.read(sql) == []
    assert caplog.text.count("is dropped: the interrupt has nothing to report") == 3
    assert "Callback of [U+001B][2Jgone is dropped: the interrupt does not exist" in caplog.text


async def test_edited_delivery_changes_neither_destination_nor_body(
    keyed: Store, database: Database
) -> None:
    with receiving() as receiver, receiving() as thief:
        interrupt_id = await decide_with_callback(keyed, hook(receiver))
        await execute(database, "UPDATE deliveries SET destination = :url", url=hook(thief))
        async with delivering(keyed) as outbox:
            await deliver_due(outbox)

        [received] = receiver.received
        assert thief.received == []
    assert (received.json["interruptId"], received.json["decision"]) == (interrupt_id, "approved")
    assert received.headers["webhook-id"] == received.json["eventsHead"]


async def test_delivery_of_another_host_or_a_second_one_sends_nothing(
    keyed: Store, database: Database
) -> None:
    with receiving() as receiver:
        interrupt_id = await decide_with_callback(keyed, hook(receiver))
        async with delivering(keyed) as outbox:
            await deliver_due(outbox)
            await insert(database, interrupt_id, "callback", "", "127.0.0.1")
            other = await decide_with_callback(keyed, hook(receiver))
            await execute(
                database, "UPDATE deliveries SET host = 'x' WHERE interrupt_id = :id", id=other
            )
            await deliver_due(outbox)

        assert [each.json["interruptId"] for each in receiver.received] == [interrupt_id]


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE interrupts SET status = 'rejected' WHERE TRUE",
        "UPDATE interrupts SET callback_url = 'http://127.0.0.1/' WHERE TRUE",
        "UPDATE interrupts SET modified_params = '{}' WHERE TRUE",
        "DELETE FROM events WHERE sequence = 2",
    ],
)
async def test_callback_of_an_edited_interrupt_is_dropped(
    keyed: Store, database: Database, change: str
) -> None:
    with receiving() as receiver:
        interrupt_id = await decide_with_callback(keyed, hook(receiver))
        await edit(database, interrupt_id, change)
        async with delivering(keyed) as outbox:
            await deliver_due(outbox)

        assert receiver.received == []
    assert await database.read("SELECT * FROM deliveries") == []


async def test_callback_waits_for_the_key_that_made_its_trail(
    keyed: Store, database: Database, clock: Clock
) -> None:
    with receiving() as receiver:
        await decide_with_callback(keyed, hook(receiver))
        async with delivering(Store(database, PUBLIC_URL, clock, AuditKeys(["new"]))) as outbox:
            await deliver_due(outbox)
        assert receiver.received == []
        clock.advance(60)
        async with delivering(keyed) as outbox:
            await deliver_due(outbox)

        assert len(receiver.received) == 1


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE interrupts SET action = 'Pay Mallory' WHERE TRUE",
        "UPDATE interrupts SET expires_ms = expires_ms + 1 WHERE TRUE",
    ],
)
async def test_edited_request_is_not_notified(
    keyed: Store, database: Database, change: str
) -> None:
    with receiving() as receiver:
        outbox = outbox_to(keyed, channels_to(receiver.url))
        created = await keyed.create_interrupt(new_interrupt(), AGENT)
        await edit(database, created.interrupt_id, change)
        await deliver_due(outbox)

        assert receiver.received == []
    assert await database.read("SELECT * FROM deliveries WHERE kind = 'notification'") == []


async def test_notification_to_no_channel_is_dropped(keyed: Store, database: Database) -> None:
    with receiving() as receiver:
        channels = channels_to(receiver.url)
        [channel] = channels.all
        outbox = outbox_to(keyed, channels)
        created = await keyed.create_interrupt(new_interrupt(), AGENT)
        await insert(database, created.interrupt_id, "reminder", "elsewhere", channel.digest)
        await deliver_due(outbox)

        assert len(receiver.received) == 1
    assert len(await database.read("SELECT * FROM deliveries WHERE kind = 'reminder'")) == 1


@pytest.mark.parametrize(
    ("answer", "fault"),
    [
        (
            307,
            "the receiver answered 307, a redirect, which is not followed: give the address that "
            "it leads to as the callbackUrl",
        ),
        (500, "the receiver answered 500"),
        (None, "no answer came"),
    ],
)
async def test_page_shows_why_a_callback_does_not_arrive_and_what_to_do(
    keyed: Store, clock: Clock, answer: int | None, fault: str
) -> None:
    with receiving(answer or 200) as receiver:
        url = hook(receiver) if answer else "http://127.0.0.1:9/"
        interrupt_id = await decide_with_callback(keyed, url)
        async with delivering(keyed) as outbox, api_client(keyed) as browser:
            before = await faults_on(browser, interrupt_id)
            await deliver_due(outbox)
            tried = await faults_on(browser, interrupt_id)
            clock.advance(3 * 86_400)
            await deliver_due(outbox)
            given_up = await faults_on(browser, interrupt_id)

    assert before == []
    assert tried == [
        f"The callback is not delivered yet: {fault}. LoopIn tries again for three days."
    ]
    assert given_up == [f"The callback was not delivered within three days: {fault}."]


async def faults_on(browser: httpx.AsyncClient, interrupt_id: str) -> list[str]:
    return Page(await browser.get(f"/review/{interrupt_id}"))["fault"]
