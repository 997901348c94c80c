"""A SQLite file that becomes unusable: changes are refused with a clear message."""

import sys
from pathlib import Path

import pytest

from loopin_mcp.api.store.opening import open_sqlite
from loopin_mcp.errors import UnavailableError


async def at_once() -> None:
    """A wait that is wanted at once."""


async def test_file_that_was_overwritten_cannot_tell_its_changes(tmp_path: Path) -> None:
    database = await open_sqlite(tmp_path / "loopin.db")
    for file in tmp_path.iterdir():
        file.write_bytes(b"not a database! " * (file.stat().st_size // 16))

    with pytest.raises(UnavailableError, match="cannot be read"):
        await database.changed(at_once)

    await database.aclose()


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such limit")
async def test_file_that_cannot_be_opened_once_more_is_unavailable(tmp_path: Path) -> None:
    import resource

    database = await open_sqlite(tmp_path / "loopin.db")
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, limits[1]))
    try:
        with pytest.raises(UnavailableError, match="cannot be read"):
            await database.read("SELECT 1 AS one")
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)

    assert await database.read("SELECT 1 AS one") == [{"one": 1}]
    await database.aclose()
