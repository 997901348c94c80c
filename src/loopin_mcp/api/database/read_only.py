"""Opens the database of an API to be read, and never changed."""

import re
import sqlite3
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Protocol, TypeVar

import anyio.lowlevel

from loopin_mcp.api.database.migrations import of_this_version
from loopin_mcp.api.database.sqlite import run
from loopin_mcp.api.database.sqlite_file import as_mapping
from loopin_mcp.api.database.steps import Steps, Value
from loopin_mcp.errors import ConfigurationError, UnavailableError

_T = TypeVar("_T")


class Archive(Protocol):
    """A database that may be in use, where steps read what was there at one moment."""

    async def transact(self, steps: Callable[[], Steps[_T]]) -> _T:
        """What steps come to, all of which see the same state.

        Raises:
            UnavailableError: It cannot be read, or another program wrote it.
        """
        ...


class SQLiteArchive:
    """A SQLite file, which others may go on writing to.

    Raises:
        ConfigurationError: It cannot be opened.
    """

    def __init__(self, path: Path) -> None:
        try:
            self._connection = _connect(path)
        except sqlite3.Error as error:
            raise ConfigurationError(
                f"The database {path} cannot be read: {error}. Name it by LOOPIN_DATA_DIR or "
                "DATABASE_URL, as its API does."
            ) from error

    async def transact(self, steps: Callable[[], Steps[_T]]) -> _T:
        """See `Archive.transact`."""
        # Here whoever reads for long can be interrupted.
        await anyio.lowlevel.checkpoint()
        try:
            self._connection.execute("BEGIN")
            return run(self._execute, of_this_version(steps()))
        except sqlite3.Error as error:
            raise UnavailableError(f"The database cannot be read: {error}") from error
        finally:
            # This fails where nothing was begun.
            with suppress(sqlite3.Error):
                self._connection.execute("ROLLBACK")

    def _execute(self, sql: str, params: Mapping[str, Value]) -> sqlite3.Cursor:
        bound: dict[str, Value | bytes] = {**params}
        for name, value in params.items():
            if isinstance(value, str) and not value.isascii():
                # What was no text when it was read is not bound as text either.
                sql = re.sub(rf":{name}\b", f"CAST(:{name} AS TEXT)", sql)
                bound[name] = value.encode(errors="surrogateescape")
        return self._connection.execute(sql, bound)

    def close(self) -> None:
        """Let go of the file."""
        self._connection.close()


def _connect(path: Path) -> sqlite3.Connection:
    """A connection that only reads, also where nothing may be written beside the file."""
    address = f"{path.absolute().as_uri()}?mode=ro"
    log = path.with_name(f"{path.name}-wal")
    try:
        return _checked(address)
    except sqlite3.OperationalError:
        # Without an index of its log a file is read as it is, and so it must be without a log.
        if not path.exists() or (log.exists() and log.stat().st_size):
            raise
    return _checked(f"{address}&immutable=1")


def _checked(address: str) -> sqlite3.Connection:
    connection = sqlite3.connect(address, uri=True, isolation_level=None)
    connection.row_factory = as_mapping
    # What somebody has changed to be no text is to be found, and not to end the search.
    connection.text_factory = lambda raw: raw.decode(errors="surrogateescape")
    try:
        connection.execute("SELECT 1 FROM schema_version").fetchall()
    except BaseException:
        connection.close()
        raise
    return connection
