"""SQLite files: shared, durable, private."""

import os
import signal
import sqlite3
import stat
import subprocess
import sys
from contextlib import closing, suppress
from pathlib import Path

import anyio.to_thread
import pytest

from loopin_mcp.api.access.actors import Actor
from loopin_mcp.api.database.sqlite_faults import fault_of
from loopin_mcp.api.database.sqlite_file import use_write_ahead_log
from loopin_mcp.api.database.steps import Database, execute
from loopin_mcp.api.store.opening import open_database, open_sqlite
from loopin_mcp.api.store.store import Store
from loopin_mcp.errors import ConfigurationError, ConflictError, UnavailableError
from loopin_mcp.wire.models import Decision
from tests.support import AGENT, PATIENCE_S, PUBLIC_URL, Clock, new_interrupt

INSERT = "INSERT INTO deletions VALUES (:id, 0, '', '')"
OPEN = """
import anyio, sys
from contextlib import closing, suppress
from pathlib import Path
from loopin_mcp.api.store.opening import open_sqlite
async def main():
    await open_sqlite(Path(sys.argv[1]))
anyio.run(main)
"""
WRITE_UNTIL_KILLED = """
import anyio, sys, uuid
from contextlib import closing, suppress
from pathlib import Path
from loopin_mcp.api.store.opening import open_sqlite
from loopin_mcp.api.store.store import Store
from tests.support import AGENT, new_interrupt
async def main():
    store = Store(await open_sqlite(Path(sys.argv[1])), "http://127.0.0.1:3002")
    async def write():
        while True:
            # A user can have at most 1,000 pending ones.
            interrupt = new_interrupt(user_id=str(uuid.uuid4()))
            created = await store.create_interrupt(interrupt, AGENT)
            sys.stdout.write(created.interrupt_id + chr(10))
            sys.stdout.flush()
    async with anyio.create_task_group() as writers:
        for _ in range(5):
            writers.start_soon(write)
anyio.run(main)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such modes")
async def test_file_and_directory_are_private(tmp_path: Path) -> None:
    path = tmp_path / "new" / "data" / "loopin.db"
    before = os.umask(0)
    try:
        database = await open_sqlite(path)
        await database.read("SELECT 1")
    finally:
        os.umask(before)

    modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in path.parent.iterdir()}
    await database.aclose()

    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert modes["loopin.db"] == 0o600
    assert set(modes.values()) == {0o600}


async def test_newer_database_is_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / "newer.db"
    newer = await open_sqlite(path)
    await execute(newer, "UPDATE schema_version SET version = 99")
    await newer.aclose()

    with pytest.raises(ConfigurationError, match=r"newer\.db has schema version 99.*update"):
        await open_sqlite(path)


@pytest.mark.parametrize("version", ["3.34.1", "3.7.17"])
async def test_sqlite_that_is_too_old_is_named_with_the_way_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: str
) -> None:
    numbers = tuple(int(number) for number in version.split("."))
    monkeypatch.setattr(sqlite3, "sqlite_version_info", numbers)
    monkeypatch.setattr(sqlite3, "sqlite_version", version)

    with pytest.raises(ConfigurationError, match=f"{version}, .* needs 3.35 or newer.* uvx"):
        await open_sqlite(tmp_path / "new" / "loopin.db")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "code",
    [sqlite3.SQLITE_IOERR_SHMMAP, sqlite3.SQLITE_IOERR_LOCK, sqlite3.SQLITE_PROTOCOL],
)
def test_file_system_without_what_sqlite_needs_is_said_to_lack_it(code: int) -> None:
    error = sqlite3.OperationalError("disk I/O error")
    error.sqlite_errorcode = code

    fault = fault_of(error)

    assert fault is not None
    assert "its file system lacks the locks or the shared memory" in fault.what
    assert "LOOPIN_DATA_DIR" in fault.remedy


async def test_file_in_place_of_the_directory_is_named_with_the_remedy(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("in the way")

    with pytest.raises(ConfigurationError, match=r"loopin\.db cannot be used: .*LOOPIN_DATA_DIR"):
        await open_sqlite(tmp_path / "data" / "loopin.db")


async def test_file_that_is_no_database_is_named_with_the_remedy(tmp_path: Path) -> None:
    path = tmp_path / "loopin.db"
    path.write_bytes(b"this is not SQLite " * 100)

    with pytest.raises(ConfigurationError, match=r"loopin\.db cannot be used: .*a backup"):
        await open_sqlite(path)


async def test_lost_lock_is_reported_and_the_next_write_succeeds(tmp_path: Path) -> None:
    path = tmp_path / "loopin.db"
    database = await open_sqlite(path, busy_timeout_s=0)
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")

    with pytest.raises(UnavailableError, match="another process keeps it locked"):
        await execute(database, INSERT, id="lost")
    other.execute("ROLLBACK")
    other.close()
    await execute(database, INSERT, id="stored")

    rows = await database.read("SELECT interrupt_id FROM deletions")
    await database.aclose()
    assert rows == [{"interrupt_id": "stored"}]


@pytest.mark.subprocess
async def test_many_processes_can_open_a_new_file_at_once(tmp_path: Path) -> None:
    command = [sys.executable, "-c", OPEN, str(tmp_path / "new" / "loopin.db")]
    copies = [subprocess.Popen(command, stderr=subprocess.PIPE) for _ in range(6)]

    outcomes = [(copy.communicate(timeout=30)[1], copy.returncode) for copy in copies]

    assert outcomes == [(b"", 0)] * 6


def test_file_that_somebody_else_sets_up_is_tried_again(tmp_path: Path) -> None:
    path = tmp_path / "new.db"
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")

    class Impatient(sqlite3.Connection):
        def execute(self, sql: str, /, *_: object) -> sqlite3.Cursor:
            try:
                return super().execute(sql)
            except sqlite3.OperationalError:
                other.execute("ROLLBACK")
                raise

    connection = sqlite3.connect(path, timeout=0, isolation_level=None, factory=Impatient)
    use_write_ahead_log(connection, busy_timeout_s=PATIENCE_S)
    [mode] = connection.execute("PRAGMA journal_mode").fetchone()
    connection.close()
    other.close()

    assert mode == "wal"


async def test_file_that_stays_locked_is_named(tmp_path: Path) -> None:
    path = tmp_path / "locked.db"
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")

    with pytest.raises(ConfigurationError, match=r"locked\.db cannot be used: .*keeps it locked"):
        await open_sqlite(path, busy_timeout_s=0)

    other.close()


async def test_two_stores_on_one_file_agree_on_a_single_winner(
    tmp_path: Path, clock: Clock
) -> None:
    databases = [await open_sqlite(tmp_path / "loopin.db") for _ in range(2)]
    stores = [Store(database, PUBLIC_URL, clock) for database in databases]
    created = await stores[0].create_interrupt(new_interrupt(), AGENT)
    won: list[str] = []
    lost: list[str] = []

    async def decide(number: int) -> None:
        try:
            await stores[number % 2].decide_interrupt(
                created.interrupt_id,
                Decision(decision="approved"),
                Actor(f"r{number}", "api"),
            )
            won.append(f"r{number}")
        except ConflictError:
            lost.append(f"r{number}")

    async with anyio.create_task_group() as reviewers:
        for number in range(10):
            reviewers.start_soon(decide, number)

    seen = {(await store.get_interrupt_status(created.interrupt_id)).decided_by for store in stores}
    for database in databases:
        await database.aclose()
    assert seen == set(won)
    assert (len(won), len(lost)) == (1, 9)


async def test_cancelled_write_is_made_whole_or_not_at_all(tmp_path: Path) -> None:
    database = await open_sqlite(tmp_path / "loopin.db")
    other = sqlite3.connect(tmp_path / "loopin.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")

    async with anyio.create_task_group() as writers:
        writers.start_soon(lambda: execute(database, INSERT, id="under way"))
        await anyio.wait_all_tasks_blocked()
        writers.start_soon(lambda: execute(database, INSERT, id="in line"))
        await anyio.wait_all_tasks_blocked()
        writers.cancel_scope.cancel()
        other.execute("ROLLBACK")
    other.close()
    await execute(database, INSERT, id="after")

    rows = await database.read("SELECT interrupt_id FROM deletions ORDER BY interrupt_id")
    await database.aclose()
    assert [row["interrupt_id"] for row in rows] == ["after", "under way"]


@pytest.mark.subprocess
@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no kill -9")
async def test_kill_loses_nothing_that_was_acknowledged(tmp_path: Path, clock: Clock) -> None:
    path = tmp_path / "loopin.db"
    acknowledged: list[str] = []
    for lines in (1, 20, 50):
        writer = subprocess.Popen(
            [sys.executable, "-c", WRITE_UNTIL_KILLED, str(path)], stdout=subprocess.PIPE, text=True
        )
        assert writer.stdout is not None
        acknowledged += [writer.stdout.readline().strip() for _ in range(lines)]
        writer.send_signal(signal.SIGKILL)
        rest, _ = writer.communicate(timeout=PATIENCE_S)
        # The last line may be cut short by the kill.
        acknowledged += [line for line in rest.splitlines() if len(line) == 36]

    database = await open_sqlite(path)
    store = Store(database, PUBLIC_URL, clock)
    found = [await store.get_interrupt_status(id_) for id_ in acknowledged]
    await database.aclose()

    assert len(acknowledged) >= 71
    assert {item.status for item in found} == {"pending"}


async def test_postgresql_without_its_extra_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    for module in ("postgres", "postgres_connections"):
        monkeypatch.delitem(sys.modules, f"loopin_mcp.api.database.{module}", raising=False)

    with pytest.raises(ConfigurationError, match=r"uv tool install 'loopin-mcp\[server\] @ git"):
        await open_database("postgresql://loopin@127.0.0.1/loopin", tmp_path)


async def test_percent_sign_beside_a_parameter_stands_for_itself(database: Database) -> None:
    sql = "SELECT 7 % 4 AS rest, '100%' AS text, '%s %(x)s' AS more WHERE 1 = :x"

    assert await database.read(sql, x=1) == [{"rest": 3, "text": "100%", "more": "%s %(x)s"}]


async def test_log_is_moved_into_the_file_while_others_may_write(
    sqlite_store: Store, tmp_path: Path
) -> None:
    await sqlite_store.create_interrupt(new_interrupt(), AGENT)

    # Without the log, and so only what was moved.
    path = f"file:{tmp_path / 'loopin.db'}?immutable=1"
    found: list[tuple[int]] = []
    with anyio.fail_after(PATIENCE_S):
        while found != [(1,)]:
            await anyio.sleep(0.01)
            with closing(sqlite3.connect(path, uri=True)) as file, suppress(sqlite3.Error):
                found = file.execute("SELECT COUNT(*) FROM interrupts").fetchall()


async def test_write_does_not_wait_for_reads(sqlite_store: Store) -> None:
    threads = anyio.to_thread.current_default_thread_limiter()
    reads = [object() for _ in range(round(threads.total_tokens))]
    for read in reads:
        threads.acquire_on_behalf_of_nowait(read)

    with anyio.fail_after(PATIENCE_S):
        await sqlite_store.create_interrupt(new_interrupt(), AGENT)

    for read in reads:
        threads.release_on_behalf_of(read)
