"""Callbacks: told once, to where they may go, again when they did not arrive."""

import json
import logging
from collections.abc import AsyncIterator

import anyio
import httpx
import pytest
import respx

from loopin_mcp.api.store import Store
from loopin_mcp.api.webhooks import MOST_TRIES, Webhooks, deliver_callbacks
from loopin_mcp.errors import UnavailableError
from loopin_mcp.models import Decision
from tests.support import PATIENCE_S, PUBLIC_URL, Clock, Down, new_interrupt

HOOK = "http://127.0.0.1:9/hook?token=s3cret"
APPROVED = Decision(decision="approved", reason="ok", modified_params={"amount": 1})


@pytest.fixture
async def http(anyio_backend: str) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient() as client:
        yield client


@pytest.fixture
def webhooks(store: Store, clock: Clock, http: httpx.AsyncClient) -> Webhooks:
    return Webhooks(store, clock, http, allow_loopback=True)


@respx.mock
async def test_decision_is_told_once_with_what_was_decided(
    store: Store, clock: Clock, webhooks: Webhooks
) -> None:
    route = respx.post(HOOK).respond(204)
    created = await store.create_interrupt(new_interrupt(callback_url=HOOK), clock())
    await store.create_interrupt(new_interrupt(), clock())
    await webhooks.deliver_due()
    assert route.call_count == 0

    await store.decide_interrupt(created.interrupt_id, APPROVED, clock(), "somebody")
    await webhooks.deliver_due()
    clock.advance(3600)
    await webhooks.deliver_due()

    assert route.call_count == 1
    request = route.calls.last.request
    assert request.headers["Content-Type"] == "application/json"
    assert json.loads(request.content) == {
        "interruptId": created.interrupt_id,
        "status": "approved",
        "decision": "approved",
        "decidedAt": "2025-06-15T15:06:40.000Z",
        "reason": "ok",
        "modifiedParams": {"amount": 1},
    }


@respx.mock
async def test_expiry_is_told_and_cancellation_is_not(
    store: Store, clock: Clock, webhooks: Webhooks
) -> None:
    route = respx.post(HOOK).respond(200, content=b"x" * 100_000)
    new = new_interrupt(callback_url=HOOK, expires_in=5)
    lapsed = await store.create_interrupt(new, clock())
    cancelled = await store.create_interrupt(new, clock())
    await store.cancel_interrupt(cancelled.interrupt_id, clock())
    clock.advance(5)

    await webhooks.deliver_due()

    bodies = [json.loads(call.request.content) for call in route.calls]
    assert bodies == [{"interruptId": lapsed.interrupt_id, "status": "expired"}]


@respx.mock
@pytest.mark.parametrize(
    "outcome",
    [
        httpx.Response(500),
        httpx.Response(404),
        httpx.Response(302, headers={"Location": "http://127.0.0.1:8/"}),
        httpx.ConnectError("refused"),
        httpx.ReadTimeout("slow"),
    ],
    ids=["500", "404", "redirect", "no connection", "timeout"],
)
async def test_callback_that_did_not_arrive_is_sent_again_later(
    store: Store, clock: Clock, webhooks: Webhooks, outcome: httpx.Response | Exception
) -> None:
    route = respx.post(HOOK).mock(side_effect=[outcome, httpx.Response(200)])
    created = await store.create_interrupt(new_interrupt(callback_url=HOOK), clock())
    await store.decide_interrupt(created.interrupt_id, APPROVED, clock(), "somebody")

    await webhooks.deliver_due()
    clock.advance(7)
    await webhooks.deliver_due()
    assert route.call_count == 1
    clock.advance(6)
    await webhooks.deliver_due()
    clock.advance(3600)
    await webhooks.deliver_due()

    assert route.call_count == 2


@respx.mock
async def test_callback_is_given_up_visibly_after_its_last_try(
    store: Store, clock: Clock, webhooks: Webhooks, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, logger="loopin_mcp")
    route = respx.post(HOOK).respond(500)
    created = await store.create_interrupt(new_interrupt(callback_url=HOOK), clock())
    await store.decide_interrupt(created.interrupt_id, APPROVED, clock(), "somebody")

    for _ in range(MOST_TRIES + 2):
        await webhooks.deliver_due()
        clock.advance(8 * 3600)

    assert route.call_count == MOST_TRIES
    assert caplog.messages[-1] == (
        f"Callback of {created.interrupt_id} given up: the receiver answered 500"
    )
    assert "s3cret" not in caplog.text


async def test_callbacks_wait_while_the_database_is_away(
    clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    database = Down()

    with anyio.fail_after(PATIENCE_S):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(deliver_callbacks, Store(database, PUBLIC_URL), clock, False)
            await database.asked.wait()
            await anyio.wait_all_tasks_blocked()
            tasks.cancel_scope.cancel()

    assert caplog.messages == ["Callbacks wait: The database cannot be used right now"]


@respx.mock
async def test_callback_taken_by_a_process_that_died_is_sent_by_another(
    store: Store, clock: Clock, webhooks: Webhooks
) -> None:
    route = respx.post(HOOK).respond(200)
    created = await store.create_interrupt(new_interrupt(callback_url=HOOK), clock())
    await store.decide_interrupt(created.interrupt_id, APPROVED, clock(), "somebody")

    taken = await store.outbox.take_due_callbacks(clock(), lease_ms=20_000, limit=5)
    await webhooks.deliver_due()
    assert (len(taken), route.call_count) == (1, 0)
    clock.advance(21)
    await webhooks.deliver_due()

    assert route.call_count == 1


@respx.mock
@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "2130706433",
        "0177.0.0.1",
        "0x7f.1",
        "localhost",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "[2002:7f00:1::]",
        "[64:ff9b::7f00:1]",
        "0.0.0.0",  # noqa: S104
        "10.0.0.1",
        "192.168.1.1",
        "169.254.169.254",
        "[::ffff:169.254.169.254]",
        "[fe80::1]",
        "[fd00::1]",
        "224.0.0.1",
        "[ff02::1]",
        "100.64.0.1",
        "168.63.129.16",
        "192.0.0.192",
        "[::127.0.0.1]",
        "[::ffff:0:127.0.0.1]",
        "[64:ff9b:1::7f00:1]",
        "[fec0::1]",
    ],
)
async def test_callback_is_not_sent_to_addresses_that_are_not_public(
    sqlite_store: Store, clock: Clock, http: httpx.AsyncClient, host: str
) -> None:
    route = respx.route().respond(200)
    new = new_interrupt(callback_url=f"http://{host}/hook")
    created = await sqlite_store.create_interrupt(new, clock())
    await sqlite_store.decide_interrupt(created.interrupt_id, APPROVED, clock(), "somebody")

    await Webhooks(sqlite_store, clock, http, allow_loopback=False).deliver_due()

    assert route.call_count == 0
    clock.advance(60)
    assert len(await sqlite_store.outbox.take_due_callbacks(clock(), lease_ms=1, limit=5)) == 1


@respx.mock
async def test_public_address_is_connected_to_under_its_name(
    sqlite_store: Store, clock: Clock, http: httpx.AsyncClient
) -> None:
    route = respx.post("https://[2606:4700::1111]:8443/hook").respond(200)
    new = new_interrupt(callback_url="https://user:pw@[2606:4700::1111]:8443/hook")
    created = await sqlite_store.create_interrupt(new, clock())
    await sqlite_store.decide_interrupt(created.interrupt_id, APPROVED, clock(), "somebody")

    await Webhooks(sqlite_store, clock, http, allow_loopback=False).deliver_due()

    request = route.calls.last.request
    assert request.headers["Authorization"] == "Basic dXNlcjpwdw=="
    assert request.headers["Host"] == "[2606:4700::1111]:8443"
    assert request.extensions["sni_hostname"] == "2606:4700::1111"


async def set_callback(store: Store, interrupt_id: str, url: str) -> None:
    """Store an address as it is, as an earlier version may have."""
    await store._database.fetch(
        "UPDATE interrupts SET callback_url = :url WHERE interrupt_id = :interrupt_id",
        url=url,
        interrupt_id=interrupt_id,
    )


@respx.mock
@pytest.mark.parametrize("host", ["☃.test", "exämple..test", "ü" * 70 + ".test", "a..b", "x y"])
async def test_one_impossible_address_keeps_no_other_callback_back(
    sqlite_store: Store, clock: Clock, http: httpx.AsyncClient, host: str
) -> None:
    route = respx.post(HOOK).respond(200)
    for url in (f"http://{host}/hook", HOOK):
        created = await sqlite_store.create_interrupt(new_interrupt(), clock())
        await set_callback(sqlite_store, created.interrupt_id, url)
        await sqlite_store.decide_interrupt(created.interrupt_id, APPROVED, clock(), "somebody")

    await Webhooks(sqlite_store, clock, http, allow_loopback=True).deliver_due()

    assert route.call_count == 1


@respx.mock
async def test_callback_that_cannot_be_settled_waits_for_its_lease_to_end(
    sqlite_store: Store,
    clock: Clock,
    http: httpx.AsyncClient,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    respx.post(HOOK).respond(200)
    created = await sqlite_store.create_interrupt(new_interrupt(callback_url=HOOK), clock())
    await sqlite_store.decide_interrupt(created.interrupt_id, APPROVED, clock(), "somebody")

    async def locked(interrupt_id: str) -> None:
        raise UnavailableError("The database is locked")

    with monkeypatch.context() as away:
        away.setattr(sqlite_store.outbox, "settle_callback", locked)
        await Webhooks(sqlite_store, clock, http, allow_loopback=True).deliver_due()
    clock.advance(21)

    assert caplog.messages == [f"Callback of {created.interrupt_id} waits: The database is locked"]
    assert len(await sqlite_store.outbox.take_due_callbacks(clock(), lease_ms=1, limit=5)) == 1
