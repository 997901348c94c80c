"""The end of a SQLite file while a thread still reads it."""

import sqlite3
from pathlib import Path

import pytest

from loopin_mcp.api.database.sqlite_file import SQLiteFile


def test_connection_in_use_is_closed_once_it_is_not(tmp_path: Path) -> None:
    path = tmp_path / "loopin.db"
    path.touch()
    file = SQLiteFile(path, busy_timeout_s=1)

    with file.reader() as connection:
        file.close()
        assert connection.execute("SELECT 1 AS one").fetchall() == [{"one": 1}]

    with pytest.raises(sqlite3.ProgrammingError, match="closed"):
        connection.execute("SELECT 1")
