"""The SQLite database that is moved, as of one moment; nothing in it is changed."""

import sqlite3
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

from loopin_mcp.api.database.migrations import require_this_version
from loopin_mcp.api.database.read_only import open_to_read
from loopin_mcp.api.database.sqlite_file import run
from loopin_mcp.api.database.steps import Value
from loopin_mcp.api.database.transfer.copies import refuse_use
from loopin_mcp.errors import ConfigurationError

# The first value is the number of the row in its table.
SourceRow = tuple[Value, ...]

_TABLES = """
    SELECT tables.name AS name, columns.name AS column_name
    FROM sqlite_schema AS tables JOIN pragma_table_info(tables.name) AS columns
    WHERE tables.type = 'table' ORDER BY tables.name, columns.cid
    """


class Source:
    """A SQLite file that no other program has open.

    Raises:
        ConfigurationError: It is in use, or cannot be read.
        UnavailableError: It has another schema version than this program.
    """

    def __init__(self, path: Path) -> None:
        refuse_use(path.resolve())
        try:
            self._connection = open_to_read(path)
            self._begin()
        except sqlite3.Error as error:
            raise ConfigurationError(f"The database {path} cannot be read: {error}.") from error

    def _begin(self) -> None:
        execute = self._connection.execute
        self._seen = self._changes()
        execute("BEGIN")
        run(execute, require_this_version())
        [key] = execute("SELECT page_key FROM page_key").fetchall()
        # Each database has a key of its own.
        self.identity = sha256(str(key["page_key"]).encode()).hexdigest()
        self.columns: dict[str, list[str]] = {}
        for row in execute(_TABLES).fetchall():
            self.columns.setdefault(str(row["name"]), []).append(str(row["column_name"]))

    def count(self, table: str) -> int:
        """The number of rows of a table."""
        [row] = self._connection.execute(f"SELECT COUNT(*) AS count FROM {table}")  # noqa: S608
        return int(row["count"])

    def rows(self, table: str, after: int = 0) -> Iterator[SourceRow]:
        """The rows of a table from a number on, in the order of their numbers."""
        names = ", ".join(f'"{column}"' for column in self.columns[table])
        sql = f"SELECT rowid, {names} FROM {table} WHERE rowid > ? ORDER BY rowid"  # noqa: S608
        cursor = self._connection.cursor()
        # Without names, which takes less time.
        cursor.row_factory = None
        return cursor.execute(sql, [after])

    def has_changed(self) -> bool:
        """Whether another program has changed the file since this was opened.

        After this, reads show such changes.
        """
        self._connection.execute("ROLLBACK")
        return self._changes() != self._seen

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    def _changes(self) -> Value:
        [row] = self._connection.execute("PRAGMA data_version").fetchall()
        value: Value = row["data_version"]
        return value
