"""The database refuses changes of requests, outcomes and events."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from loopin_mcp.api.database.sqlite import SQLite
from loopin_mcp.api.database.steps import Database, Value, execute
from loopin_mcp.api.store.opening import open_database
from loopin_mcp.api.store.store import Store
from loopin_mcp.errors import UnavailableError
from loopin_mcp.wire.models import Decision
from tests.support import AGENT, PUBLIC_URL, REVIEWER, Clock, new_interrupt

ASKED: Mapping[str, Value] = {
    "interrupt_id": "another",
    "agent_id": "another",
    "user_id": "another",
    "action": "Pay more",
    "context": '{"amount": 1}',
    "urgency": "low",
    "created_ms": 1,
    "expires_ms": 4_000_000_000_000,
    "callback_url": "https://example.com/",
    "payload_digest": "0" * 64,
    "ordinal": 9,
    "editable": "[]",
    "options": "{}",
}
SETTLED: Mapping[str, Value] = {
    "status": "rejected",
    "settled_ms": 1,
    "decided_ms": 1,
    "decided_by": "another",
    "decided_via": "inbox",
    "reason": "Another",
    "modified_params": "{}",
}
EVENT: Mapping[str, Value] = {
    "sequence": 9,
    "type": "cancelled",
    "at_ms": 1,
    "actor": "another",
    "channel": "inbox",
    "detail": "{}",
    "previous_hash": "0" * 64,
    "hash": "0" * 64,
}


async def ask(store: Store) -> str:
    """Create an interrupt; returns its id."""
    return (await store.create_interrupt(new_interrupt(), AGENT)).interrupt_id


async def decide(store: Store) -> str:
    """Create and decide an interrupt; returns its id."""
    interrupt_id = await ask(store)
    approved = Decision(decision="approved", reason="Fine")
    await store.decide_interrupt(interrupt_id, approved, REVIEWER)
    return interrupt_id


async def refused(database: Database, change: str, values: Mapping[str, Value]) -> list[str]:
    """The columns that the database refuses to change to these values."""
    found = []
    for column, value in values.items():
        with pytest.raises(UnavailableError):
            await execute(database, change.format(column), value=value)
        found.append(column)
    return found


async def test_what_was_asked_cannot_be_changed(database: Database, store: Store) -> None:
    before = await store.get_interrupt_status(await ask(store))

    change = "UPDATE interrupts SET {} = :value, event_count = event_count + 1"
    assert await refused(database, change, ASKED) == list(ASKED)

    assert await store.get_interrupt_status(before.interrupt_id) == before


async def test_outcome_cannot_be_changed(database: Database, store: Store) -> None:
    before = await store.get_interrupt_status(await decide(store))

    change = "UPDATE interrupts SET {} = :value, event_count = event_count + 1"
    assert await refused(database, change, SETTLED) == list(SETTLED)

    assert await store.get_interrupt_status(before.interrupt_id) == before


@pytest.mark.parametrize("claim", ["", ", event_count = event_count + 1"])
async def test_outcome_cannot_come_without_its_event(
    database: Database, store: Store, claim: str
) -> None:
    interrupt_id = await ask(store)

    change = f"UPDATE interrupts SET {{}} = :value{claim}"  # noqa: S608 - constants alone
    assert await refused(database, change, SETTLED) == list(SETTLED)

    assert (await store.get_interrupt_status(interrupt_id)).status == "pending"


async def test_event_cannot_be_changed(database: Database, store: Store) -> None:
    interrupt_id = await decide(store)
    before = await store.list_events(interrupt_id)

    change = "UPDATE events SET {} = :value"
    assert await refused(database, change, EVENT) == list(EVENT)

    assert await store.list_events(interrupt_id) == before


async def test_event_cannot_be_deleted_while_its_interrupt_is_there(
    database: Database, store: Store
) -> None:
    interrupt_id = await decide(store)

    with pytest.raises(UnavailableError):
        await execute(database, "DELETE FROM events WHERE sequence = 2")

    assert len(await store.list_events(interrupt_id)) == 2


@pytest.mark.parametrize("table", ["interrupts", "events"])
async def test_tables_cannot_be_emptied_on_postgresql(
    empty_postgres_url: str, clock: Clock, table: str
) -> None:
    database = await open_database(empty_postgres_url, Path())
    store = Store(database, PUBLIC_URL, clock)
    interrupt_id = await ask(store)

    with pytest.raises(UnavailableError):
        await execute(database, f"TRUNCATE {table}")

    assert len(await store.list_events(interrupt_id)) == 1
    await database.aclose()


async def test_nothing_is_put_in_the_place_of_what_is_there(
    database: Database, store: Store
) -> None:
    interrupt_id = await decide(store)
    before = await store.get_interrupt_status(interrupt_id)
    events = await store.list_events(interrupt_id)

    for table in ("interrupts", "events"):
        copy = f"INTO {table} SELECT * FROM {table} WHERE TRUE"  # noqa: S608 - constants alone
        replace = f"INSERT OR REPLACE {copy}"
        if not isinstance(database, SQLite):
            column = "action" if table == "interrupts" else "type"
            key = "interrupt_id" if table == "interrupts" else "interrupt_id, sequence"
            replace = f"INSERT {copy} ON CONFLICT ({key}) DO UPDATE SET {column} = 'another'"
        with pytest.raises(UnavailableError):
            await execute(database, replace)

    assert await store.get_interrupt_status(interrupt_id) == before
    assert await store.list_events(interrupt_id) == events


@pytest.mark.parametrize(
    "changes", ["status = 'approved'", "event_count = 1", "payload_digest = ''"]
)
async def test_interrupt_begins_pending_and_with_its_digest(
    database: Database, store: Store, changes: str
) -> None:
    await ask(store)
    column, value = changes.split(" = ")
    [row] = await database.read("SELECT * FROM interrupts")
    begun = {**row, "interrupt_id": "another", "status": "pending", "event_count": 0}
    names = ", ".join(begun)
    values = ", ".join(value if name == column else f":{name}" for name in begun)
    given = {name: begun[name] for name in begun if name != column}

    with pytest.raises(UnavailableError):
        await execute(database, f"INSERT INTO interrupts ({names}) VALUES ({values})", **given)  # noqa: S608

    assert len(await database.read("SELECT * FROM interrupts")) == 1
