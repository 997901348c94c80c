"""Read-only access to the database of an API, for the audit."""

import math
import re
import sqlite3
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

import anyio.lowlevel

from loopin_mcp.api.database.migrations import of_this_version
from loopin_mcp.api.database.sqlite_file import as_mapping, run
from loopin_mcp.api.database.steps import Steps, Value
from loopin_mcp.errors import ConfigurationError, UnavailableError

_T = TypeVar("_T")

# Of SQLite's virtual machine, between two looks at the time: well below a millisecond.
_STEPS = 1000


class SQLiteArchive:
    """A SQLite file that is only read, while an API may be writing to it."""

    def __init__(self, path: Path) -> None:
        try:
            self._connection = open_to_read(path)
        except sqlite3.Error as error:
            raise ConfigurationError(
                f"The database {path} cannot be read: {error}. Name it by LOOPIN_DATA_DIR or "
                "DATABASE_URL, as its API does."
            ) from error

    async def transact(self, steps: Callable[[], Steps[_T]]) -> _T:
        """See `Archive.transact`."""
        # A long series of reads can be cancelled here.
        await anyio.lowlevel.checkpoint()
        return self.read(steps())

    def read(self, steps: Steps[_T]) -> _T:
        """The result of steps in one transaction.

        Raises:
            UnavailableError: The database cannot be read.
        """
        try:
            self._connection.execute("BEGIN")
            return run(self._execute, of_this_version(steps))
        except sqlite3.Error as error:
            raise UnavailableError(f"The database cannot be read: {error}") from error
        finally:
            # This fails if nothing was begun.
            with suppress(sqlite3.Error):
                self._connection.execute("ROLLBACK")

    def _execute(self, sql: str, params: Mapping[str, Value]) -> sqlite3.Cursor:
        bound: dict[str, Value | bytes] = {**params}
        for name, value in params.items():
            if isinstance(value, str) and not value.isascii():
                # A value that was read as invalid UTF-8 cannot be bound as text.
                sql = re.sub(rf":{name}\b", f"CAST(:{name} AS TEXT)", sql)
                bound[name] = value.encode(errors="surrogateescape")
        return self._connection.execute(sql, bound)

    def check(self, within_s: float) -> str | None:
        """What SQLite says about the file: "ok", or the first damage; None if it takes too long."""
        until = time.monotonic() + within_s
        self._connection.set_progress_handler(lambda: time.monotonic() > until, _STEPS)
        try:
            [found] = self._connection.execute("PRAGMA quick_check(1)").fetchall()
        except sqlite3.DatabaseError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_INTERRUPT:
                return str(error)
            if time.monotonic() <= until:
                # Python's sqlite3 drops what the handler of a signal raises meanwhile.
                raise KeyboardInterrupt from error
            return None
        finally:
            self._connection.set_progress_handler(None, 0)
        return str(found["quick_check"])

    def require_undamaged(self) -> None:
        """Refuse a damaged file, however long it takes to look through it.

        Raises:
            ConfigurationError: It is damaged.
        """
        if (found := self.check(math.inf)) != "ok":
            raise ConfigurationError(f"The database is damaged ({found}): use an older backup.")

    def close(self) -> None:
        """Close the file."""
        self._connection.close()


def open_to_read(path: Path) -> sqlite3.Connection:
    """A read-only connection to a database of LoopIn, even if its directory is read-only, too.

    Raises:
        sqlite3.Error: It cannot be read, or is not a database of LoopIn.
    """
    address = f"{path.absolute().as_uri()}?mode=ro"
    log = path.with_name(f"{path.name}-wal")
    try:
        return _checked(address)
    except sqlite3.OperationalError:
        # Immutable mode ignores the log, so it is correct only if the log is empty.
        if not path.exists() or (log.exists() and log.stat().st_size):
            raise
    return _checked(f"{address}&immutable=1")


def _checked(address: str) -> sqlite3.Connection:
    connection = sqlite3.connect(address, uri=True, isolation_level=None)
    connection.row_factory = as_mapping
    # An audit has to report invalid UTF-8, and not to end at it.
    connection.text_factory = lambda raw: raw.decode(errors="surrogateescape")
    try:
        connection.execute("SELECT 1 FROM schema_version").fetchall()
    except BaseException:
        connection.close()
        raise
    return connection
