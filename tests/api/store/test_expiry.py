"""An expiry that cannot be stored leaves nothing of itself."""

import pytest

from loopin_mcp.api.database.steps import Database
from loopin_mcp.api.store.store import Store
from tests.support import AGENT, Clock, new_interrupt, take_due
from tests.support.auditing import HOOK, edit


@pytest.mark.parametrize(
    ("damage", "hook"),
    [
        ("callback_url = 'http://[::'", HOOK),
        ("callback_url = 'http://[::'", None),
        ("expires_ms = -9000000000000000000", HOOK),
        ("expires_ms = -9000000000000000000", None),
    ],
)
async def test_damaged_interrupt_whose_expiry_fails_stays_as_it_was(
    store: Store, database: Database, clock: Clock, damage: str, hook: str | None
) -> None:
    asked = new_interrupt(expires_in=1, callback_url=hook)
    damaged, whole = [(await store.create_interrupt(asked, AGENT)).interrupt_id for _ in range(2)]
    change = f"UPDATE interrupts SET {damage} WHERE TRUE"  # noqa: S608 - constants alone
    await edit(database, damaged, change)
    clock.advance(1)

    await store.expire_interrupts()

    events = [[event.type for event in await store.list_events(each)] for each in (damaged, whole)]
    [stored] = await database.read(
        "SELECT status, settled_ms, event_count FROM interrupts WHERE interrupt_id = :id",
        id=damaged,
    )
    due = await take_due(store)
    assert events == [["created"], ["created", "expired"]]
    assert stored == {"status": "pending", "settled_ms": None, "event_count": 1}
    assert [each.interrupt_id for each in due] == [whole] * (hook is not None)
