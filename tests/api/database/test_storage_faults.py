"""A SQLite file that is full, locked, missing or damaged: only stored changes are acknowledged."""

import os
import random
import sqlite3
import sys
import tempfile
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import anyio
import httpx
import pytest

from loopin_mcp.api.database.sqlite import SQLite
from loopin_mcp.api.database.steps import execute
from loopin_mcp.api.store.opening import open_sqlite
from loopin_mcp.api.store.store import Store
from loopin_mcp.errors import ConfigurationError
from tests.support import PATIENCE_S, PUBLIC_URL, Clock, ServedAPI, api_client, web
from tests.support.questions import NEW, create
from tests.support.storage import LARGE, api_on, refusal_of, status_of, stored_in

APPROVED = {"decision": "approved"}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "loopin.db"


@pytest.fixture
async def database(path: Path, anyio_backend: str) -> AsyncIterator[SQLite]:
    database = await open_sqlite(path, busy_timeout_s=0)
    yield database
    await database.aclose()


@pytest.fixture
async def api(database: SQLite, clock: Clock) -> AsyncIterator[httpx.AsyncClient]:
    async with api_client(Store(database, PUBLIC_URL, clock)) as client:
        yield client


@contextmanager
def as_no_administrator() -> Iterator[None]:
    """Make file modes count, which they do not for root."""
    before = os.geteuid()
    if before == 0:
        os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(before)


def damage(path: Path, chance: random.Random) -> None:
    """Flip bits in a file after its beginning, and maybe truncate it."""
    content = bytearray(path.read_bytes())
    for place in chance.sample(range(100, len(content)), 2000):
        content[place] ^= 1 << chance.randrange(8)
    path.write_bytes(content[: len(content) // chance.randint(1, 2)])


async def test_full_disk_is_said_and_over_once_there_is_room(
    database: SQLite, api: httpx.AsyncClient, path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "loopin_mcp")
    first = await create(api)
    # As many as there are already, so that SQLite reports a full disk.
    await execute(database, "PRAGMA max_page_count = 1")

    refusals = [await refusal_of(api) for _ in range(3)]
    while_full = await status_of(api, first["interruptId"])
    await execute(database, "PRAGMA max_page_count = 1000000")
    second = await create(api, **LARGE)

    full = "The database cannot store this right now: its disk is full (database or disk is full)"
    assert refusals == [full] * 3
    assert while_full == "pending"
    assert await stored_in(path) == {first["interruptId"], second["interruptId"]}
    assert caplog.messages == [
        f"The database {path} cannot store this: its disk is full (database or disk is full). "
        "Make room there.",
        f"The database {path} can store this again",
    ]


async def test_many_changes_at_once_on_a_full_disk_are_all_refused(
    database: SQLite, api: httpx.AsyncClient, path: Path
) -> None:
    kept = await create(api)
    await execute(database, "PRAGMA max_page_count = 1")

    async with anyio.create_task_group() as agents:
        for _ in range(20):
            agents.start_soon(refusal_of, api)

    assert await stored_in(path) == {kept["interruptId"]}


async def test_lock_of_another_process_is_said_and_over_with_it(
    api: httpx.AsyncClient, path: Path
) -> None:
    first = await create(api)
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")

    refusal = await refusal_of(api, f"/{first['interruptId']}/decide", decision="approved")
    while_locked = await status_of(api, first["interruptId"])
    other.close()

    assert "another process keeps it locked" in refusal
    assert while_locked == "pending"
    await create(api)


@pytest.mark.parametrize("seed", range(8))
async def test_damage_is_said_and_never_breaks_the_api(path: Path, seed: int) -> None:
    async with api_on(path) as api:
        ids = [(await create(api, **LARGE))["interruptId"] for _ in range(3)]
        ids += [(await create(api))["interruptId"] for _ in range(20)]
    damage(path, random.Random(seed))  # noqa: S311 - the same each time

    answers = []
    try:
        async with api_on(path) as api:
            for call in (*(f"/interrupts/{each}" for each in ids), "/interrupts/pending/u", "/"):
                answers.append(await api.get(call))
            decide = f"/interrupts/{ids[0]}/decide"
            answers.append(await api.post(decide, json=APPROVED))
        said = [answer.text for answer in answers if answer.status_code == 503]
    except ConfigurationError as error:
        said = [str(error)]

    assert {answer.status_code for answer in answers} <= {200, 404, 503}
    assert "damaged" in "".join(said)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("DELETE FROM sqlite_schema WHERE tbl_name = 'interrupts'", "no such table: interrupts"),
        ("UPDATE sqlite_schema SET sql = 'CREATE' WHERE name = 'events'", "malformed"),
        (
            "UPDATE sqlite_schema SET name = CAST(x'ce41' AS TEXT), sql = 'CREATE' "
            "WHERE name = 'events'",
            "",
        ),
    ],
)
async def test_damaged_schema_is_said_to_be_damage(path: Path, change: str, said: str) -> None:
    async with api_on(path) as api:
        interrupt_id = (await create(api))["interruptId"]
    with closing(sqlite3.connect(path, isolation_level=None)) as damaging:
        damaging.execute("PRAGMA writable_schema = ON")
        damaging.execute(change)

    try:
        async with api_on(path) as api:
            answer = await api.get(f"/interrupts/{interrupt_id}")
            refusal = answer.json()["error"]
    except ConfigurationError as error:
        refusal = str(error)

    assert "it is damaged" in refusal
    assert said in refusal


async def test_closing_waits_for_the_log_that_is_being_moved(path: Path) -> None:
    database = await open_sqlite(path)
    begun, may_end = threading.Event(), threading.Event()
    steps = []

    def move_log() -> None:
        begun.set()
        may_end.wait(PATIENCE_S)
        steps.append("moved")

    # What the thread does cannot be slowed down from outside.
    database._file.move_log = move_log  # type: ignore[method-assign]
    await execute(database, "CREATE TABLE t (x)")
    await anyio.to_thread.run_sync(begun.wait, PATIENCE_S)

    async with anyio.create_task_group() as closing_it:

        async def close() -> None:
            await database.aclose()
            steps.append("closed")

        closing_it.start_soon(close)
        await anyio.wait_all_tasks_blocked()
        may_end.set()

    assert steps == ["moved", "closed"]


@pytest.mark.subprocess
@pytest.mark.skipif(sys.platform != "linux", reason="only Linux limits a process that runs")
def test_disk_that_fails_under_a_running_api_is_outlasted(tmp_path: Path) -> None:
    import resource

    api = ServedAPI(tmp_path, {"LOOPIN_BASE_URL": PUBLIC_URL})

    def post() -> httpx.Response:
        return web.post(f"{api.url}/interrupts", json=NEW | LARGE)

    acknowledged = [post().json()["interruptId"]]
    # Less than the log needs, even if it begins anew.
    _, most = resource.prlimit(api.process.pid, resource.RLIMIT_FSIZE, (4096, -1))
    refusals = [post() for _ in range(3)]
    ready, health = web.get(f"{api.url}/ready"), web.get(f"{api.url}/health")
    read = web.get(f"{api.url}/interrupts/{acknowledged[0]}")
    resource.prlimit(api.process.pid, resource.RLIMIT_FSIZE, (most, most))
    acknowledged.append(post().json()["interruptId"])
    api.process.kill()
    _, log = api.process.communicate(timeout=PATIENCE_S)

    failure = "its disk is full, or cannot be read or written (disk I/O error)"
    assert {(refusal.status_code, refusal.json()["error"]) for refusal in refusals} == {
        (503, f"The database cannot store this right now: {failure}")
    }
    assert {each.headers["retry-after"] for each in refusals} == {"2"}
    assert (ready.status_code, health.status_code, read.status_code) == (503, 200, 200)
    assert f"The database {tmp_path / 'api.db'} cannot store this: {failure}. Make room" in log
    assert anyio.run(stored_in, tmp_path / "api.db") == set(acknowledged)


async def test_overwritten_database_refuses_and_says_so(api: httpx.AsyncClient, path: Path) -> None:
    await create(api)
    for file in path.parent.iterdir():
        file.write_bytes(b"not a database! " * (file.stat().st_size // 16))

    assert "it is damaged" in await refusal_of(api)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such modes")
async def test_database_that_may_not_be_written_is_named_at_the_start() -> None:
    with tempfile.TemporaryDirectory() as place:
        path = Path(place) / "loopin.db"
        await (await open_sqlite(path)).aclose()
        path.chmod(0o444)
        Path(place).chmod(0o555)
        with as_no_administrator(), pytest.raises(ConfigurationError) as refusal:
            await open_sqlite(path)
        Path(place).chmod(0o755)

    assert f"{path} cannot be used: " in str(refusal.value)
    assert "Let this user read and write it and its directory" in str(refusal.value)
