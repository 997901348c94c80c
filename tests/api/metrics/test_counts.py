"""The metrics of a scrape, held against what was done by hand."""

from collections.abc import AsyncIterator

import anyio
import httpx
import pytest

from loopin_mcp import Decision
from loopin_mcp.api.access.limits import Limits
from loopin_mcp.api.database.steps import Database, execute
from loopin_mcp.api.store.outcomes import Standing
from loopin_mcp.api.store.store import Store
from tests.support import (
    AGENT,
    KEY,
    PATIENCE_S,
    REVIEWER,
    Clock,
    api_client,
    new_interrupt,
)
from tests.support.auditing import edit
from tests.support.page import decide
from tests.support.questions import NEW, create
from tests.support.receiver import (
    channels_to,
    deliver_due,
    delivering,
    outbox_to,
    receiving,
)
from tests.support.scrapes import scrape
from tests.support.visitors import sign_in
from tests.support.waiters import until_waited_for

HOUR_S, DAY_S = 3600, 86_400


@pytest.fixture
async def api(store: Store) -> AsyncIterator[httpx.AsyncClient]:
    """A client with the key, on each kind of database."""
    async with api_client(store, api_key=KEY) as client:
        client.headers["X-API-Key"] = KEY
        yield client


async def test_requests_count_by_route_method_and_status(api: httpx.AsyncClient) -> None:
    for _ in range(3):
        await create(api)
    for path in ("/interrupts/one", "/interrupts/another", "/nowhere/one", "/nowhere/another"):
        await api.get(path)
    await api.post("/interrupts", json={})
    await api.get("/health", headers={"X-API-Key": ""})
    await api.get("/analytics/u", headers={"X-API-Key": "wrong"})
    await api.request("BREW", "/health")
    await api.get("/static/loopin.css")
    await api.get("/static/nothing.css")
    await api.delete("/health")

    counted = await scrape(api, "loopin_http_requests_total")

    assert counted == {
        f"loopin_http_requests_total method={method} route={route} status={status}": count
        for method, route, status, count in [
            ("POST", "/interrupts", "2xx", 3),
            ("POST", "/interrupts", "4xx", 1),
            ("GET", "/interrupts/{interrupt_id}", "4xx", 2),
            ("GET", "/health", "2xx", 1),
            ("GET", "/static", "2xx", 1),
            ("GET", "/static", "4xx", 1),
            ("DELETE", "/health", "4xx", 1),
            ("other", "/health", "4xx", 1),
            # Two unknown paths, and one request without the key.
            ("GET", "other", "4xx", 3),
        ]
    }


async def test_latencies_count_all_requests_but_those_that_wait(
    api: httpx.AsyncClient, store: Store
) -> None:
    path = f"/interrupts/{(await create(api))['interruptId']}"
    await api.get(path)
    await api.get(path)

    with anyio.fail_after(PATIENCE_S):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(lambda: api.get(path, headers={"Prefer": "wait=30"}))
            await until_waited_for(store)
            waiting = await scrape(api, "loopin_waiters")
            await api.delete(path)

    assert waiting == {"loopin_waiters kind=calls": 1, "loopin_waiters_limit": Limits().waits}
    assert await scrape(api, "loopin_waiters") == {"loopin_waiters_limit": Limits().waits}
    route = "/interrupts/{interrupt_id}"
    requests = await scrape(api, "loopin_http_requests_total method=GET")
    assert requests[f"loopin_http_requests_total method=GET route={route} status=2xx"] == 3
    times = await scrape(api, "loopin_http_request_duration_seconds_count")
    assert times[f"loopin_http_request_duration_seconds_count method=GET route={route}"] == 2
    assert times[f"loopin_http_request_duration_seconds_count method=DELETE route={route}"] == 1


async def test_decisions_count_by_channel_and_outcome(
    api: httpx.AsyncClient, store: Store, clock: Clock
) -> None:
    for urgency in ("low", "low", "medium", "high", "high", "high"):
        await create(api, urgency=urgency)
    ids = [(await create(api, urgency="low"))["interruptId"] for _ in range(7)]
    clock.advance(20)
    await api.post(f"/interrupts/{ids[0]}/decide", json={"decision": "approved"})
    clock.advance(20)
    mcp = {"X-LoopIn-Channel": "mcp"}
    for interrupt_id in ids[1:3]:
        body = {"decision": "rejected"}
        await api.post(f"/interrupts/{interrupt_id}/decide", json=body, headers=mcp)
    await sign_in(api)
    assert (await decide(api, f"/review/{ids[3]}", decision="approved")).status_code == 303
    picks = {"pick": [f"{id_} {digest}" for id_, digest in await digests(store, ids[4:6])]}
    decided = await api.post("/inbox/decide", data={"decision": "rejected", **picks})
    assert decided.status_code == 200, decided.text
    await store.cancel_interrupt(ids[6], AGENT)
    # A refused decision does not count.
    await api.post(f"/interrupts/{ids[0]}/decide", json={"decision": "rejected"})
    clock.advance(HOUR_S)
    await store.expire_interrupts()

    assert await scrape(api, "loopin_interrupts_created_total") == {
        "loopin_interrupts_created_total urgency=low": 9,
        "loopin_interrupts_created_total urgency=medium": 1,
        "loopin_interrupts_created_total urgency=high": 3,
    }
    assert await scrape(api, "loopin_decisions_total") == {
        "loopin_decisions_total channel=api outcome=approved": 1,
        "loopin_decisions_total channel=mcp outcome=rejected": 2,
        "loopin_decisions_total channel=review-page outcome=approved": 1,
        "loopin_decisions_total channel=inbox outcome=rejected": 2,
    }
    assert await scrape(api, "loopin_interrupts_undecided_total") == {
        "loopin_interrupts_undecided_total outcome=cancelled": 1,
        "loopin_interrupts_undecided_total outcome=expired": 6,
    }
    times = await scrape(api, "loopin_time_to_decision_seconds")
    assert times["loopin_time_to_decision_seconds_sum urgency=low"] == 20 + 5 * 40
    assert times["loopin_time_to_decision_seconds_count urgency=low"] == 6
    assert times["loopin_time_to_decision_seconds_bucket le=30.0 urgency=low"] == 1


async def digests(store: Store, ids: list[str]) -> list[tuple[str, str | None]]:
    return [(id_, (await store.get_interrupt_status(id_)).payload_digest) for id_ in ids]


async def test_call_that_a_standing_approval_covers_took_nobody_any_time(
    api: httpx.AsyncClient, store: Store
) -> None:
    call = {"session": "s", "tool": "Bash", "digest": "a" * 64}
    created = (await api.post("/interrupts", json=NEW | {"call": call})).json()
    standing, decision = Standing("tool", HOUR_S), Decision(decision="approved")
    await store.decide_interrupt(created["interruptId"], decision, REVIEWER, standing)
    for digest in ("b" * 64, "c" * 64, "c" * 64):
        await api.post("/interrupts", json=NEW | {"call": call | {"digest": digest}})

    assert await scrape(api, "loopin_decisions_total") == {
        "loopin_decisions_total channel=review-page outcome=approved": 1,
        "loopin_decisions_total channel=standing-approval outcome=approved": 2,
    }
    times = await scrape(api, "loopin_time_to_decision_seconds_count")
    assert times == {"loopin_time_to_decision_seconds_count urgency=medium": 1}
    created_total = await scrape(api, "loopin_interrupts_created_total")
    assert created_total == {"loopin_interrupts_created_total urgency=medium": 3}


async def test_pending_count_by_urgency_and_age(
    api: httpx.AsyncClient, store: Store, clock: Clock
) -> None:
    for wait_s, urgency in ((DAY_S, "high"), (7200, "low"), (1800, "low"), (300, "medium")):
        await store.create_interrupt(new_interrupt(urgency=urgency, expires_in=10 * DAY_S), AGENT)
        clock.advance(wait_s)
    for urgency in ("high", "high", "medium"):
        await store.create_interrupt(new_interrupt(urgency=urgency, expires_in=10 * DAY_S), AGENT)
    decided = (await store.create_interrupt(new_interrupt(), AGENT)).interrupt_id
    await store.decide_interrupt(decided, Decision(decision="approved"), REVIEWER)
    clock.advance(1)
    # It has expired, and nobody has stored that yet.
    await store.create_interrupt(new_interrupt(expires_in=1), AGENT)
    clock.advance(1)

    assert await scrape(api, "loopin_pending_interrupts") == {
        "loopin_pending_interrupts age=under 1m urgency=high": 2,
        "loopin_pending_interrupts age=under 1m urgency=medium": 1,
        "loopin_pending_interrupts age=1m to 10m urgency=medium": 1,
        "loopin_pending_interrupts age=10m to 1h urgency=low": 1,
        "loopin_pending_interrupts age=1h to 1d urgency=low": 1,
        "loopin_pending_interrupts age=over 1d urgency=high": 1,
    }
    assert await scrape(api, "loopin_oldest_pending_age_seconds") == {
        "loopin_oldest_pending_age_seconds urgency=high": DAY_S + 7200 + 1800 + 300 + 2,
        "loopin_oldest_pending_age_seconds urgency=low": 7200 + 1800 + 300 + 2,
        "loopin_oldest_pending_age_seconds urgency=medium": 300 + 2,
    }


async def test_made_up_values_in_the_database_become_no_labels(
    api: httpx.AsyncClient, store: Store, database: Database
) -> None:
    await store.create_interrupt(new_interrupt(urgency="high"), AGENT)
    edited = (await store.create_interrupt(new_interrupt(), AGENT)).interrupt_id
    await edit(database, edited, "UPDATE interrupts SET urgency = 'mine' WHERE TRUE")
    await execute(
        database,
        """
        INSERT INTO deliveries (delivery_id, interrupt_id, kind, destination, host, urgent, due_ms,
            given_up_ms) VALUES ('d', 'i', 'mine', '', '-', 0, 0, 0)
        """,
    )

    assert await scrape(api, "loopin_pending_interrupts") == {
        "loopin_pending_interrupts age=under 1m urgency=high": 1
    }
    assert "mine" not in (await api.get("/metrics")).text


async def test_outbox_counts_what_is_due_and_what_is_retried(
    api: httpx.AsyncClient, store: Store, clock: Clock
) -> None:
    with receiving(500, 204) as receiver:
        url = f"http://127.0.0.1:{receiver.server_port}/hook"
        async with delivering(store) as outbox:
            await settle_with_callback(store, url)
            await deliver_due(outbox)
            clock.advance(100)
            await settle_with_callback(store, url)
            before = await scrape(api, "loopin_outbox")
            await deliver_due(outbox)
            clock.advance(100)
            await deliver_due(outbox)
            clock.advance(2)

    assert before == {
        "loopin_outbox_deliveries kind=callback state=retrying": 1,
        "loopin_outbox_deliveries kind=callback state=new": 1,
        "loopin_outbox_oldest_age_seconds kind=callback": 100,
    }
    assert await scrape(api, "loopin_outbox") == {}
    assert await scrape(api, "loopin_deliveries_total") == {
        "loopin_deliveries_total kind=callback outcome=failed": 1,
        "loopin_deliveries_total kind=callback outcome=delivered": 2,
    }


async def settle_with_callback(store: Store, url: str) -> None:
    new = new_interrupt(callback_url=url)
    interrupt_id = (await store.create_interrupt(new, AGENT)).interrupt_id
    await store.decide_interrupt(interrupt_id, Decision(decision="approved"), REVIEWER)


async def test_notifications_wait_for_a_channel_that_answers(
    api: httpx.AsyncClient, store: Store, clock: Clock
) -> None:
    with receiving(500) as receiver:
        outbox = outbox_to(store, channels_to(receiver.url))
        await store.create_interrupt(new_interrupt(), AGENT)
        await deliver_due(outbox)
        clock.advance(5)
        failed = await scrape(api, "loopin_outbox")
        receiver.answers = [200]
        clock.advance(60)
        await deliver_due(outbox)
        clock.advance(2)

    assert failed == {
        "loopin_outbox_deliveries kind=notification state=retrying": 1,
        "loopin_outbox_oldest_age_seconds kind=notification": 5,
    }
    # The reminder that replaces it is not due yet.
    assert await scrape(api, "loopin_outbox") == {}
    assert await scrape(api, "loopin_deliveries_total") == {
        "loopin_deliveries_total kind=notification outcome=failed": 1,
        "loopin_deliveries_total kind=notification outcome=delivered": 1,
    }
