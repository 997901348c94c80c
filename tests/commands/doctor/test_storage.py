"""What the doctor says about the data directory."""

import shutil
import sqlite3
from collections import namedtuple
from contextlib import closing
from pathlib import Path

import pytest

from loopin_mcp.api.store.opening import open_sqlite
from loopin_mcp.commands.doctor import storage
from loopin_mcp.commands.doctor.checks import Finding
from loopin_mcp.commands.doctor.storage import check_storage

Usage = namedtuple("Usage", "total used free")


@pytest.fixture
async def data_dir(tmp_path: Path, anyio_backend: str) -> Path:
    """A data directory with a database."""
    directory = tmp_path / "data"
    directory.mkdir(mode=0o700)
    await (await open_sqlite(directory / "embedded.db")).aclose()
    return directory


def statuses(data_dir: Path) -> list[tuple[str, str]]:
    return [(finding.name, finding.status) for finding in check_storage(data_dir)]


def test_directory_that_does_not_exist_yet_is_fine_and_stays_away(tmp_path: Path) -> None:
    data_dir = tmp_path / "deep" / "data"

    found = check_storage(data_dir)

    assert [finding.status for finding in found] == ["pass", "pass"]
    assert found[0].found == f"{data_dir} will be created at first use"
    assert not data_dir.parent.exists()


async def test_good_directory_passes(data_dir: Path) -> None:
    assert statuses(data_dir) == [
        ("Data directory", "pass"),
        ("Free space", "pass"),
        ("Database", "pass"),
    ]


async def test_directory_that_others_may_write_fails_with_the_command_that_helps(
    data_dir: Path,
) -> None:
    data_dir.chmod(0o777)

    [found] = check_storage(data_dir)

    assert found.status == "failure"
    assert f"chmod go-w '{data_dir}'" in found.found + found.remedy


async def test_database_that_others_may_write_fails(data_dir: Path) -> None:
    (data_dir / "embedded.db").chmod(0o666)

    assert statuses(data_dir) == [("Data directory", "failure")]


@pytest.mark.parametrize("target", ["file", "nowhere", "loop"])
def test_path_that_is_not_a_directory_fails(tmp_path: Path, target: str) -> None:
    data_dir = tmp_path / "loop"
    if target == "file":
        data_dir.write_text("")
    else:
        data_dir.symlink_to(tmp_path / target)

    found = check_storage(data_dir)

    assert [(each.status, each.found) for each in found] == [
        ("failure", f"{data_dir} is not a directory")
    ]


def test_home_that_is_not_known_fails() -> None:
    [found] = check_storage(Path("~/.local/share/loopin-mcp"))

    assert found.found.startswith("HOME is not set to an absolute path")


async def test_damage_is_found(data_dir: Path) -> None:
    database = data_dir / "embedded.db"
    with closing(sqlite3.connect(database)) as connection:
        [[root]] = connection.execute("SELECT rootpage FROM sqlite_schema WHERE name = 'events'")
        [[size]] = connection.execute("PRAGMA page_size")
    content = bytearray(database.read_bytes())
    content[(root - 1) * size : root * size] = b"\xaa" * size
    database.write_bytes(content)

    *_, found = check_storage(data_dir)

    assert (found.name, found.status) == ("Database", "failure")
    assert found.found.startswith("embedded.db is damaged: ")


async def test_file_that_is_not_a_database_fails(data_dir: Path) -> None:
    (data_dir / "embedded.db").write_text("not a database" * 1000)

    *_, found = check_storage(data_dir)

    assert (found.name, found.status) == ("Database", "failure")
    assert "file is not a database" in found.found


async def test_large_database_is_not_checked_for_long(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("loopin_mcp.api.database.read_only._STEPS", 1)
    monkeypatch.setattr(storage, "CHECK_WITHIN_S", -1)

    *_, found = check_storage(data_dir)

    expected = "embedded.db opens; checking all of it would take too long"
    assert found == Finding("Database", "pass", expected)


@pytest.mark.parametrize(("megabytes", "status"), [(100, "warning"), (1, "failure")])
async def test_full_disk_is_named(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch, megabytes: int, status: str
) -> None:
    def usage(_path: Path) -> Usage:
        return Usage(0, 0, megabytes * 1024**2)

    monkeypatch.setattr(shutil, "disk_usage", usage)

    found = check_storage(data_dir)[1]

    assert found == Finding("Free space", status, f"{megabytes} MB", "Make room there.")  # type: ignore[arg-type]


def test_path_that_the_system_refuses_fails(tmp_path: Path) -> None:
    [found] = check_storage(tmp_path / ("x" * 300))

    assert (found.name, found.status) == ("Data directory", "failure")
    assert found.found.endswith("cannot be used: File name too long")
