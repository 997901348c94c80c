"""An expiry that cannot be stored leaves no trace."""

from pathlib import Path

import pytest

from loopin_mcp.api.database.steps import Database
from loopin_mcp.api.store.opening import open_sqlite
from loopin_mcp.api.store.store import Store
from tests.support import AGENT, PUBLIC_URL, Clock, new_interrupt, take_due
from tests.support.auditing import HOOK, edit


@pytest.mark.parametrize(
    ("damage", "hook"),
    [
        ("callback_url = 'http://[::'", HOOK),
        ("callback_url = 'http://[::'", None),
        ("event_count = 0", HOOK),
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
    row = "SELECT * FROM interrupts WHERE interrupt_id = :id"
    before = await database.read(row, id=damaged)
    clock.advance(1)

    await store.expire_interrupts()

    events = [[event.type for event in await store.list_events(each)] for each in (damaged, whole)]
    due = await take_due(store)
    assert events == [["created"], ["created", "expired"]]
    assert await database.read(row, id=damaged) == before
    assert [each.interrupt_id for each in due] == [whole] * (hook is not None)


async def test_number_too_large_for_sqlite_keeps_no_other_from_expiring(
    tmp_path: Path, clock: Clock
) -> None:
    database = await open_sqlite(tmp_path / "loopin.db")
    store, asked = Store(database, PUBLIC_URL, clock), new_interrupt(expires_in=1)
    damaged, whole = [(await store.create_interrupt(asked, AGENT)).interrupt_id for _ in range(2)]
    await edit(database, damaged, f"UPDATE interrupts SET event_count = {2**63 - 1} WHERE TRUE")  # noqa: S608
    clock.advance(1)

    await store.expire_interrupts()

    events = [[event.type for event in await store.list_events(each)] for each in (damaged, whole)]
    await database.aclose()
    assert events == [["created"], ["created", "expired"]]
