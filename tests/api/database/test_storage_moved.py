"""A SQLite file that is moved, replaced or loses its log while the API runs."""

import shutil
import sqlite3
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from loopin_mcp.api.database.steps import execute
from loopin_mcp.api.store.opening import open_sqlite
from loopin_mcp.errors import UnavailableError
from tests.support.questions import create
from tests.support.storage import api_on, refusal_of, status_of, stored_in

MOVED = "its file, or the log beside it, was moved, deleted or replaced"

pytestmark = pytest.mark.skipif(
    sys.platform == "win32", reason="Windows lets nobody move or delete a file that is open"
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "loopin.db"


@pytest.fixture
async def api(path: Path, anyio_backend: str) -> AsyncIterator[httpx.AsyncClient]:
    async with api_on(path) as client:
        yield client


async def test_moved_database_takes_no_changes_until_it_is_back(
    api: httpx.AsyncClient, path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    first = await create(api)
    await status_of(api, first["interruptId"])
    elsewhere = path.rename(path.with_name("elsewhere.db"))

    refusal = await refusal_of(api)
    while_away = await status_of(api, first["interruptId"])
    # A list needs a connection of its own.
    listed = await api.get("/interrupts/pending/u")
    exists = path.exists()
    elsewhere.rename(path)
    second = await create(api)

    assert refusal.endswith(MOVED)
    assert (while_away, listed.status_code, exists) == ("pending", 503, False)
    assert await stored_in(path) == {first["interruptId"], second["interruptId"]}
    assert f"The database {path} cannot store this: its file, or the log" in caplog.text
    assert "Put it back, or restart" in caplog.text


async def test_backup_in_place_of_a_running_database_stays_as_it_is(path: Path) -> None:
    backup = path.with_name("backup.db")
    async with api_on(path) as api:
        kept = await create(api)
        with sqlite3.connect(path) as source, sqlite3.connect(backup) as target:
            source.backup(target)
        source.close()
        target.close()
        await create(api)
        path.unlink()
        shutil.copy(backup, path)

        refusal = await refusal_of(api)
        read = await api.get(f"/interrupts/{kept['interruptId']}")

    assert refusal.endswith(MOVED)
    assert (read.status_code, read.json()["error"]) == (
        503,
        f"The database cannot be read right now: {MOVED}",
    )
    # The log next to it belonged to the earlier database.
    assert await stored_in(path) == {kept["interruptId"]}


@pytest.mark.parametrize("lost", [["-wal"], ["-shm"], ["-wal", "-shm"]])
async def test_log_that_was_deleted_takes_nothing_with_it(
    api: httpx.AsyncClient, path: Path, tmp_path: Path, lost: list[str]
) -> None:
    first = await create(api)
    for suffix in lost:
        path.with_name(path.name + suffix).unlink()

    # Any read is enough.
    assert await status_of(api, first["interruptId"]) == "pending"
    second = await create(api)

    # The files as they would be after a power failure now.
    left = tmp_path / "left"
    left.mkdir()
    for suffix in ("", "-wal"):
        shutil.copy(path.with_name(path.name + suffix), left)
    assert await stored_in(left / path.name) == {first["interruptId"], second["interruptId"]}


async def test_log_that_another_file_took_the_place_of_takes_nothing_with_it(
    api: httpx.AsyncClient, path: Path
) -> None:
    first = await create(api)
    log = path.with_name(f"{path.name}-wal")
    log.unlink()
    log.touch()

    second = await create(api)

    assert await stored_in(path) == {first["interruptId"], second["interruptId"]}


async def test_log_that_others_go_on_with_is_not_begun_anew(
    api: httpx.AsyncClient, path: Path
) -> None:
    first = await create(api)
    other = await open_sqlite(path, busy_timeout_s=0)
    path.with_name(f"{path.name}-wal").unlink()

    refusal = await refusal_of(api)
    read = await api.get(f"/interrupts/{first['interruptId']}")
    with pytest.raises(UnavailableError, match="another process keeps it locked"):
        await execute(other, "DELETE FROM deletions")
    await other.aclose()
    second = await create(api)

    assert "another process keeps it locked" in refusal
    assert read.status_code == 503
    assert await stored_in(path) == {first["interruptId"], second["interruptId"]}
