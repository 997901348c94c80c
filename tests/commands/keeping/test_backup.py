"""`loopin-mcp backup`: a whole copy of a database that is in use, or none."""

import os
import signal
import sqlite3
import threading
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace

import anyio
import pytest

from loopin_mcp.api.database.read_only import SQLiteArchive
from loopin_mcp.api.database.transfer.copies import copy_database, put_in_place, room_beside
from loopin_mcp.commands.keeping.backup import back_up
from loopin_mcp.commands.keeping.meter import EVERY_S, Meter
from loopin_mcp.errors import ConfigurationError
from loopin_mcp.settings.settings import Settings
from tests.support import KEY as API_KEY
from tests.support import web
from tests.support.auditing import audited
from tests.support.commands import run
from tests.support.earlier import EarlierSQLite
from tests.support.forging import KEY, KEYS
from tests.support.keeping import filled

WRITERS = 8
HEADERS = {"X-API-Key": API_KEY}
NEW = {"agentId": "a", "userId": "u", "action": "Pay", "context": {"note": "x" * 9000}}


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    """A data directory with every kind of row in each of its databases."""
    for name in ("api", "embedded"):
        filled(tmp_path / "data" / f"{name}.db")
    return tmp_path / "data"


class Writers:
    """Threads that create and decide until they are stopped; `done` are the acknowledged."""

    def __init__(self, url: str) -> None:
        self.done: list[str] = []
        self._url = url
        self._stopped = threading.Event()
        self._threads = [threading.Thread(target=self._write) for _ in range(WRITERS)]

    def __enter__(self) -> "Writers":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        for thread in self._threads:
            thread.join()

    def _write(self) -> None:
        with web.browse(headers=HEADERS, base_url=self._url) as client:
            while not self._stopped.is_set():
                created = client.post("/interrupts", json=NEW).raise_for_status().json()
                path = f"/interrupts/{created['interruptId']}"
                decided = client.post(f"{path}/decide", json={"decision": "approved"})
                decided.raise_for_status()
                self.done.append(created["interruptId"])


def test_backup_under_load_is_whole_and_has_what_was_acknowledged(
    serve: Callable[..., str], tmp_path: Path
) -> None:
    url = serve(API_KEY_SECRET=API_KEY, RATE_LIMIT="999999")
    copies = [tmp_path / f"{number}.db" for number in range(3)]
    acknowledged = []

    with Writers(url) as writers:
        for copy in copies:
            acknowledged.append([*writers.done])
            made = run(
                tmp_path,
                *("backup", str(copy)),
                LOOPIN_DATA_DIR=str(tmp_path / "served"),
                API_KEY_SECRET=API_KEY,
            )
            assert (made.returncode, made.stderr) == (0, "")

    for copy, expected in zip(copies, acknowledged, strict=True):
        with closing(sqlite3.connect(copy)) as database:
            rows = database.execute("SELECT interrupt_id FROM interrupts WHERE status = 'approved'")
            assert {*expected} <= {row[0] for row in rows}
        settings = Settings(database_url=f"sqlite:///{copy}")
        is_whole, said = anyio.run(audited, settings, None, type(KEYS)([API_KEY]))
        assert is_whole, said
    assert len(acknowledged[-1]) > len(acknowledged[0])


def test_backup_is_one_private_file_and_says_what_else_to_keep(
    data_dir: Path, tmp_path: Path
) -> None:
    copy = tmp_path / "copy.db"
    said: list[str] = []

    settings = Settings(data_dir=data_dir, audit_keys=(KEY,))
    assert back_up(settings, copy, embedded=True, force=False, say=said.append, progress=print)

    assert copy.stat().st_mode & 0o777 == 0o600
    assert sorted(each.name for each in tmp_path.iterdir()) == ["copy.db", "data"]
    assert said[:2] == [
        "Checked 9 interrupts and 18 events: no tampering found.",
        "2025-06-24: 1 deleted by their age.",
    ]
    assert said[2].startswith(f"The backup of {data_dir}/embedded.db is in {copy}: 0.")
    assert said[3:] == [
        "Keep the value of LOOPIN_AUDIT_KEY too, and elsewhere: without it, an API refuses every "
        "request in the backup."
    ]


@pytest.mark.parametrize(
    ("embedded", "named"), [(True, "a copy of {}/api-key"), (False, "the value of API_KEY_SECRET")]
)
def test_key_of_the_api_is_named_if_there_is_no_other(
    data_dir: Path, tmp_path: Path, embedded: bool, named: str
) -> None:
    (data_dir / "api-key").write_text(API_KEY, encoding="ascii")
    settings, said = Settings(data_dir=data_dir, api_key_secret=API_KEY), list[str]()

    copy = tmp_path / "copy.db"
    back_up(settings, copy, embedded=embedded, force=False, say=said.append, progress=print)

    assert said[-1].startswith(f"Keep {named.format(data_dir)} too")


@pytest.mark.subprocess
def test_backup_without_the_keys_is_made_and_reported(data_dir: Path, tmp_path: Path) -> None:
    made = run(tmp_path, "backup", str(tmp_path / "copy.db"))
    again = run(tmp_path, "backup", str(tmp_path / "copy.db"))
    before = (tmp_path / "copy.db").stat().st_ino
    forced = run(tmp_path, "backup", "--force", str(tmp_path / "copy.db"))

    assert (made.returncode, made.stderr) == (1, "")
    assert "the hashes of 9 interrupts cannot be checked" in made.stdout
    assert "Keep" not in made.stdout
    assert again.returncode == 1
    assert again.stderr == (
        f"Error: {tmp_path}/copy.db exists already: name another file, or use --force.\n"
    )
    assert forced.stdout.splitlines()[-1].startswith("The backup of ")
    assert (tmp_path / "copy.db").stat().st_ino != before


def test_database_of_an_earlier_version_is_backed_up_unchecked(tmp_path: Path) -> None:
    EarlierSQLite(tmp_path / "old.db").make(1, [])
    settings = Settings(database_url=f"sqlite:///{tmp_path}/old.db")
    said, copy = list[str](), tmp_path / "copy.db"

    assert not back_up(settings, copy, embedded=False, force=False, say=said.append, progress=print)

    assert said[0].startswith("The audit trail was not checked. The database has schema version 1")
    with closing(sqlite3.connect(copy)) as database:
        assert database.execute("SELECT version FROM schema_version").fetchall() == [(1,)]


def refusal(settings: Settings, copy: Path) -> str:
    with pytest.raises(ConfigurationError) as refused:
        back_up(settings, copy, embedded=False, force=False, say=print, progress=print)
    assert not copy.exists()
    return str(refused.value)


def test_what_cannot_be_backed_up_is_refused(data_dir: Path, tmp_path: Path) -> None:
    settings, copy = Settings(data_dir=data_dir), tmp_path / "copy.db"
    nowhere = refusal(settings, tmp_path / "nowhere" / "copy.db")
    missing = refusal(Settings(data_dir=tmp_path), copy)
    with (data_dir / "api.db").open("r+b") as file:
        file.seek(4096 * 5)
        file.write(b"x" * 4096 * 4)
    damaged = refusal(settings, copy)

    assert nowhere.startswith(f"Nothing can be written to {tmp_path}/nowhere: No such file")
    assert missing.startswith(f"No database at {tmp_path}/api.db. Set LOOPIN_DATA_DIR or ")
    assert "damaged" in damaged or "malformed" in damaged


def test_backup_replaces_neither_the_database_nor_a_directory(
    data_dir: Path, tmp_path: Path
) -> None:
    settings, database = Settings(data_dir=data_dir), data_dir / "api.db"
    link, before = tmp_path / "link.db", database.stat().st_ino
    link.symlink_to(database)
    for file, fault in (
        (database, "is the database: name another file for the backup"),
        (link, "is the database: name another file for the backup"),
        (data_dir, "cannot be replaced: Is a directory"),
    ):
        with pytest.raises(ConfigurationError) as refused:
            back_up(settings, file, embedded=False, force=True, say=print, progress=print)
        assert str(refused.value) == f"{file} {fault}."

    assert database.stat().st_ino == before


def test_link_is_followed_to_its_file_system(data_dir: Path, tmp_path: Path) -> None:
    link = tmp_path / "link.db"
    link.symlink_to(data_dir / "backup.db")

    with room_beside(link) as copy:
        assert copy.parent.parent == data_dir
        copy.write_bytes(b"copy")
        put_in_place(copy, link)

    assert (link.is_symlink(), link.read_bytes()) == (True, b"copy")


def test_postgresql_has_a_program_of_its_own(tmp_path: Path) -> None:
    url = "postgresql://loopin:s3cret@db.example.com/loopin?sslmode=require&password=s3cret"

    refused = refusal(Settings(database_url=url), tmp_path / "a b.dump")

    assert refused == (
        "The database is in PostgreSQL, whose own program makes a backup while the API runs: "
        f"pg_dump --format=custom --file='{tmp_path}/a b.dump' "
        "--dbname='postgresql://loopin@db.example.com/loopin?sslmode=require'"
    )


def test_url_that_cannot_be_read_is_not_shown(tmp_path: Path) -> None:
    url = "postgresql://loopin:two words@db.example.com/loopin"

    refused = refusal(Settings(database_url=url), tmp_path / "copy.dump")

    assert refused.endswith("--dbname=postgresql://...")


def test_interrupted_copy_leaves_nothing(data_dir: Path, tmp_path: Path) -> None:
    def interrupt(*_: int) -> None:
        raise KeyboardInterrupt

    copy = tmp_path / "copies" / "copy.db"
    copy.parent.mkdir()
    with pytest.raises(KeyboardInterrupt), room_beside(copy) as room:
        copy_database(data_dir / "api.db", room, interrupt)

    assert [*copy.parent.iterdir()] == []


def test_ctrl_c_while_a_copy_is_checked_is_no_damage(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[str] = []

    def now() -> float:
        calls.append("now")
        if len(calls) == 2:
            signal.raise_signal(signal.SIGINT)
        return 0.0

    monkeypatch.setattr("loopin_mcp.api.database.read_only.time", SimpleNamespace(monotonic=now))
    monkeypatch.setattr("loopin_mcp.api.database.read_only._STEPS", 1)
    with closing(SQLiteArchive(data_dir / "api.db")) as archive, pytest.raises(KeyboardInterrupt):
        archive.require_undamaged()


def test_copy_that_is_cut_short_is_damaged(data_dir: Path) -> None:
    path = data_dir / "api.db"
    with closing(SQLiteArchive(path)) as archive:
        os.truncate(path, path.stat().st_size // 2)
        with pytest.raises(ConfigurationError, match="is damaged .*malformed"):
            archive.require_undamaged()


def test_copy_that_a_killed_backup_left_is_ignored(data_dir: Path, tmp_path: Path) -> None:
    left = tmp_path / "copies" / ".copy.db-killed" / "copy.db"
    left.parent.mkdir(parents=True)
    left.write_bytes(b"half")

    settings, copy = Settings(data_dir=data_dir, audit_keys=(KEY,)), tmp_path / "copies" / "copy.db"
    assert back_up(settings, copy, embedded=False, force=False, say=print, progress=print)

    assert {*copy.parent.iterdir()} == {copy, left.parent}


def test_database_that_somebody_opens_meanwhile_stays(data_dir: Path, tmp_path: Path) -> None:
    path, new = data_dir / "api.db", tmp_path / "new.db"
    copy_database(path, new, lambda *_: None)

    with closing(sqlite3.connect(path)) as other:
        other.execute("SELECT * FROM interrupts").fetchall()
        with pytest.raises(ConfigurationError, match=r"Another program uses .*api\.db: stop"):
            put_in_place(new, path, "api.db.kept")

    assert new.exists()
    assert not (data_dir / "api.db.kept").exists()


def test_file_system_without_hard_links_keeps_a_copy(
    data_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, new = data_dir / "api.db", tmp_path / "new.db"
    copy_database(path, new, lambda *_: None)

    def refuse(*_: object) -> None:
        raise PermissionError("Operation not permitted")

    monkeypatch.setattr(Path, "hardlink_to", refuse)
    kept = put_in_place(new, path, "api.db.kept")

    assert kept == data_dir / "api.db.kept"
    assert kept.stat().st_mode & 0o777 == 0o600
    for file in (path, kept):
        with closing(sqlite3.connect(file)) as database:
            assert database.execute("SELECT COUNT(*) FROM interrupts").fetchone() == (9,)


def test_long_work_says_how_far_it_is_and_how_long_it_takes() -> None:
    said: list[str] = []
    now = [0.0]
    meter = Meter(said.append, "rows", lambda: now[0])
    for what, done, at_s in (
        ("events", 0, 0),
        ("events", 10, EVERY_S / 2),
        ("events", 1000, EVERY_S),
        ("devices", 500, EVERY_S),
        ("devices", 500, EVERY_S * 2),
    ):
        now[0] = at_s
        meter.at(what, done, 4000)

    assert said == [
        "events: 1,000 of 4,000 rows (25%), 500 a second, 6 s left",
        "devices: 500 of 4,000 rows (12%), 0 a second",
    ]
