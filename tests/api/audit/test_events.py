"""The audit trail: every change of an interrupt is an event, chained to the one before it."""

from collections.abc import AsyncIterator

import httpx
import pytest

from loopin_mcp.api.store.deliveries import Delivery
from loopin_mcp.api.store.store import Store
from tests.support import KEY, Clock, api_client, take_due
from tests.support.page import digest_of
from tests.support.questions import create
from tests.support.receiver import LOOPBACK, channels_to, deliver_due, outbox_to, receiving
from tests.support.trails import told, trail_of
from tests.support.visitors import sign_in

ALICE = "alice-" + "a" * 32
BOB = "bob-" + "b" * 32
HOOK = "http://127.0.0.1:9/hook?token=s3cret"


@pytest.fixture
async def agents(store: Store) -> AsyncIterator[httpx.AsyncClient]:
    """A client with the API key, on each kind of database."""
    reviewers = {"alice": ALICE, "bob": BOB}
    allowed = {"api_key": KEY, "callback_allow": LOOPBACK}
    async with api_client(store, reviewers=reviewers, embedded=True, **allowed) as client:
        client.headers["X-API-Key"] = KEY
        yield client


async def test_creation_is_the_first_event(agents: httpx.AsyncClient) -> None:
    created = await create(agents)
    interrupt = (await agents.get(f"/interrupts/{created['interruptId']}")).json()

    [event] = await trail_of(agents, created["interruptId"])

    assert event == {
        "interruptId": created["interruptId"],
        "sequence": 1,
        "type": "created",
        "at": interrupt["createdAt"],
        "actor": "api-key",
        "channel": "api",
        "detail": {
            "payloadDigest": interrupt["payloadDigest"],
            "expiresAt": interrupt["expiresAt"],
        },
        "previousHash": "",
        "hash": interrupt["eventsHead"],
    }


async def test_decision_is_told_with_who_made_it_and_how(
    agents: httpx.AsyncClient, clock: Clock
) -> None:
    interrupt_id = (await create(agents))["interruptId"]
    digest = (await agents.get(f"/interrupts/{interrupt_id}")).json()["payloadDigest"]
    decision = {
        "decision": "rejected",
        "reason": "Too much",
        "modifiedParams": {"amount": 1.0, "account": 2**53 + 1},
        "payloadDigest": digest,
    }
    clock.advance(2)

    headers = {"X-API-Key": ALICE, "X-LoopIn-Channel": "mcp"}
    await agents.post(f"/interrupts/{interrupt_id}/decide", json=decision, headers=headers)

    events = await trail_of(agents, interrupt_id)
    interrupt = (await agents.get(f"/interrupts/{interrupt_id}")).json()
    assert told(events)[1:] == [("decided", "alice", "mcp", decision)]
    assert events[1]["at"] == interrupt["decidedAt"] == "2025-06-15T15:06:42.000Z"


async def test_page_is_viewed_once_by_each_who_is_shown_it_while_it_is_pending(
    agents: httpx.AsyncClient, store: Store
) -> None:
    interrupt_id = (await create(agents))["interruptId"]
    page = f"/review/{interrupt_id}"
    async with api_client(store, reviewers={"alice": ALICE, "bob": BOB}) as browser:
        await browser.get(page)
        await sign_in(browser, ALICE)
        await browser.head(page)
        await browser.get(page, headers={"Sec-Fetch-Dest": "empty"})
        await browser.get(page, headers={"Sec-Purpose": "prefetch"})
        assert len(await trail_of(agents, interrupt_id)) == 1
        await browser.get(page)
        await browser.get(page)
        await sign_in(browser, BOB)
        # The inbox shows it beside its list.
        await browser.get(page, headers={"Sec-Fetch-Dest": "empty", "LoopIn-Shown": "yes"})
        await browser.post(page, data={"decision": "approved"})
        await sign_in(browser, ALICE)
        await browser.get(page)

    assert told(await trail_of(agents, interrupt_id))[1:] == [
        ("viewed", "alice", "review-page", {}),
        ("viewed", "bob", "review-page", {}),
        ("decided", "bob", "review-page", {"decision": "approved"}),
    ]


async def test_link_alone_is_named_where_it_is_enough(store: Store) -> None:
    async with api_client(store) as browser:
        interrupt_id = (await create(browser))["interruptId"]
        await browser.get(f"/review/{interrupt_id}")
        shown = await digest_of(store, interrupt_id)
        form = {"pick": f"{interrupt_id} {shown}", "decision": "rejected"}
        await browser.post("/inbox/decide", data=form)

        events = await trail_of(browser, interrupt_id)

    assert told(events)[1:] == [
        ("viewed", "review-link", "review-page", {}),
        ("decided", "anonymous", "inbox", {"decision": "rejected", "payloadDigest": shown}),
    ]


async def test_notification_is_an_event_once_it_is_sent(
    agents: httpx.AsyncClient, store: Store, clock: Clock
) -> None:
    with receiving() as receiver:
        outbox = outbox_to(store, channels_to(receiver.url))
        interrupt_id = (await create(agents))["interruptId"]
        await deliver_due(outbox)
        clock.advance(1800)
        await deliver_due(outbox)

    [created, first, reminder] = await trail_of(agents, interrupt_id)

    assert (first["type"], first["actor"], first["channel"]) == ("notified", "loopin", "system")
    assert [first["detail"]["isReminder"], reminder["detail"]["isReminder"]] == [False, True]
    assert receiver.url not in str([created, first, reminder])


async def test_cancellation_is_told(agents: httpx.AsyncClient) -> None:
    interrupt_id = (await create(agents))["interruptId"]

    await agents.delete(f"/interrupts/{interrupt_id}", headers={"X-LoopIn-Channel": "mcp"})

    assert told(await trail_of(agents, interrupt_id))[1:] == [("cancelled", "api-key", "mcp", {})]


async def test_expiry_and_its_callback_are_told_by_the_api_itself(
    agents: httpx.AsyncClient, store: Store, clock: Clock
) -> None:
    created = await create(agents, callbackUrl=HOOK, expiresIn=60)
    clock.advance(75)
    await store.expire_interrupts()
    [callback] = await taken(store)

    before = await trail_of(agents, created["interruptId"])
    await store.deliveries.settle(callback, ("callback-delivered", {}))
    await store.deliveries.settle(callback, ("callback-delivered", {}))
    events = await trail_of(agents, created["interruptId"])

    assert before[-1]["type"] == "expired"
    assert told(events)[1:] == [
        ("expired", "loopin", "system", {}),
        ("callback-delivered", "loopin", "system", {}),
    ]
    assert events[1]["at"] == created["expiresAt"]
    assert "s3cret" not in str(events)


async def taken(store: Store) -> list[Delivery]:
    return await take_due(store, lease_ms=1000, limit=9)


async def test_of_what_there_is_not_there_are_no_events(agents: httpx.AsyncClient) -> None:
    answer = await agents.get("/interrupts/unknown/events")

    assert (answer.status_code, answer.json()) == (404, {"error": "Interrupt not found"})
    del agents.headers["X-API-Key"]
    assert (await agents.get("/interrupts/unknown/events")).status_code == 401
