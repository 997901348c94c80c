"""`GET /ready`: red as soon as this copy cannot take changes, and green again by itself."""

import logging
import shutil
import sqlite3
from pathlib import Path

import anyio
import httpx
import pytest

from loopin_mcp.api.database.steps import Database, execute
from loopin_mcp.api.rest.waiting import let_go
from loopin_mcp.api.store.store import Store
from loopin_mcp.errors import UnavailableError
from tests.support import KEY, PUBLIC_URL, Down, api_client
from tests.support.loops import ON_VIRTUAL_TIME, Backend
from tests.support.questions import create
from tests.support.storage import api_on, status_of, until_ready

RED = "Not ready: the database takes no changes right now; the API's log says why"


class Probed(Down):
    """A database whose checks are counted, and fail or hang as the test says."""

    def __init__(self) -> None:
        super().__init__()
        self.checks = 0
        self.may_answer = anyio.Event()
        self.may_answer.set()
        self.fails = False

    async def check(self) -> None:
        self.checks += 1
        await self.may_answer.wait()
        if self.fails:
            raise UnavailableError("The database of marker-name cannot be used")


async def test_api_that_can_store_is_ready_and_stores_nothing_for_it(
    store: Store, database: Database
) -> None:
    async with api_client(store, api_key=KEY) as client:
        answer = await client.get("/ready")

    versions = await database.read("SELECT version FROM schema_version")
    assert (answer.status_code, answer.json()) == (200, {"status": "ready"})
    assert len(versions) == 1


async def test_api_whose_database_is_away_is_up_but_not_ready_and_says_no_more(
    caplog: pytest.LogCaptureFixture,
) -> None:
    database = Probed()
    database.fails = True
    async with api_client(Store(database, PUBLIC_URL), api_key=KEY) as client:
        answer = await client.get("/ready")
        health = await client.get("/health")

    assert (answer.status_code, answer.json()) == (503, {"error": RED})
    assert answer.headers["retry-after"] == "1"
    assert health.status_code == 200
    assert caplog.messages == ["Readiness checks fail: The database of marker-name cannot be used"]


class TestOnVirtualTime:
    @pytest.fixture
    def anyio_backend(self) -> Backend:
        return ON_VIRTUAL_TIME

    async def test_many_probes_cost_one_check_a_second(self) -> None:
        database = Probed()
        async with api_client(Store(database, PUBLIC_URL)) as client:
            for _ in range(3):
                async with anyio.create_task_group() as probes:
                    for _ in range(20):
                        probes.start_soon(client.get, "/ready")
                await anyio.sleep(1.5)

        assert database.checks == 3

    async def test_database_that_hangs_is_asked_once_and_all_probes_are_answered(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level(logging.INFO)
        database = Probed()
        database.may_answer = anyio.Event()
        async with api_client(Store(database, PUBLIC_URL)) as client:
            begun = anyio.current_time()
            hung = [await client.get("/ready") for _ in range(3)]
            took = anyio.current_time() - begun
            database.may_answer.set()
            over = await client.get("/ready")

        assert [(answer.status_code, answer.json()) for answer in hung] == [
            (503, {"error": RED})
        ] * 3
        assert (took, database.checks, over.status_code) == (6, 1, 200)

    async def test_recovery_is_seen_and_logged_once(self, caplog: pytest.LogCaptureFixture) -> None:
        caplog.set_level(logging.INFO, "loopin_mcp")
        database, statuses = Probed(), []
        async with api_client(Store(database, PUBLIC_URL)) as client:
            for fails in (False, True, True, False, False):
                database.fails = fails
                statuses.append((await client.get("/ready")).status_code)
                await anyio.sleep(1.5)

        assert statuses == [200, 503, 503, 200, 200]
        assert caplog.messages == [
            "Readiness checks fail: The database of marker-name cannot be used",
            "Readiness checks succeed again",
        ]


async def test_stopping_api_is_not_ready(sqlite_store: Store) -> None:
    async with api_client(sqlite_store) as client:
        await let_go(sqlite_store)
        answer = await client.get("/ready")

    assert (answer.status_code, answer.json()) == (
        503,
        {"error": "Not ready: the API is stopping"},
    )


async def test_api_whose_file_another_program_locks_reads_but_is_not_ready(tmp_path: Path) -> None:
    async with api_on(tmp_path / "loopin.db") as api:
        created = await create(api)
        other = sqlite3.connect(tmp_path / "loopin.db", isolation_level=None)
        other.execute("BEGIN IMMEDIATE")

        locked = await api.get("/ready")
        status = await status_of(api, created["interruptId"])
        other.close()
        await until_ready(api)

    assert (locked.status_code, status) == (503, "pending")


async def test_api_of_an_older_version_than_the_database_is_not_ready(
    store: Store, database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    async with api_client(store) as client:
        await execute(database, "UPDATE schema_version SET version = 99")
        answer = await client.get("/ready")

    assert answer.json() == {"error": RED}
    assert "update loopin-mcp" in caplog.text


async def test_api_whose_disk_is_nearly_full_is_not_ready_until_there_is_room(
    api: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = shutil.disk_usage("/")
    with monkeypatch.context() as full:
        full.setattr(shutil, "disk_usage", lambda _: real._replace(free=1000))
        answer = await api.get("/ready")

    assert (answer.status_code, answer.json()) == (503, {"error": RED})
    await until_ready(api)
