"""Databases of an earlier version: after the upgrade, everything is there, with a trail."""

import hashlib
import importlib.util
import json
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import anyio
import pytest

from loopin_mcp.api.audit.digests import payload_digest
from loopin_mcp.api.audit.events import outcome_of
from loopin_mcp.api.audit.trail import chain_fault
from loopin_mcp.api.database.migrations import SCHEMA_VERSION, SCHEMAS
from loopin_mcp.api.database.steps import Database
from loopin_mcp.api.store.keeping.upgrades import MANY
from loopin_mcp.api.store.opening import open_sqlite
from loopin_mcp.api.store.search import Search
from loopin_mcp.api.store.store import Store
from loopin_mcp.errors import ConfigurationError, UnavailableError
from loopin_mcp.wire.models import Decision
from tests.support import (
    AGENT,
    MOMENT,
    PUBLIC_URL,
    REVIEWER,
    START_TIMEOUT_S,
    Clock,
    missing,
    new_interrupt,
    take_due,
)
from tests.support.earlier import Earlier, EarlierPostgreSQL, EarlierSQLite, interrupt

# It is killed as soon as it reports that the upgrade has begun.
BEGIN = """
import anyio, logging, os, signal, sys
from pathlib import Path
from loopin_mcp.api.store.opening import open_database
class Fatal(logging.StreamHandler):
    def emit(self, record):
        super().emit(record)
        os.kill(os.getpid(), signal.SIGKILL)
logging.basicConfig(level=logging.INFO, handlers=[Fatal()])
anyio.run(open_database, sys.argv[1], Path())
"""
HOOK = "https://example.com/hook?token=marker"
GOLDEN = Path(__file__).parents[2] / "golden"
# The first digits of the SHA-256 of each script.
SCRIPTS = {
    "1.sql": "928c9dd19549a828",
    "2.end.postgresql.sql": "8007bcb75bb61bb9",
    "2.end.sql": "1e2fbe40594d88ca",
    "2.end.sqlite.sql": "84d0e01409ca13e4",
    "2.postgresql.sql": "2880141f66a5b506",
    "2.sql": "c57591360a476692",
    "2.sqlite.sql": "0b86b88a18b6438d",
    "3.sql": "784f7fa0d4421895",
}


@pytest.fixture(params=["sqlite", "postgresql"])
def earlier(request: pytest.FixtureRequest, tmp_path: Path) -> Earlier:
    """An empty database of an earlier version, of each kind."""
    if request.param == "sqlite":
        return EarlierSQLite(tmp_path / "loopin.db")
    url = request.getfixturevalue("postgres_url")
    if importlib.util.find_spec("psycopg") is None:
        missing("psycopg")
    return EarlierPostgreSQL(url)


async def trails_of(database: Database, count: int) -> list[list[str]]:
    """The event types of this many interrupts; their chains are checked."""
    store = Store(database, PUBLIC_URL)
    rows = await database.read("SELECT interrupt_id FROM interrupts ORDER BY interrupt_id")
    assert len(rows) == count
    trails = []
    for row in rows:
        events = await store.list_events(str(row["interrupt_id"]))
        found = await store.get_interrupt_status(str(row["interrupt_id"]))
        assert chain_fault(events) is None
        assert found.events_head == events[-1].hash
        assert found.payload_digest == payload_digest(found)
        trails.append([event.type for event in events])
    return trails


async def test_interrupts_of_version_1_are_in_the_inbox_and_the_history(
    earlier: Earlier, clock: Clock
) -> None:
    now = clock()
    ended = {"status": "approved", "decided_ms": now - 1000, "decided_by": "api-key"}
    rows = [
        interrupt("1", now, action="ÜBERWEISE"),
        interrupt("2", now, **ended),
        interrupt("3", now, status="expired", expires_ms=now - 2000),
        # Version 1 did not store the time of a cancellation.
        interrupt("4", now, status="cancelled", created_ms=now - 3000),
    ]
    earlier.make(1, rows)

    database = await earlier.open()
    store = Store(database, PUBLIC_URL, clock)
    waiting = await store.overview.list_inbox(Search(q="über AMOUNT"), limit=5)
    history = await store.history.list_settled(Search(q="amount"), limit=5)
    await database.aclose()

    assert [each.interrupt.action for each in waiting.waiting] == ["ÜBERWEISE"]
    assert [
        (each.interrupt.status, round(each.settled_at.timestamp() * 1000) - now)
        for each in history.settled
    ] == [("approved", -1000), ("expired", -2000), ("cancelled", -3000)]


async def test_every_state_is_kept_and_begins_its_trail(earlier: Earlier, clock: Clock) -> None:
    now = clock()
    decided = {"decided_ms": now - 5, "reason": "Ö", "modified_params": json.dumps({"amount": 2})}
    rows = [
        interrupt("1", now),
        interrupt("2", now, expires_ms=now - 1),
        interrupt("3", now, status="approved", decided_by="review-link", **decided),
        interrupt("4", now, status="rejected", decided_by="inbox", **decided),
        interrupt("5", now, status="approved", decided_by="api-key", **decided),
        interrupt("6", now, status="expired", expires_ms=now - 2),
        interrupt("7", now, status="cancelled"),
    ]
    earlier.make(1, rows)

    database = await earlier.open()
    store = Store(database, PUBLIC_URL, clock)
    found = [await store.get_interrupt_status(str(number)) for number in range(1, 8)]
    trails = await trails_of(database, 7)
    await store.expire_interrupts()
    [begun, expired] = await store.list_events("2")
    figures = await store.get_interrupt_analytics("user")
    await database.aclose()

    assert [(each.status, each.decided_via) for each in found] == [
        ("pending", None),
        ("expired", None),
        ("approved", "review-page"),
        ("rejected", "inbox"),
        ("approved", "api"),
        ("expired", None),
        ("cancelled", None),
    ]
    assert (found[2].reason, found[2].modified_params) == ("Ö", {"amount": 2})
    assert found[0].context == {"amount": 1, "note": "Ü"}
    statuses = {"approved": 2, "cancelled": 1, "expired": 2, "pending": 1, "rejected": 1}
    assert (figures.by_status, figures.p95_response_time_ms) == (statuses, 9995)
    assert trails == [["migrated"]] * 7
    assert (begun.actor, begun.channel, begun.detail["status"]) == ("loopin", "system", "pending")
    assert expired.type == "expired"


async def test_callbacks_that_are_owed_are_still_told(earlier: Earlier, clock: Clock) -> None:
    now = clock()
    decided = {"status": "approved", "decided_ms": now - 5, "callback_url": HOOK}
    rows = [
        interrupt("waits", now, callback_url=HOOK),
        interrupt("told", now, **decided),
        interrupt("due", now, **decided, callback_due_ms=now - 5),
        interrupt("tried", now, **decided, callback_due_ms=now + 9_000_000, callback_tries=9),
    ]
    earlier.make(1, rows)

    database = await earlier.open()
    clock.now = 2**42
    store = Store(database, PUBLIC_URL, clock)
    due = await take_due(store, lease_ms=1000, limit=9)
    trails = {each.interrupt_id: await store.get_trail(each.interrupt_id) for each in due}
    await database.aclose()

    assert trails.keys() == {"due", "tried"}
    for outcome, trail in trails.values():
        assert (outcome.status, outcome.decided_at) == (
            "approved",
            MOMENT - timedelta(milliseconds=5),
        )
        assert outcome_of(trail.events) == trail.events[0]
        assert (trail.fault(), trail.row["callback_url"]) == (None, HOOK)


async def test_many_who_open_it_at_once_begin_one_trail(earlier: Earlier, clock: Clock) -> None:
    earlier.make(1, [interrupt(str(number), clock()) for number in range(50)])
    opened: list[Database] = []

    async def open_it() -> None:
        opened.append(await earlier.open())

    async with anyio.create_task_group() as programs:
        for _ in range(4):
            programs.start_soon(open_it)

    trails = await trails_of(opened[0], 50)
    for database in opened:
        await database.aclose()
    assert trails == [["migrated"]] * 50


@pytest.mark.subprocess
@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no kill -9")
async def test_migration_that_is_killed_is_done_by_the_next(
    earlier: Earlier, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "loopin_mcp")
    earlier.make(1, [interrupt(str(number), clock()) for number in range(MANY)])
    killed = subprocess.run(
        [sys.executable, "-c", BEGIN, earlier.url],
        capture_output=True,
        text=True,
        timeout=START_TIMEOUT_S,
        check=False,
    )

    database = await earlier.open()
    trails = await trails_of(database, MANY)
    await database.aclose()

    assert f"a trail is begun for {MANY} interrupts" in killed.stderr
    assert killed.returncode == -signal.SIGKILL
    assert trails == [["migrated"]] * MANY
    assert f"a trail is begun for {MANY} interrupts" in caplog.text


@pytest.mark.parametrize("context", ["{", "null"])
async def test_damaged_interrupt_keeps_no_other_from_being_read(
    earlier: Earlier, clock: Clock, caplog: pytest.LogCaptureFixture, context: str
) -> None:
    earlier.make(1, [interrupt("damaged", clock(), context=context), interrupt("whole", clock())])

    database = await earlier.open()
    store = Store(database, PUBLIC_URL, clock)
    whole = await store.get_interrupt_status("whole")
    with pytest.raises(UnavailableError, match="of interrupt damaged is damaged"):
        await store.get_interrupt_status("damaged")
    await database.aclose()

    assert whole.status == "pending"
    assert "of interrupt damaged is damaged, and gets no trail" in caplog.text


async def test_newer_database_is_refused_by_name(earlier: Earlier) -> None:
    earlier.make(SCHEMA_VERSION + 1, [])

    newer = f"has schema version {SCHEMA_VERSION + 1}, and .* knows {SCHEMA_VERSION}: update"
    with pytest.raises(ConfigurationError, match=newer):
        await earlier.open()


async def test_database_of_version_2_still_works(earlier: Earlier) -> None:
    earlier.make(2, [])

    database = await earlier.open()
    store = Store(database, PUBLIC_URL)
    created = await store.create_interrupt(new_interrupt(), AGENT)
    await store.decide_interrupt(created.interrupt_id, Decision(decision="approved"), REVIEWER)
    trails = await trails_of(database, 1)
    await database.aclose()

    assert trails == [["created", "decided"]]


def test_scripts_that_made_databases_elsewhere_stay_as_they_were() -> None:
    scripts = {path.name: path.read_bytes() for path in SCHEMAS.iterdir()}
    found = {name: hashlib.sha256(text).hexdigest()[:16] for name, text in scripts.items()}

    assert found == SCRIPTS, "changes of the schema need a script of the next version"


async def test_database_that_version_0_1_0_wrote_still_opens(tmp_path: Path, clock: Clock) -> None:
    path = tmp_path / "api.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript((GOLDEN / "0.1.0.sql").read_text("utf-8"))
    # A moment after the last interrupt was created.
    clock.now = 1_795_913_930_000

    database = await open_sqlite(path)
    store = Store(database, PUBLIC_URL, clock)
    history = await store.history.list_settled(Search(q="4200"), limit=9)
    [pending] = (await store.list_pending_interrupts("accounts-payable")).interrupts
    await store.decide_interrupt(pending.interrupt_id, Decision(decision="approved"), REVIEWER)
    trails = await trails_of(database, 6)
    # The callback became due when the database was opened, by the clock of this machine.
    clock.now = 2**42
    [owed] = await take_due(store)
    outcome, trail = await store.get_trail(owed.interrupt_id)
    await database.aclose()

    assert {(each.interrupt.action, each.interrupt.status) for each in history.settled} == {
        ("Approved before", "approved"),
        ("Rejected before", "rejected"),
        ("Cancelled before", "cancelled"),
        ("Expired before", "expired"),
        ("Callback owed", "approved"),
    }
    assert sorted(trails) == [["migrated"]] * 5 + [["migrated", "decided"]]
    assert (trail.row["callback_url"], outcome.status) == (
        "https://example.invalid/hook",
        "approved",
    )
