"""What an earlier version stored is all there: found, dated and in its list."""

import sqlite3
from pathlib import Path

from loopin_mcp.api.database import SQLite
from loopin_mcp.api.migrations import SCHEMAS
from loopin_mcp.api.overview import Search
from loopin_mcp.api.store import Store
from tests.support import PUBLIC_URL, Clock

ROW = """
INSERT INTO interrupts (interrupt_id, agent_id, user_id, action, action_type, context, urgency,
    status, created_ms, expires_ms, decided_ms, decided_by)
VALUES (?, 'agent', 'user', ?, 'type', '{"amount": 1}', 'high', ?, ?, ?, ?, ?)
"""


async def test_interrupts_of_version_1_are_in_the_inbox_and_the_history(
    tmp_path: Path, clock: Clock
) -> None:
    path = tmp_path / "loopin.db"
    now = clock()
    with sqlite3.connect(path) as earlier:
        earlier.executescript((SCHEMAS / "1.sql").read_text("utf-8"))
        earlier.execute("INSERT INTO schema_version VALUES (1)")
        later = now + 60_000
        rows = [
            ("1", "ÜBERWEISE", "pending", now - 9000, later, None, None),
            ("2", "approved", "approved", now - 8000, later, now - 1000, "api-key"),
            ("3", "expired", "expired", now - 7000, now - 2000, None, None),
            # When it was cancelled was not stored.
            ("4", "cancelled", "cancelled", now - 3000, later, None, None),
        ]
        earlier.executemany(ROW, rows)
    earlier.close()

    database = await SQLite.open(path)
    overview = Store(database, PUBLIC_URL).overview
    waiting = await overview.list_pending(Search(q="über AMOUNT"), now, limit=5)
    history = await overview.list_settled(Search(q="amount"), now, limit=5)
    await database.aclose()

    assert [interrupt.action for interrupt in waiting.interrupts] == ["ÜBERWEISE"]
    assert [
        (each.interrupt.status, round(each.settled_at.timestamp() * 1000) - now)
        for each in history.settled
    ] == [("approved", -1000), ("expired", -2000), ("cancelled", -3000)]
