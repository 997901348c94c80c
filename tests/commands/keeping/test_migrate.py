"""`loopin-mcp migrate`: every row is in PostgreSQL as it was, whatever happens on the way."""

import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import anyio
import pytest

from loopin_mcp.api.database.steps import execute
from loopin_mcp.api.store.opening import open_postgresql, open_sqlite
from loopin_mcp.api.store.store import Store
from loopin_mcp.commands.keeping.migrate import migrate
from loopin_mcp.errors import ConfigurationError, ConflictError, UnavailableError
from loopin_mcp.settings.settings import Settings
from tests.support import (
    AGENT,
    PUBLIC_URL,
    REVIEWER,
    START_TIMEOUT_S,
    api_client,
    new_interrupt,
    take_due,
)
from tests.support.commands import run
from tests.support.forging import KEY, KEYS
from tests.support.keeping import APPROVED, CHANNELS, REPEATED, allow, asked_of_call, filled

pytestmark = pytest.mark.database_server
TABLES = (
    "interrupts",
    "events",
    "deliveries",
    "idempotency_keys",
    "deletions",
    "sessions",
    "devices",
    "page_key",
)
# It is killed once it has copied so many portions of two rows.
COPY = """
import os, signal, sys
from contextlib import closing
from pathlib import Path
import anyio
from loopin_mcp.api.database.transfer.source import Source
from loopin_mcp.api.database.transfer.target import Target
from loopin_mcp.api.database.transfer.transfer import transfer
from loopin_mcp.commands.keeping.migrate import begin_or_continue
left = int(sys.argv[3])
def progress(what, done, total):
    global left
    left -= 1
    if not left:
        os.kill(os.getpid(), signal.SIGKILL)
with closing(Source(Path(sys.argv[1]))) as source, closing(Target(sys.argv[2])) as target:
    begin_or_continue(source, target, sys.argv[2])
    transfer(source, target, print, progress, 2)
"""


class Move:
    """A SQLite file with every kind of row, and an empty PostgreSQL database."""

    def __init__(self, data_dir: Path, url: str) -> None:
        self.path, self.url = data_dir / "api.db", url
        self.ids = filled(self.path)
        self.settings = Settings(data_dir=data_dir, audit_keys=(KEY,))
        self.said: list[str] = []

    def run(self, **changes: Any) -> bool:  # noqa: ANN401 - any argument
        self.said = []
        given: dict[str, Any] = {"settings": self.settings, "url": self.url, "embedded": False}
        return migrate(**given | {"say": self.said.append, "progress": print} | changes)

    def killed(self, after: int) -> None:
        done = subprocess.run(
            [sys.executable, "-c", COPY, self.path, self.url, str(after)],
            timeout=START_TIMEOUT_S,
            check=False,
        )
        assert done.returncode == -signal.SIGKILL

    def refusal(self, **changes: Any) -> str:  # noqa: ANN401 - any argument
        with pytest.raises((ConfigurationError, UnavailableError)) as refused:
            self.run(**changes)
        return str(refused.value)

    def source(self, *statements: str) -> None:
        """Edit the source as its owner can."""
        with closing(sqlite3.connect(self.path)) as database, database:
            for (name,) in database.execute("SELECT name FROM sqlite_schema WHERE type='trigger'"):
                database.execute(f"DROP TRIGGER {name}")
            for statement in statements:
                database.execute(statement)

    def target(self, *statements: str) -> list[tuple[Any, ...]]:
        """The rows of the last statement in the target."""
        import psycopg

        with psycopg.connect(self.url) as connection:
            for statement in statements:
                cursor = connection.execute(statement.encode())
            return cursor.fetchall() if cursor.description else []

    def is_equal(self) -> bool:
        """Whether both databases have the same rows."""
        for table in TABLES:
            with closing(sqlite3.connect(self.path)) as database:
                cursor = database.execute(f"SELECT * FROM {table}")  # noqa: S608
                names = ", ".join(f'"{column[0]}"' for column in cursor.description)
                rows = sorted(cursor.fetchall(), key=repr)
            found = self.target(f"SELECT {names} FROM {table}")  # noqa: S608
            if sorted(found, key=repr) != rows:
                return False
        return True


@pytest.fixture
def move(tmp_path: Path, empty_postgres_url: str) -> Move:
    return Move(tmp_path / "data", empty_postgres_url)


def test_every_row_is_copied_and_the_source_is_as_it_was(move: Move) -> None:
    before = move.path.read_bytes()

    assert move.run()

    assert move.is_equal()
    assert move.path.read_bytes() == before
    assert move.said == [
        f"PostgreSQL has all rows of {move.path}, which is unchanged.",
        f"Set DATABASE_URL to the new database, and start no API on {move.path} again.",
        "Checked 9 interrupts and 18 events: no tampering found.",
        "2025-06-24: 1 deleted by their age.",
    ]


def test_api_continues_on_the_copy(move: Move) -> None:
    ids = move.ids
    assert move.run()

    async def use() -> None:
        database = await open_postgresql(move.url, keys=KEYS)
        store = Store(database, PUBLIC_URL, keys=KEYS, channels=CHANNELS)
        file = await open_sqlite(move.path, keys=KEYS)
        before = Store(file, PUBLIC_URL, keys=KEYS)
        for interrupt_id in (ids[name] for name in ids if name != "deleted"):
            assert await store.list_events(interrupt_id) == await before.list_events(interrupt_id)
        assert await store.get_interrupt_analytics("user-1") == (
            await before.get_interrupt_analytics("user-1")
        )
        created, existed = await store.create_interrupt_once(new_interrupt(), AGENT, REPEATED)
        assert (created.interrupt_id, existed) == (ids["repeated"], True)
        call, existed = await store.create_interrupt_for_call(asked_of_call("4"), AGENT, allow)
        assert (call.status, existed) == ("approved", False)
        await store.approvals.use_approval(ids["covered"], AGENT)
        with pytest.raises(ConflictError, match="was used"):
            await store.approvals.use_approval(ids["used"], AGENT)
        await store.decide_interrupt(ids["pending"], APPROVED, REVIEWER)
        assert (await store.sessions.get("place"), await store.sessions.page_key()) == (
            await before.sessions.get("place"),
            await before.sessions.page_key(),
        )
        assert await store.devices.list_of("alice") == await before.devices.list_of("alice")
        newest = await store.create_interrupt(new_interrupt(), AGENT)
        page = await store.list_pending_interrupts("user-1")
        assert page.interrupts[0].interrupt_id == newest.interrupt_id
        assert len(await take_due(store, limit=99)) > 4
        with pytest.raises(UnavailableError):
            await execute(database, "UPDATE events SET actor = 'somebody'")
        async with api_client(store) as browser:
            for path in ("/", "/history", "/analytics", f"/review/{ids['expired']}"):
                assert (await browser.get(path)).status_code == 200
        await file.aclose()
        await database.aclose()

    anyio.run(use)


def test_copy_has_the_indexes_rules_and_figures_of_a_new_database(move: Move) -> None:
    indexes = "SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = 'public'"
    rules = "SELECT tgname, tgenabled FROM pg_trigger WHERE NOT tgisinternal"
    tables = (
        "SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace"
    )
    questions = [f"{sql} ORDER BY 1" for sql in (indexes, rules, tables)]

    async def make() -> None:
        await (await open_postgresql(move.url)).aclose()

    anyio.run(make)
    expected = [move.target(sql) for sql in questions]
    assert move.run()

    assert [move.target(sql) for sql in questions] == expected
    [(wrong,)] = move.target(
        "SELECT COUNT(*) FROM (SELECT * FROM tallies EXCEPT SELECT * FROM counted_tallies) AS wrong"
    )
    assert wrong == 0
    # PostgreSQL has looked at a table if it has an estimate of its rows.
    [(unknown,)] = move.target(
        "SELECT COUNT(*) FROM pg_class JOIN pg_tables ON tablename = relname"
        " WHERE schemaname = 'public' AND relname IN ('tallies', 'interrupts', 'events')"
        " AND reltuples < 0"
    )
    assert unknown == 0


@pytest.mark.subprocess
@pytest.mark.parametrize("after", [1, 5, 12, 20])
def test_killed_copy_is_continued_and_used_by_no_api_before(move: Move, after: int) -> None:
    move.killed(after)
    api = run(move.path.parent, "api", DATABASE_URL=move.url)
    audit = run(move.path.parent, "audit", "verify", DATABASE_URL=move.url)

    assert (api.returncode, audit.returncode) == (1, 1)
    assert api.stderr == (
        "Error: The database of DATABASE_URL is not complete: run `loopin-mcp migrate` again, "
        "which continues.\n"
    )
    assert "is not complete" in audit.stderr
    assert move.run()
    assert move.is_equal()


@pytest.mark.subprocess
def test_what_the_source_has_changed_since_is_copied_again(move: Move) -> None:
    move.killed(25)
    progress: list[str] = []

    async def decide() -> None:
        database = await open_sqlite(move.path, keys=KEYS)
        store = Store(database, PUBLIC_URL, keys=KEYS)
        await store.decide_interrupt(move.ids["pending"], APPROVED, REVIEWER)
        await store.sessions.delete_all()
        await database.aclose()

    anyio.run(decide)
    assert move.run(progress=progress.append)

    assert move.is_equal()
    changed = ": the source has changed since it was copied, so it is copied again."
    assert f"deliveries{changed}" in progress
    assert f"devices{changed}" not in progress


@pytest.mark.subprocess
def test_rows_that_got_other_numbers_are_copied_again(move: Move) -> None:
    move.killed(12)
    move.source("UPDATE events SET rowid = rowid + 100")

    assert move.run()

    assert move.is_equal()


def test_source_that_is_changed_meanwhile_is_not_finished(move: Move) -> None:
    def change(_: str) -> None:
        with closing(sqlite3.connect(move.path)) as database, database:
            database.execute("UPDATE sessions SET used_ms = used_ms + 1")

    assert "was changed while it was copied: stop its API" in move.refusal(progress=change)
    [(version,)] = move.target("SELECT version FROM schema_version")
    assert version == 1_000_000

    assert move.run()
    assert move.is_equal()


@pytest.mark.subprocess
def test_source_of_a_running_api_is_refused(move: Move, serve: Callable[..., str]) -> None:
    serve(DATABASE_URL=f"sqlite:///{move.path}")

    refused = move.refusal(settings=Settings(database_url=f"sqlite:///{move.path}"))

    assert refused.startswith(f"Another program uses {move.path}: stop its API")
    assert move.target("SELECT to_regclass('interrupts')") == [(None,)]


async def create_tables(url: str) -> None:
    await (await open_postgresql(url)).aclose()


def test_database_that_is_not_empty_is_refused(move: Move, tmp_path: Path) -> None:
    begins = "The database to fill "
    move.target("CREATE TABLE other (x int)", "SELECT 1")
    assert move.refusal() == f"{begins}has a table other: create an empty one."
    move.target("DROP TABLE other", "SELECT 1")
    anyio.run(create_tables, move.url)
    move.target("CREATE TABLE other (x int)", "SELECT 1")
    assert move.refusal() == f"{begins}has a table other: create an empty one."
    move.target("DROP TABLE other", "SELECT 1")
    assert move.run()
    assert move.refusal() == "The database has all rows already: nothing is to be done."
    other = Move(tmp_path / "other", move.url)
    assert other.refusal() == f"{begins}has rows in the table deletions: create an empty one."


@pytest.mark.subprocess
def test_half_filled_database_takes_no_other_source(move: Move, tmp_path: Path) -> None:
    move.killed(5)

    other = Move(tmp_path / "other", move.url)

    assert other.refusal() == (
        "The database to fill is being filled from another database: create an empty one."
    )


@pytest.mark.parametrize(
    ("edit", "what"),
    [
        (
            "UPDATE devices SET name = 'a' || char(0)",
            "devices has a value .*, in row 1, column name",
        ),
        ("UPDATE devices SET name = CAST(x'80' AS TEXT)", "devices has .*, in row 1, column name"),
        (
            "UPDATE devices SET added_ms = 'soon'",
            "devices has a value that PostgreSQL cannot store:",
        ),
        ("UPDATE devices SET name = x'61'", "The copy of devices differs:"),
    ],
)
def test_value_that_cannot_be_moved_is_named(move: Move, edit: str, what: str) -> None:
    move.source(edit)

    with pytest.raises(ConfigurationError, match=what):
        move.run()


def test_source_of_another_version_is_refused(move: Move) -> None:
    move.source("UPDATE schema_version SET version = 1")

    assert "start its API once to upgrade it" in move.refusal()


def test_what_is_not_a_database_of_loopin_is_refused(move: Move, tmp_path: Path) -> None:
    (tmp_path / "api.db").write_text("no database", encoding="ascii")

    refused = move.refusal(settings=Settings(data_dir=tmp_path))

    assert refused == f"The database {tmp_path}/api.db cannot be read: file is not a database."


def test_second_migrate_at_once_is_refused(move: Move) -> None:
    from loopin_mcp.api.database.transfer.source import Source
    from loopin_mcp.api.database.transfer.target import Target
    from loopin_mcp.commands.keeping.migrate import begin_or_continue

    with closing(Source(move.path)) as source, closing(Target(move.url)) as target:
        begin_or_continue(source, target, move.url)
        with pytest.raises(ConfigurationError, match="Another `loopin-mcp migrate` fills"):
            target.begin(source.identity, source.columns)
        place = target.place("events")
        rows, columns = [*source.rows("events")], source.columns["events"]
        assert target.store("events", columns, rows[:2], place) == (rows[1][0], 2)
        with pytest.raises(ConfigurationError, match="Another `loopin-mcp migrate` fills"):
            target.store("events", columns, rows[2:], place)


def test_lost_connection_is_said_and_the_copy_continued(move: Move) -> None:
    others = "FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND backend_type LIKE 'client%'"

    def end(_: str) -> None:
        move.target(f"SELECT pg_terminate_backend(pid) {others}")

    assert move.refusal(progress=end).startswith("PostgreSQL refuses: ")

    assert move.run()
    assert move.is_equal()


def test_databases_are_found_by_the_settings(
    move: Move, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = Settings(data_dir=move.path.parent, audit_keys=(KEY,), database_url=move.url)
    unnamed = "Name an empty PostgreSQL database: --to postgresql://"

    assert move.refusal(url=None).startswith(unnamed)
    assert move.refusal(url=f"sqlite:///{tmp_path}/x").startswith(unnamed)
    missing = Settings(data_dir=tmp_path)
    assert move.refusal(settings=missing).startswith(
        f"No database at {tmp_path}/api.db. Set LOOPIN_DATA_DIR or DATABASE_URL "
    )
    assert move.refusal(url="db.example.com").startswith("--to must begin with sqlite:/// or ")
    assert move.refusal(url="postgresql://l:s3cret@h/x?schema=y").startswith(
        "--to has a parameter that PostgreSQL does not know, schema"
    )
    gone = f"postgresql://loopin:s3cret@/x?host={tmp_path}"
    for changes in (
        {"url": gone},
        {"url": None, "settings": Settings(data_dir=own.data_dir, database_url=gone)},
    ):
        refused = move.refusal(**changes)
        assert refused.startswith("PostgreSQL cannot be used: ")
        assert "s3cret" not in refused
    assert move.run(url=None, settings=own)
    assert move.is_equal()


def test_without_its_extra_it_says_what_to_install(
    move: Move, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    for name in ("postgres_connections", "transfer.target"):
        monkeypatch.delitem(sys.modules, f"loopin_mcp.api.database.{name}", raising=False)

    assert move.refusal().startswith(
        "--to names PostgreSQL, which needs the extra `server`. Run `uv tool install"
    )


def test_database_of_the_embedded_api_is_moved_with_its_key(move: Move) -> None:
    move.path.rename(move.path.with_name("embedded.db"))
    (move.path.parent / "api-key").write_text(KEY, encoding="ascii")

    assert move.run(embedded=True, settings=Settings(data_dir=move.path.parent))

    assert move.said[2] == (
        f"Add the key in {move.path.parent}/api-key to AUDIT_KEY, after the present one."
    )


@pytest.mark.subprocess
def test_command_moves_the_database(move: Move) -> None:
    here = {"LOOPIN_DATA_DIR": str(move.path.parent), "LOOPIN_AUDIT_KEY": KEY}

    done = run(move.path.parent, "migrate", "--to", move.url, **here)

    assert (done.returncode, done.stdout.splitlines()[2]) == (
        0,
        "Checked 9 interrupts and 18 events: no tampering found.",
    )
    assert "events: 18 rows copied and compared.\n" in done.stderr
