"""`loopin-mcp audit`: its output, its exit codes, and that it changes nothing."""

import codecs
import json
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import anyio
import pytest

from loopin_mcp import Decision
from loopin_mcp.api.database.migrations import SCHEMA_VERSION
from loopin_mcp.api.store.opening import open_sqlite
from loopin_mcp.api.store.store import Store
from tests.support import (
    AGENT,
    PATIENCE_S,
    PUBLIC_URL,
    REVIEWER,
    START_TIMEOUT_S,
    Clock,
    clean_environment,
    new_interrupt,
    web,
)
from tests.support.questions import NEW

pytestmark = pytest.mark.subprocess

MARKER = "s3cret-of-the-callback"


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    """The data directory of a stopped API with a decided interrupt."""
    anyio.run(ask_and_decide, tmp_path / "data" / "api.db")
    return tmp_path / "data"


async def ask_and_decide(path: Path) -> None:
    database = await open_sqlite(path)
    store = Store(database, PUBLIC_URL, Clock())
    asked = new_interrupt(callback_url=f"https://example.com/?token={MARKER}")
    created = await store.create_interrupt(asked, AGENT)
    decision = Decision(decision="approved", modified_params={"amount": 2})
    await store.decide_interrupt(created.interrupt_id, decision, REVIEWER)
    await database.aclose()


def audit(
    data_dir: Path, *arguments: str, heads: str = "", **environment: str
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "loopin_mcp", "audit", *arguments],
        env=clean_environment(LOOPIN_DATA_DIR=str(data_dir)) | environment,
        input=heads,
        capture_output=True,
        text=True,
        timeout=START_TIMEOUT_S,
    )


def edit(data_dir: Path, *statements: str) -> None:
    with closing(sqlite3.connect(data_dir / "api.db")) as database, database:
        for (name,) in database.execute("SELECT name FROM sqlite_schema WHERE type = 'trigger'"):
            if not name.startswith("tallies"):
                database.execute(f"DROP TRIGGER {name}")
        for statement in statements:
            database.execute(statement)


def test_audit_ends_with_0_where_all_is_as_it_was_written(data_dir: Path) -> None:
    verified = audit(data_dir, "verify")

    assert (verified.returncode, verified.stderr) == (0, "")
    assert verified.stdout == "Checked 1 interrupt and 2 events: no tampering found.\n"


def test_audit_ends_with_1_and_says_what_was_changed(data_dir: Path) -> None:
    edit(data_dir, "UPDATE interrupts SET decided_by = 'bob'")

    verified = audit(data_dir, "verify")

    assert (verified.returncode, verified.stderr) == (1, "")
    assert verified.stdout.endswith(
        ": its decidedBy does not match its events.\n"
        "Checked 1 interrupt and 2 events: tampering found in 1 interrupt.\n"
    )


def test_export_is_what_a_later_audit_takes(data_dir: Path, tmp_path: Path) -> None:
    exported = audit(data_dir, "export")
    kept = tmp_path / "kept.jsonl"
    kept.write_text(exported.stdout, encoding="utf-8")
    verified = audit(data_dir, "verify", "--heads", str(kept))
    edit(data_dir, "UPDATE events SET hash = 'x'")
    piped = audit(data_dir, "verify", "--heads", "-", heads=f"\ufeff{exported.stdout}")

    assert (exported.returncode, exported.stderr) == (0, "")
    interrupt = json.loads(exported.stdout)
    assert [event["type"] for event in interrupt.pop("events")] == ["created", "decided"]
    assert interrupt["modifiedParams"] == {"amount": 2}
    assert MARKER not in exported.stdout
    assert verified.returncode == 0
    assert verified.stdout.endswith("Checked 1 kept head: none missing.\n")
    assert piped.returncode == 1
    assert piped.stdout.endswith("Checked 1 kept head: 1 missing.\n")


@pytest.mark.parametrize("ends", ["\n", "\r\n"])
@pytest.mark.parametrize(
    ("encoding", "mark"),
    [
        ("utf-8", codecs.BOM_UTF8),
        ("utf-16-le", codecs.BOM_UTF16_LE),
        ("utf-16-be", codecs.BOM_UTF16_BE),
    ],
)
def test_heads_are_read_as_powershell_writes_them(
    data_dir: Path, tmp_path: Path, encoding: str, mark: bytes, ends: str
) -> None:
    exported = audit(data_dir, "export").stdout
    kept = json.loads(exported)
    rows = f"interruptId,eventsHead{ends}{kept['interruptId']},{kept['eventsHead']}{ends}"
    for name, text in (("kept.jsonl", exported.replace("\n", ends)), ("kept.csv", rows)):
        (tmp_path / name).write_bytes(mark + text.encode(encoding))
        verified = audit(data_dir, "verify", "--heads", str(tmp_path / name))

        assert (verified.returncode, verified.stderr) == (0, "")
        assert verified.stdout.endswith("Checked 1 kept head: none missing.\n")


def test_heads_in_broken_utf16_are_named(data_dir: Path, tmp_path: Path) -> None:
    (tmp_path / "kept").write_bytes(codecs.BOM_UTF16_LE + b'{\0"\0x')

    verified = audit(data_dir, "verify", "--heads", str(tmp_path / "kept"))

    assert verified.returncode == 1
    assert verified.stderr.startswith("Error: Entry 1 of the heads has no interruptId")


async def ask(path: Path) -> str:
    database = await open_sqlite(path)
    created = await Store(database, PUBLIC_URL, Clock()).create_interrupt(new_interrupt(), AGENT)
    await database.aclose()
    return created.interrupt_id


def test_output_has_only_the_beginning_of_an_id_that_decides(tmp_path: Path) -> None:
    interrupt_id = anyio.run(ask, tmp_path / "api.db")
    exported = audit(tmp_path, "export")
    kept = tmp_path / "kept.jsonl"
    kept.write_text(exported.stdout, encoding="utf-8")
    verified = audit(tmp_path, "verify", "--heads", str(kept))
    edit(tmp_path, "UPDATE events SET actor = 'bob'")
    tampered = audit(tmp_path, "verify", "--heads", str(kept))
    edit(tmp_path, "UPDATE events SET hash = 'x'")
    rewritten = audit(tmp_path, "verify", "--heads", str(kept))

    beginning = f"{interrupt_id[:8]}..."
    interrupt = json.loads(exported.stdout)
    assert interrupt["interruptId"] == beginning
    assert interrupt["events"][0]["interruptId"] == beginning
    assert "Checked 1 kept head: none missing." in verified.stdout
    assert f"{beginning}: " in tampered.stdout
    assert "Checked 1 kept head: 1 missing." in rewritten.stdout
    for outcome in (exported, verified, tampered, rewritten):
        assert interrupt_id not in outcome.stdout + outcome.stderr


def test_export_goes_on_past_what_cannot_be_read(data_dir: Path) -> None:
    edit(
        data_dir,
        "UPDATE interrupts SET context = CAST(X'FF' AS TEXT)",
        "INSERT INTO events VALUES ('gone', 1, 'created', 0, '', '', '{}', '', 'h')",
        "INSERT INTO deletions VALUES ('deleted', 'at noon', 'h', '')",
    )

    exported = audit(data_dir, "export")

    assert exported.returncode == 1
    assert json.loads(exported.stdout)["eventsHead"] == "h"
    assert ": its stored data cannot be read.\n" in exported.stderr
    assert exported.stderr.endswith("deleted: the record of its deletion cannot be read.\n")


def test_audit_reads_beside_an_api_that_runs_and_keeps_nobody_waiting(
    serve: Callable[..., str], tmp_path: Path
) -> None:
    url = serve()
    created = web.post(f"{url}/interrupts", json=NEW).raise_for_status().json()
    with closing(sqlite3.connect(tmp_path / "served" / "api.db", isolation_level=None)) as other:
        # Another connection keeps writing.
        other.execute("BEGIN IMMEDIATE")
        verified = audit(tmp_path / "served", "verify")
        other.execute("ROLLBACK")
    web.delete(f"{url}/interrupts/{created['interruptId']}").raise_for_status()
    head = web.get(f"{url}/interrupts/{created['interruptId']}").text
    again = audit(tmp_path / "served", "verify", "--heads", "-", heads=head)

    assert (verified.returncode, verified.stdout[:20]) == (0, "Checked 1 interrupt ")
    assert again.returncode == 0


def test_copy_is_read_where_nothing_can_be_written(data_dir: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy.db"
    shutil.copy(data_dir / "api.db", copy)
    copy.chmod(0o400)
    before = copy.read_bytes()
    # No user can create a file through a dangling link.
    (tmp_path / "copy.db-shm").symlink_to(tmp_path / "nowhere" / "file")

    verified = audit(tmp_path, "verify", DATABASE_URL=f"sqlite:///{copy}")

    assert (verified.returncode, verified.stderr) == (0, "")
    assert copy.read_bytes() == before


def test_copy_whose_log_cannot_be_read_is_refused(data_dir: Path, tmp_path: Path) -> None:
    shutil.copy(data_dir / "api.db", tmp_path / "copy.db")
    (tmp_path / "copy.db-wal").mkdir()

    verified = audit(tmp_path, "verify", DATABASE_URL=f"sqlite:///{tmp_path / 'copy.db'}")

    assert (verified.returncode, verified.stdout) == (1, "")
    assert "copy.db cannot be read" in verified.stderr


def test_long_audit_says_how_far_it_is(data_dir: Path) -> None:
    edit(
        data_dir,
        """
        INSERT INTO interrupts (interrupt_id, agent_id, user_id, action, action_type, context,
            urgency, status, created_ms, expires_ms, payload_digest)
        WITH RECURSIVE numbers (number) AS (
            SELECT 1 UNION ALL SELECT number + 1 FROM numbers WHERE number < 10000)
        SELECT number, 'a', 'u', 'Pay', 'Pay', '{}', 'low', 'pending', 0, 1, 'x' FROM numbers
        """,
    )

    verified, exported = audit(data_dir, "verify"), audit(data_dir, "export")

    assert verified.stderr == "10,000 interrupts checked.\n"
    assert verified.stdout.endswith(
        "Checked 10,001 interrupts and 2 events: tampering found in 10,000 interrupts.\n"
    )
    assert exported.stderr == "10,000 interrupts exported.\n"
    assert len(exported.stdout.splitlines()) == 10_001


@pytest.mark.parametrize(
    ("arguments", "environment", "said"),
    [
        (["verify"], {}, "api.db cannot be read: unable to open database file"),
        (["verify", "--embedded"], {}, "embedded.db cannot be read"),
        (["export"], {"DATABASE_URL": "mysql://x"}, "DATABASE_URL must begin with sqlite:///"),
        (["export"], {"PORT": "x"}, "PORT must be a port number"),
    ],
)
def test_database_that_cannot_be_read_is_named(
    tmp_path: Path, arguments: list[str], environment: dict[str, str], said: str
) -> None:
    refused = audit(tmp_path, *arguments, **environment)

    assert (refused.returncode, refused.stdout) == (1, "")
    assert said in refused.stderr
    assert list(tmp_path.iterdir()) == []


def test_database_of_another_version_is_not_judged(data_dir: Path) -> None:
    edit(data_dir, "UPDATE schema_version SET version = 1")

    refused = audit(data_dir, "verify")

    assert (refused.returncode, refused.stdout) == (1, "")
    known = f"schema version 1, and this loopin-mcp knows {SCHEMA_VERSION}: start its API once"
    assert known in refused.stderr


def test_damaged_database_is_said_to_be(data_dir: Path) -> None:
    with closing(sqlite3.connect(data_dir / "api.db")) as database:
        [(page,)] = database.execute("SELECT rootpage FROM sqlite_schema WHERE name = 'events'")
        [(size,)] = database.execute("PRAGMA page_size")
    with (data_dir / "api.db").open("r+b") as file:
        file.seek((page - 1) * size)
        file.write(b"x" * size)

    refused = audit(data_dir, "verify")

    assert refused.returncode == 1
    assert "malformed" in refused.stderr


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such signals")
def test_audit_can_be_interrupted(data_dir: Path) -> None:
    head = '{"interruptId": "x", "eventsHead": "x"}\n'
    with subprocess.Popen(
        [sys.executable, "-m", "loopin_mcp", "audit", "verify", "--heads", "-"],
        env=clean_environment(LOOPIN_DATA_DIR=str(data_dir)),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline().startswith("Checked 1 interrupt ")
        process.send_signal(signal.SIGINT)
        said = process.communicate(head, timeout=PATIENCE_S)

    assert (process.returncode, *said) == (130, "", "")
