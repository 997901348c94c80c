"""A damaged interrupt affects no others, and is reported as damaged."""

from pathlib import Path

import pytest

from loopin_mcp.api.database.rows import short_id
from loopin_mcp.api.database.steps import Database, execute
from loopin_mcp.api.serving.housekeeping import clean_up
from loopin_mcp.api.store.opening import open_sqlite
from loopin_mcp.api.store.outbox import ChannelDigests
from loopin_mcp.api.store.store import EXPIRED_AT_ONCE, Store
from loopin_mcp.settings.settings import Settings
from loopin_mcp.wire.models import Decision
from tests.support import AGENT, PUBLIC_URL, REVIEWER, Clock, api_client, new_interrupt, take_due
from tests.support.auditing import audited, edit
from tests.support.receiver import channels_to, deliver_due, outbox_to, receiving

HOOK = "https://203.0.113.7/hook"
CHANGE = "UPDATE interrupts SET"
DAMAGES = [
    "context = 'null'",
    "context = '{'",
    "context = '[1]'",
    """context = '{"a": "\\ud800"}'""",
    "modified_params = '1'",
    "editable = '[1]'",
    "status = 'odd', settled_ms = 1",
    "settled_ms = 400000000000000000",
]


async def ask(store: Store, action: str, **changes: object) -> str:
    created = await store.create_interrupt(new_interrupt(action=action, **changes), AGENT)
    return created.interrupt_id


@pytest.mark.parametrize("damage", DAMAGES)
async def test_damaged_interrupt_takes_no_list_with_it(
    store: Store,
    database: Database,
    caplog: pytest.LogCaptureFixture,
    damage: str,
) -> None:
    damaged = {}
    for kind in ("waits", "is settled"):
        damaged[kind] = await ask(store, f"damaged, and {kind}")
        whole = await ask(store, f"whole, and {kind}")
    for interrupt_id in (damaged["is settled"], whole):
        await store.decide_interrupt(interrupt_id, Decision(decision="approved"), REVIEWER)
    for interrupt_id in damaged.values():
        await edit(database, interrupt_id, f"{CHANGE} {damage} WHERE TRUE")

    async with api_client(store) as browser:
        answers = [await browser.get("/") for _ in range(2)]
        answers.append(await browser.get("/history"))
        pending = await browser.get("/interrupts/pending/user-1")
        page = await browser.get(f"/review/{damaged['is settled']}")

    assert [answer.status_code for answer in (*answers, pending)] == [200] * 4
    assert all("whole, and is settled" in answer.text for answer in answers)
    assert all("whole, and waits" in answer.text for answer in (*answers[:2], pending))
    assert "damaged, and is settled" not in answers[0].text
    assert page.status_code in (200, 503)
    assert caplog.text.count(f"{damaged['is settled']} is damaged, and is left out") == 1
    if "status" not in damage:
        assert damaged["waits"] not in caplog.text


async def test_audit_names_what_is_damaged(
    store: Store, database: Database, settings: Settings
) -> None:
    interrupt_id = await ask(store, "damaged")
    await edit(database, interrupt_id, f"{CHANGE} context = 'null' WHERE TRUE")

    _, said = await audited(settings)

    assert said[0] == f"{short_id(interrupt_id)}: its stored data cannot be read."


@pytest.mark.parametrize("damage", ["context = '{'", "created_ms = -9000000000000000000"])
async def test_damaged_interrupt_is_not_decided(
    store: Store, database: Database, damage: str
) -> None:
    interrupt_id = await ask(store, "damaged")
    await edit(database, interrupt_id, f"{CHANGE} {damage} WHERE TRUE")

    async with api_client(store) as api:
        path = f"/interrupts/{interrupt_id}"
        decided = await api.post(f"{path}/decide", json={"decision": "approved"})
        events = (await api.get(f"{path}/events")).json()
        cancelled = await api.delete(path)

    assert (decided.status_code, cancelled.status_code, len(events)) == (503, 503, 1)


@pytest.mark.parametrize(
    ("damage", "is_told"),
    [
        ("context = '{'", True),
        ("callback_url = 'no-url'", False),
        ("callback_url = 'http://[::'", False),
        ("expires_ms = -9000000000000000000", False),
    ],
)
async def test_damaged_interrupt_keeps_no_other_from_expiring(
    store: Store,
    database: Database,
    clock: Clock,
    caplog: pytest.LogCaptureFixture,
    damage: str,
    is_told: bool,
) -> None:
    ids = [await ask(store, "Pay", expires_in=1, callback_url=HOOK) for _ in range(3)]
    await edit(database, sorted(ids)[1], f"{CHANGE} {damage} WHERE TRUE")
    clock.advance(1)

    for _ in range(2):
        await store.expire_interrupts()

    due = await take_due(store, lease_ms=1, limit=9)
    assert {each.interrupt_id for each in due} == {
        each for each in ids if is_told or each != sorted(ids)[1]
    }
    for each in due:
        assert (await store.list_events(each.interrupt_id))[-1].type == "expired"
    assert caplog.text.count("is damaged") <= 1


async def test_any_number_of_damaged_interrupts_keeps_no_other_from_expiring(
    store: Store, database: Database, clock: Clock
) -> None:
    for _ in range(EXPIRED_AT_ONCE + 1):
        first = await ask(store, "damaged", expires_in=1)
    await edit(database, first, f"{CHANGE} expires_ms = -9000000000000000000 WHERE TRUE")
    await execute(database, "UPDATE interrupts SET expires_ms = -9000000000000000000")
    whole = await ask(store, "Pay", expires_in=1, callback_url=HOOK)
    clock.advance(1)

    await store.expire_interrupts()

    assert [due.interrupt_id for due in await take_due(store)] == [whole]


async def test_request_whose_events_are_gone_is_shown_as_such(
    store: Store, database: Database
) -> None:
    interrupt_id = await ask(store, "Pay")
    await edit(database, interrupt_id, "DELETE FROM events WHERE TRUE")

    async with api_client(store) as browser:
        events = await browser.get(f"/interrupts/{interrupt_id}/events")
        page = await browser.get(f"/review/{interrupt_id}")

    assert page.status_code == 200
    assert "</strong> it has no events." in page.text
    assert (events.status_code, events.json()) == (200, [])


@pytest.mark.parametrize(
    ("damage", "status"), [("event_count = 'x'", 409), ("created_ms = 'x'", 503)]
)
async def test_damage_that_postgresql_would_not_take_is_no_fault_of_the_api(
    tmp_path: Path, clock: Clock, damage: str, status: int
) -> None:
    database = await open_sqlite(tmp_path / "damaged.db")
    store = Store(database, PUBLIC_URL, clock)
    interrupt_id = await ask(store, "damaged")
    await edit(database, interrupt_id, f"{CHANGE} {damage} WHERE TRUE")

    path = f"/interrupts/{interrupt_id}"
    async with api_client(store) as api:
        answers = [
            await api.post(f"{path}/decide", json={"decision": "approved"}),
            await api.delete(path),
        ]
        page = await api.get(f"/review/{interrupt_id}")

    assert [answer.status_code for answer in answers] == [status] * 2
    assert page.status_code in (200, 503)
    await database.aclose()


@pytest.mark.parametrize(
    "damage",
    [
        f"{CHANGE} created_ms = -9000000000000000000, event_count = -9 WHERE TRUE",
        "DELETE FROM interrupts WHERE TRUE",
    ],
)
async def test_callback_that_was_sent_is_not_sent_again_though_its_interrupt_is_lost(
    store: Store, database: Database, clock: Clock, damage: str
) -> None:
    interrupt_id = await ask(store, "Pay", callback_url=HOOK)
    await store.decide_interrupt(interrupt_id, Decision(decision="approved"), REVIEWER)
    [callback] = await take_due(store, lease_ms=1, limit=1)
    await edit(database, interrupt_id, damage)

    await store.deliveries.settle(callback, ("callback-delivered", {}))

    clock.advance(60)
    assert await take_due(store, lease_ms=1, limit=1) == []


async def test_notification_of_a_damaged_interrupt_keeps_no_other_from_being_sent(
    store: Store, database: Database
) -> None:
    with receiving() as receiver:
        outbox = outbox_to(store, channels_to(receiver.url))
        damaged = await ask(store, "damaged")
        await ask(store, "whole")
        await edit(database, damaged, f"{CHANGE} context = '{{' WHERE TRUE")

        await deliver_due(outbox)

        [message] = receiver.messages
    assert message["message"].startswith("`whole`")


async def test_decision_without_its_time_is_counted_and_takes_no_figures_with_it(
    store: Store, database: Database, clock: Clock
) -> None:
    ids = [await ask(store, "Pay") for _ in range(2)]
    clock.advance(2)
    for interrupt_id in ids:
        await store.decide_interrupt(interrupt_id, Decision(decision="approved"), REVIEWER)
    await edit(database, ids[0], f"{CHANGE} decided_ms = NULL WHERE TRUE")

    async with api_client(store) as api:
        figures = (await api.get("/analytics/user-1")).json()

    assert figures["byStatus"] == {"approved": 2}
    times = ("avgResponseTimeMs", "p50ResponseTimeMs", "p95ResponseTimeMs")
    assert [figures[name] for name in times] == [2000.0] * 3


NO_TEXT = "CAST(x'7b22ff227d' AS TEXT)"


@pytest.mark.parametrize(
    "column",
    [
        "interrupt_id",
        "agent_id",
        "user_id",
        "action",
        "action_type",
        "context",
        "urgency",
        "status",
        "callback_url",
        "search_text",
        "payload_digest",
        "events_head",
    ],
)
async def test_what_is_no_text_any_more_keeps_nobody_from_the_rest(
    tmp_path: Path, clock: Clock, caplog: pytest.LogCaptureFixture, column: str
) -> None:
    database = await open_sqlite(tmp_path / "damaged.db")
    store = Store(database, PUBLIC_URL, clock, channels=ChannelDigests(("phone",)))
    ids = [
        await ask(store, "Pay", expires_in=lasts_s, callback_url=f"{HOOK}?token=s3cret")
        for lasts_s in (1, 1, 900, 900)
    ]
    for damaged in (ids[0], ids[2]):
        # Ids are unique.
        no_text = NO_TEXT if column != "interrupt_id" else f"interrupt_id || {NO_TEXT}"
        await edit(database, damaged, f"{CHANGE} {column} = {no_text} WHERE TRUE")
    clock.advance(2)

    await store.expire_interrupts()
    async with api_client(store) as api:
        answers = [
            await api.get(path)
            for path in ("/", "/history", "/analytics", "/interrupts/pending/user-1")
        ]
        answers.append(await api.get("/analytics/user-1"))
        decided = await api.post(f"/interrupts/{ids[3]}/decide", json={"decision": "approved"})
        answers.append(await api.get(f"/interrupts/{ids[2]}"))
    due = await take_due(store, lease_ms=1, limit=9)
    clock.advance(3 * 86_400)
    await clean_up(store, 1)

    assert {answer.status_code for answer in answers} <= {200, 404, 409, 503}
    assert [answer.status_code for answer in answers[:5]] == [200] * 5
    assert decided.status_code == 200
    assert {ids[1], ids[3]} <= {callback.interrupt_id for callback in due}
    assert "s3cret" not in caplog.text + "".join(answer.text for answer in answers)
    await database.aclose()


@pytest.mark.parametrize("column", ["delivery_id", "interrupt_id", "kind", "destination", "host"])
async def test_callback_that_is_no_text_any_more_keeps_no_other_from_being_sent(
    tmp_path: Path, clock: Clock, column: str
) -> None:
    database = await open_sqlite(tmp_path / "damaged.db")
    store = Store(database, PUBLIC_URL, clock, channels=ChannelDigests(("phone",)))
    ids = [await ask(store, "Pay", callback_url=HOOK) for _ in range(3)]
    for interrupt_id in ids[:2]:
        await store.decide_interrupt(interrupt_id, Decision(decision="approved"), REVIEWER)
    # Ids are unique.
    change = f"UPDATE deliveries SET {column} = {column} || {NO_TEXT} WHERE TRUE"  # noqa: S608 - constants alone
    for damaged in (ids[0], ids[2]):
        await edit(database, damaged, change)

    due = await take_due(store, lease_ms=1, limit=9)

    assert ids[1] in {callback.interrupt_id for callback in due}
    await database.aclose()
