"""Deletion by age: with the events, recorded, and never before the callback is done."""

import logging
from functools import partial
from pathlib import Path

import pytest

from loopin_mcp.api.audit.audit_keys import NO_KEYS
from loopin_mcp.api.clock import moment
from loopin_mcp.api.database.steps import Database
from loopin_mcp.api.serving.housekeeping import clean_up
from loopin_mcp.api.store.creation import IdempotencyKey
from loopin_mcp.api.store.keeping.retention import DELETED_AT_ONCE, _delete_one
from loopin_mcp.api.store.opening import open_sqlite
from loopin_mcp.api.store.store import Store
from loopin_mcp.errors import NotFoundError
from loopin_mcp.wire.fields import format_time
from loopin_mcp.wire.models import Decision
from tests.support import AGENT, PUBLIC_URL, REVIEWER, Clock, api_client, new_interrupt, take_due

APPROVED = Decision(decision="approved")
DAY_S = 86_400
HOOK = "http://127.0.0.1:9/hook"


async def settled(store: Store, **changes: object) -> str:
    """Create and decide an interrupt; returns its id."""
    created = await store.create_interrupt(new_interrupt(**changes), AGENT)
    await store.decide_interrupt(created.interrupt_id, APPROVED, REVIEWER)
    return created.interrupt_id


async def kept(database: Database, table: str) -> list[object]:
    rows = await database.read(
        f"SELECT DISTINCT interrupt_id FROM {table} ORDER BY interrupt_id"  # noqa: S608 - a constant
    )
    return [row["interrupt_id"] for row in rows]


async def test_what_was_settled_long_ago_is_gone_with_its_events(
    store: Store, database: Database, clock: Clock
) -> None:
    old = await settled(store)
    head = (await store.get_interrupt_status(old)).events_head
    pending = await store.create_interrupt(new_interrupt(expires_in=30 * DAY_S), AGENT)
    clock.advance(0.001)
    young = await settled(store)
    clock.advance(7 * DAY_S - 0.001)

    await clean_up(store, 7)

    stay = sorted([pending.interrupt_id, young])
    assert await kept(database, "interrupts") == stay
    assert await kept(database, "events") == stay
    record = {"interruptId": old, "deletedAt": format_time(moment(clock())), "eventsHead": head}
    assert await database.read("SELECT * FROM deletions") == [
        {
            "interrupt_id": old,
            "deleted_ms": clock(),
            "events_head": head,
            "hash": NO_KEYS.hash_of(record),
        }
    ]


async def test_deleted_interrupt_is_not_found_any_more(store: Store, clock: Clock) -> None:
    old = await settled(store)
    clock.advance(DAY_S)
    await clean_up(store, 1)

    async with api_client(store) as api:
        answers = [
            await api.get(path)
            for path in (f"/interrupts/{old}", f"/interrupts/{old}/events", f"/review/{old}")
        ]
        figures = (await api.get("/analytics/user-1")).json()

    assert [answer.status_code for answer in answers] == [404, 404, 404]
    assert figures["totalInterrupts"] == 0


async def test_interrupt_stays_until_its_callback_is_told(store: Store, clock: Clock) -> None:
    old = await settled(store, callback_url=HOOK)
    clock.advance(2 * DAY_S)

    await clean_up(store, 1)
    assert (await store.get_interrupt_status(old)).status == "approved"
    [callback] = await take_due(store, lease_ms=1, limit=1)
    await store.deliveries.settle(callback, ("callback-delivered", {}))
    await clean_up(store, 1)

    with pytest.raises(NotFoundError):
        await store.get_interrupt_status(old)


async def test_all_is_kept_where_no_age_is_set(
    store: Store, database: Database, clock: Clock
) -> None:
    old = await settled(store)
    clock.advance(3650 * DAY_S)

    await clean_up(store, None)

    assert await kept(database, "interrupts") == [old]


async def test_clock_that_was_set_back_makes_nothing_old(
    store: Store, database: Database, clock: Clock
) -> None:
    created = await store.create_interrupt(new_interrupt(), AGENT)
    clock.advance(-365 * DAY_S)
    await store.decide_interrupt(created.interrupt_id, APPROVED, REVIEWER)
    clock.advance(365 * DAY_S)

    await clean_up(store, 30)

    assert await kept(database, "interrupts") == [created.interrupt_id]


async def test_idempotency_key_is_forgotten_after_its_day(
    store: Store, database: Database, clock: Clock
) -> None:
    for name in ("old", "young"):
        key = IdempotencyKey("api-key", name)
        await store.create_interrupt_once(new_interrupt(), AGENT, key)
        clock.advance(1)
    clock.advance(DAY_S - 2)

    await clean_up(store, None)

    rows = await database.read("SELECT idempotency_key FROM idempotency_keys")
    assert rows == [{"idempotency_key": "young"}]


async def test_log_has_one_line_for_all_that_a_run_deletes(
    store: Store, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, logger="loopin_mcp")
    for _ in range(DELETED_AT_ONCE + 1):
        await settled(store)
    clock.advance(2 * DAY_S)

    await clean_up(store, 2)
    await clean_up(store, 2)

    assert [record.message for record in caplog.records] == [
        f"Deleted {DELETED_AT_ONCE + 1} interrupts settled 2 or more days ago"
    ]


async def test_nothing_of_what_is_deleted_stays_in_the_file(tmp_path: Path, clock: Clock) -> None:
    database = await open_sqlite(tmp_path / "loopin.db")
    store, secret = Store(database, PUBLIC_URL, clock), "That nobody may read for ever"
    await settled(store, action=secret, context={"note": secret * 1000})
    clock.advance(DAY_S)

    await clean_up(store, 1)
    await database.aclose()

    assert [path for path in tmp_path.iterdir() if secret.encode() in path.read_bytes()] == []


async def test_what_is_gone_or_young_again_meanwhile_is_not_deleted(
    store: Store, database: Database, clock: Clock
) -> None:
    """Another process may have deleted it since it was found."""
    interrupt_id = await settled(store)

    for each in ("nobody", interrupt_id):
        steps = partial(_delete_one, NO_KEYS, each, 0, clock())
        assert await database.transact(steps) == 0

    assert await kept(database, "interrupts") == [interrupt_id]
    assert await kept(database, "deletions") == []
