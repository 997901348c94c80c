"""Programs of several versions on one database: none damages it for another."""

from typing import Any

import pytest

from loopin_mcp.api.audit.trail import chain_fault
from loopin_mcp.api.database.migrations import SCHEMA_VERSION
from loopin_mcp.api.database.steps import Database, execute
from loopin_mcp.api.store.store import Store
from loopin_mcp.errors import UnavailableError
from tests.support import AGENT, Clock, new_interrupt
from tests.support.earlier import interrupt

# The statements of version 1 to create, decide and cancel.
CREATE = """
    INSERT INTO interrupts (interrupt_id, agent_id, user_id, action, action_type, context, urgency,
        status, created_ms, expires_ms)
    VALUES (:interrupt_id, :agent_id, :user_id, :action, :action_type, :context, :urgency, :status,
        :created_ms, :expires_ms)
    """
DECIDE = """
    UPDATE interrupts SET status = 'approved', decided_ms = :now,
        callback_due_ms = CASE WHEN callback_url IS NOT NULL THEN :now END
    WHERE interrupt_id = :interrupt_id AND status = 'pending' AND expires_ms > :now
    """
CANCEL = """
    UPDATE interrupts SET status = 'cancelled'
    WHERE interrupt_id = :interrupt_id AND status = 'pending' AND expires_ms > :now
    """
EXPIRE = """
    UPDATE interrupts SET status = 'expired', callback_due_ms = NULL
    WHERE status = 'pending' AND expires_ms <= :now + 99999999 AND interrupt_id = :interrupt_id
    """
NEWER = f"has schema version {SCHEMA_VERSION + 1}.*update loopin-mcp"


@pytest.mark.parametrize("change", [DECIDE, CANCEL, EXPIRE])
async def test_program_of_an_earlier_version_settles_nothing(
    database: Database, store: Store, clock: Clock, change: str
) -> None:
    created = await store.create_interrupt(new_interrupt(), AGENT)

    with pytest.raises(UnavailableError):
        await execute(database, change, interrupt_id=created.interrupt_id, now=clock())

    read = await store.get_interrupt_status(created.interrupt_id)
    [event] = await store.list_events(created.interrupt_id)
    assert (read.status, read.events_head) == ("pending", event.hash)
    assert chain_fault([event]) is None


async def test_program_of_an_earlier_version_asks_nothing(
    database: Database, store: Store, clock: Clock
) -> None:
    row: dict[str, Any] = interrupt("from-version-1", clock())

    with pytest.raises(UnavailableError):
        await execute(database, CREATE, **row)

    assert (await store.get_interrupt_analytics("user")).total_interrupts == 0


async def test_program_beside_a_newer_one_that_allows_it_works(
    database: Database, store: Store, elsewhere: Store
) -> None:
    await execute(database, "INSERT INTO schema_version VALUES (:newer)", newer=SCHEMA_VERSION + 1)

    created = await store.create_interrupt(new_interrupt(), AGENT)
    await elsewhere.cancel_interrupt(created.interrupt_id, AGENT)

    assert (await store.get_interrupt_status(created.interrupt_id)).status == "cancelled"


async def test_program_beside_a_newer_one_changes_nothing(database: Database, store: Store) -> None:
    created = await store.create_interrupt(new_interrupt(), AGENT)
    await execute(database, "UPDATE schema_version SET version = :newer", newer=SCHEMA_VERSION + 1)

    with pytest.raises(UnavailableError, match=NEWER):
        await store.cancel_interrupt(created.interrupt_id, AGENT)
    with pytest.raises(UnavailableError, match=NEWER):
        await store.create_interrupt(new_interrupt(), AGENT)

    read = await store.get_interrupt_status(created.interrupt_id)
    analytics = await store.get_interrupt_analytics("user-1")
    assert (read.status, analytics.total_interrupts) == ("pending", 1)
