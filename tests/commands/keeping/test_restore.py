"""`loopin-mcp restore`: nothing of the backup counts twice, and nothing is lost on the way."""

import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import anyio
import pytest

from loopin_mcp.api.audit.audit_keys import NO_KEYS
from loopin_mcp.api.clock import epoch_ms
from loopin_mcp.api.database.migrations import SCHEMA_VERSION
from loopin_mcp.api.database.steps import Database, execute
from loopin_mcp.api.store.keeping.restored import end_what_is_open
from loopin_mcp.api.store.store import Store
from loopin_mcp.commands.keeping.backup import back_up
from loopin_mcp.commands.keeping.restore import finish_pg_restore, restore
from loopin_mcp.errors import ConfigurationError, ConflictError
from loopin_mcp.settings.settings import Settings
from tests.support import (
    AGENT,
    PUBLIC_URL,
    START_TIMEOUT_S,
    api_client,
    clean_environment,
    take_due,
)
from tests.support.auditing import audited
from tests.support.commands import run
from tests.support.earlier import EarlierSQLite, interrupt
from tests.support.forging import KEY, KEYS
from tests.support.keeping import CHANNELS, Said, allow, asked_of_call, fill, filled
from tests.support.web import post


def settings_of(data_dir: Path, **changes: Any) -> Settings:  # noqa: ANN401 - any setting
    given: dict[str, Any] = {"data_dir": data_dir, "audit_keys": (KEY,)}
    return Settings(**given | changes)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return settings_of(tmp_path / "data")


@pytest.fixture
def backup(tmp_path: Path, settings: Settings) -> Path:
    """A backup with every kind of row; the database is as it was then."""
    filled(settings.data_dir / "api.db")
    made = tmp_path / "backup.db"
    assert back_up(settings, made, embedded=False, force=False, say=print, progress=print)
    return made


async def test_no_decision_or_approval_of_a_backup_counts_again(database: Database) -> None:
    ids = await fill(database)
    store = Store(database, PUBLIC_URL, keys=KEYS, channels=CHANNELS)
    before = {name: await store.list_events(ids[name]) for name in ids if name != "deleted"}
    said: list[tuple[int, int]] = []

    ended = await end_what_is_open(database, KEYS, store.clock(), lambda *at: said.append(at))

    after = {name: await store.list_events(ids[name]) for name in before}
    new = {name: [each.type for each in after[name][len(before[name]) :]] for name in before}
    assert ended == {"pending": 2, "approved": 3, "standing": 1, "callback": 2}
    assert said == [(6, 6)]
    assert {name: types for name, types in new.items() if types} == {
        "approved": ["used", "callback-given-up"],
        "covered": ["used"],
        "expired": ["callback-given-up"],
        "pending": ["cancelled"],
        "repeated": ["cancelled"],
        "standing": ["used", "ended"],
    }
    assert all(
        (event.actor, event.detail["reason"]) == ("loopin", "LoopIn was restored from a backup")
        for name, events in after.items()
        for event in events[len(before[name]) :]
    )
    for name in ("approved", "covered", "standing"):
        with pytest.raises(ConflictError, match="ask again"):
            await store.approvals.use_approval(ids[name], AGENT)
    created, existed = await store.create_interrupt_for_call(asked_of_call("3"), AGENT, allow)
    assert (existed, created.status) == (False, "pending")
    assert await store.approvals.list_standing() == ()
    assert await store.sessions.get("place") is None
    [new_one] = {each.interrupt_id for each in await take_due(store)}
    assert new_one == created.interrupt_id


async def test_what_was_tampered_with_stays_as_it_is(database: Database) -> None:
    ids = await fill(database)
    for rule in ("interrupts_stay", "interrupts_use_with_event"):
        on = "" if "sqlite" in type(database).__module__ else " ON interrupts"
        await execute(database, f"DROP TRIGGER {rule}{on}")
    edit = "UPDATE interrupts SET {} WHERE interrupt_id = :id"
    await execute(database, edit.format("context = '{}'"), id=ids["pending"])
    await execute(database, edit.format("context = '{'"), id=ids["repeated"])

    ended = await end_what_is_open(database, KEYS, 0, lambda *_: None)

    rows = await database.read("SELECT interrupt_id FROM interrupts WHERE status = 'pending'")
    assert {row["interrupt_id"] for row in rows} == {ids["pending"], ids["repeated"]}
    assert ended["pending"] == 0


def test_restored_database_is_the_backup_and_the_old_one_is_kept(
    settings: Settings, backup: Path
) -> None:
    path = settings.data_dir / "api.db"
    with closing(sqlite3.connect(path)) as database, database:
        database.execute("DELETE FROM devices")
    said = Said()

    assert restore(settings, backup, said.terminal, embedded=False)

    [kept] = settings.data_dir.glob("api.db.before-restore-*")
    assert sorted(settings.data_dir.iterdir()) == [path, kept]
    for file, devices in ((path, 1), (kept, 0)):
        with closing(sqlite3.connect(file)) as database:
            assert database.execute("SELECT COUNT(*) FROM devices").fetchone() == (devices,)
    assert [file.stat().st_mode & 0o777 for file in (path, kept)] == [0o600, 0o600]
    assert said.questions == [f"The backup replaces {path}, which is kept beside it. Continue?"]
    assert said.lines == [
        "A backup can be older than the last decision, so: 2 open requests cancelled, 3 approvals "
        "counted as used, 1 standing approval ended, 2 callbacks dropped, everyone signed out.",
        "Checked 9 interrupts and 26 events: no tampering found.",
        "2025-06-24: 1 deleted by their age.",
        f"{path} is restored. The previous database is {kept}.",
    ]


def test_second_restore_keeps_the_first(settings: Settings, backup: Path, tmp_path: Path) -> None:
    for _ in range(2):
        assert restore(settings, backup, Said().terminal, embedded=False)

    assert len([*settings.data_dir.glob("api.db.before-restore-*")]) == 2


def test_new_machine_gets_the_database(backup: Path, tmp_path: Path) -> None:
    settings, said = settings_of(tmp_path / "new" / "data"), Said()

    assert restore(settings, backup, said.terminal, embedded=True)

    path = tmp_path / "new" / "data" / "embedded.db"
    assert [*path.parent.iterdir()] == [path]
    assert said.questions == [f"The backup becomes {path}. Continue?"]
    assert said.lines[-1] == f"{path} is restored."
    is_whole, _ = anyio.run(
        audited, settings_of(tmp_path, database_url=f"sqlite:///{path}"), None, KEYS
    )
    assert is_whole


def test_backup_itself_is_not_changed(settings: Settings, backup: Path) -> None:
    before = backup.read_bytes()

    restore(settings, backup, Said().terminal, embedded=False)

    assert backup.read_bytes() == before


def test_answer_no_changes_nothing(settings: Settings, backup: Path) -> None:
    before = {file: file.read_bytes() for file in settings.data_dir.iterdir()}
    said = Said(answer=False)

    assert not restore(settings, backup, said.terminal, embedded=False)

    assert said.lines[-1] == "Nothing was changed."
    assert {file: file.read_bytes() for file in settings.data_dir.iterdir()} == before


def test_damaged_database_is_replaced_and_kept(settings: Settings, backup: Path) -> None:
    files = [settings.data_dir / f"api.db{suffix}" for suffix in ("", "-wal", "-shm")]
    for file in files:
        file.write_bytes(b"damage" * 999)

    restore(settings, backup, Said().terminal, embedded=False)

    [old, *_] = sorted(settings.data_dir.glob("api.db.before-restore-*"))
    assert [old.read_bytes(), Path(f"{old}-wal").read_bytes()] == [b"damage" * 999] * 2
    assert len([*settings.data_dir.iterdir()]) == 1 + len(files)


@pytest.mark.parametrize(
    ("keys", "remedy"),
    [
        ((), "a key: set LOOPIN_AUDIT_KEY, or the API's key, as it was"),
        ((KEY[::-1],), "another key: list it in LOOPIN_AUDIT_KEY after the present one"),
    ],
)
def test_missing_key_is_named_before_anything_changes(
    settings: Settings, backup: Path, keys: tuple[str, ...], remedy: str
) -> None:
    before = (settings.data_dir / "api.db").read_bytes()
    others = settings_of(settings.data_dir, audit_keys=keys)

    fault = rf"^Interrupt \w{{8}}\.\.\. cannot be checked: its events were made with {remedy}\.$"
    with pytest.raises(ConfigurationError, match=fault):
        restore(others, backup, Said().terminal, embedded=False)

    assert (settings.data_dir / "api.db").read_bytes() == before


async def test_what_was_asked_before_there_was_a_key_ends_too(database: Database) -> None:
    await fill(database, NO_KEYS)

    ended = await end_what_is_open(database, KEYS, epoch_ms(), lambda *_: None)

    assert ended == {"pending": 2, "approved": 3, "standing": 1, "callback": 2}
    assert (await end_what_is_open(database, NO_KEYS, epoch_ms(), lambda *_: None)) == {}


def test_tampering_with_a_backup_is_reported(settings: Settings, backup: Path) -> None:
    with closing(sqlite3.connect(backup)) as database, database:
        database.execute("DROP TRIGGER interrupts_settle_with_event")
        database.execute("UPDATE interrupts SET status = 'approved' WHERE status = 'rejected'")
    said = Said()

    assert not restore(settings, backup, said.terminal, embedded=False)

    assert "tampering found in 1 interrupt" in "".join(said.lines)


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE TRIGGER other AFTER DELETE ON sessions BEGIN INSERT INTO page_key VALUES (1); END",
        "CREATE VIEW other AS SELECT * FROM sessions",
    ],
)
def test_backup_with_rules_of_others_is_refused(
    settings: Settings, backup: Path, statement: str
) -> None:
    before = (settings.data_dir / "api.db").read_bytes()
    with closing(sqlite3.connect(backup)) as database, database:
        database.execute(statement)

    with pytest.raises(ConfigurationError, match="has a trigger or view that LoopIn did not make"):
        restore(settings, backup, Said().terminal, embedded=False)

    assert (settings.data_dir / "api.db").read_bytes() == before


def test_what_is_not_a_backup_is_refused(settings: Settings, tmp_path: Path) -> None:
    other = tmp_path / "other"
    with closing(sqlite3.connect(other)) as database:
        database.execute("CREATE TABLE other (x)")
    with pytest.raises(ConfigurationError, match=r"other cannot be copied: no such table.* LoopIn"):
        restore(settings, other, Said().terminal, embedded=False)

    assert [*settings.data_dir.iterdir()] == []


def test_damaged_backup_is_refused(settings: Settings, backup: Path) -> None:
    content = bytearray(backup.read_bytes())
    content[4096 * 5 : 4096 * 9] = b"x" * 4096 * 4
    backup.write_bytes(content)

    with pytest.raises(ConfigurationError, match=r"damaged|malformed"):
        restore(settings, backup, Said().terminal, embedded=False)


def test_backup_of_a_newer_version_is_refused_by_its_name(settings: Settings, backup: Path) -> None:
    with closing(sqlite3.connect(backup)) as database, database:
        database.execute("UPDATE schema_version SET version = version + 1")

    found = f"backup.db has schema version {SCHEMA_VERSION + 1}, .*: update loopin-mcp"
    with pytest.raises(ConfigurationError, match=found):
        restore(settings, backup, Said().terminal, embedded=False)


def test_backup_of_an_earlier_version_is_upgraded(settings: Settings, tmp_path: Path) -> None:
    earlier, now = EarlierSQLite(tmp_path / "old.db"), epoch_ms()
    earlier.make(
        1,
        [
            interrupt("1", now),
            interrupt("2", now, status="approved", decided_ms=now),
        ],
    )
    said = Said()

    assert restore(settings, tmp_path / "old.db", said.terminal, embedded=False)

    assert "1 open request cancelled, 1 approval counted as used" in said.lines[0]
    assert said.lines[1] == "Checked 2 interrupts and 4 events: no tampering found."


def test_running_api_keeps_its_database(
    tmp_path: Path,
    serve: Callable[[], str],
    backup: Path,
) -> None:
    url = serve()
    path = tmp_path / "served" / "api.db"

    refused = run(tmp_path, "restore", str(backup), "--yes", LOOPIN_DATA_DIR=str(path.parent))

    assert (refused.returncode, refused.stdout) == (1, "")
    assert f"Another program uses {path}: stop its API" in refused.stderr
    asked = {"agentId": "a", "userId": "u", "action": "Pay", "context": {}}
    assert post(f"{url}/interrupts", json=asked).status_code == 201


@pytest.mark.subprocess
@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such terminals")
def test_person_at_a_terminal_is_asked(settings: Settings, backup: Path) -> None:
    ours, theirs = os.openpty()
    os.write(ours, b"n\n")
    done = subprocess.run(
        [sys.executable, "-m", "loopin_mcp", "restore", backup],
        env=clean_environment(LOOPIN_DATA_DIR=str(settings.data_dir), LOOPIN_AUDIT_KEY=KEY),
        stdin=theirs,
        capture_output=True,
        text=True,
        timeout=START_TIMEOUT_S,
    )
    os.close(ours)
    os.close(theirs)

    assert done.returncode == 1
    assert done.stdout.endswith("Continue? [y/N]: Nothing was changed.\n")


async def test_pages_say_that_the_database_was_restored(database: Database) -> None:
    ids = await fill(database)
    await end_what_is_open(database, KEYS, epoch_ms(), lambda *_: None)
    store = Store(database, PUBLIC_URL, keys=KEYS)

    async with api_client(store) as browser:
        read = [await browser.get(f"/review/{ids[name]}") for name in ("pending", "approved")]

    why = "LoopIn was restored from a backup"
    assert f"Cancelled: {why}<" in read[0].text
    for said in (
        f"Approval counted as used: {why}<",
        f"Callback dropped: {why}<",
        f"The callback was not sent again: {why}.",
    ):
        assert said in read[1].text


@pytest.mark.subprocess
def test_command_asks_only_on_a_terminal(tmp_path: Path, backup: Path) -> None:
    here = {"LOOPIN_DATA_DIR": str(tmp_path / "data"), "LOOPIN_AUDIT_KEY": KEY}
    unasked = run(tmp_path, "restore", str(backup), **here)
    nothing = run(tmp_path, "restore", "--yes", **here)
    both = run(tmp_path, "restore", str(backup), "--yes", "--after-pg-restore", **here)
    missing = run(tmp_path, "restore", "other.db", **here)
    done = run(tmp_path, "restore", str(backup), "--yes", **here)
    elsewhere = run(tmp_path, "restore", "--yes", "--after-pg-restore", **here)

    refused = (unasked, nothing, both, missing)
    assert [each.returncode for each in (*refused, done, elsewhere)] == [2, 2, 2, 2, 0, 1]
    assert "stdin is not a terminal, so you cannot be asked: use --yes." in unasked.stderr
    assert "'other.db' does not exist." in missing.stderr
    assert "Name the FILE of the backup" in nothing.stderr + both.stderr
    assert "is restored." in done.stdout
    assert elsewhere.stderr == (
        "Error: DATABASE_URL does not name PostgreSQL: name the backup's FILE.\n"
    )


def test_postgresql_is_restored_by_its_own_program(settings: Settings, tmp_path: Path) -> None:
    url = "postgresql://loopin:s3cret@db.example.com/loopin"
    with pytest.raises(ConfigurationError) as refused:
        restore(
            settings_of(tmp_path, database_url=url),
            tmp_path / "a b",
            Said().terminal,
            embedded=False,
        )

    assert str(refused.value) == (
        "The database is in PostgreSQL. Stop all APIs, create an empty database, and run: "
        "pg_restore --exit-on-error --no-owner --dbname=postgresql://loopin@db.example.com/loopin "
        f"'{tmp_path}/a b'; then run: loopin-mcp restore --after-pg-restore"
    )


async def test_after_pg_restore_nothing_is_open(empty_postgres_url: str, tmp_path: Path) -> None:
    from loopin_mcp.api.store.opening import open_postgresql

    database = await open_postgresql(empty_postgres_url, keys=KEYS)
    await fill(database)
    await database.aclose()
    said = Said()

    settings = settings_of(tmp_path, database_url=empty_postgres_url)
    unsure = Said(answer=False)
    assert not await finish_pg_restore(settings, unsure.terminal)
    assert unsure.lines == ["Nothing was changed."]
    assert await finish_pg_restore(settings, said.terminal)

    assert said.lines[:2] == [
        "A backup can be older than the last decision, so: 2 open requests cancelled, 3 approvals "
        "counted as used, 1 standing approval ended, 2 callbacks dropped, everyone signed out.",
        "Checked 9 interrupts and 26 events: no tampering found.",
    ]
