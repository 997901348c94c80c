"""One SQLite file: its connections, its log, and what its errors mean."""

import contextlib
import queue
import sqlite3
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import TypeVar

from loopin_mcp.api.database.outages import Fault
from loopin_mcp.api.database.steps import Row, Value

# Where the remedy is another place.
PLACE = (
    "Let this user read and write it and its directory, or name another place by LOOPIN_DATA_DIR "
    "or DATABASE_URL"
)
_DAMAGED = (
    "it is damaged",
    "Stop all who use it and put a backup in its place, without the -wal and -shm beside it",
)
# By primary result codes: https://www.sqlite.org/rescode.html
_FAULTS = {
    sqlite3.SQLITE_BUSY: (
        "another process keeps it locked",
        "Find out which has it open: it can be used again once that lets go",
    ),
    sqlite3.SQLITE_CANTOPEN: (
        "it cannot be opened",
        f"{PLACE}; if it is there, this process may have too many files open",
    ),
    sqlite3.SQLITE_CORRUPT: _DAMAGED,
    sqlite3.SQLITE_FULL: ("its disk is full", "Make room there"),
    sqlite3.SQLITE_IOERR: (
        "its disk is full, or cannot be read or written",
        "Make room there, or check that disk and its quota",
    ),
    sqlite3.SQLITE_NOTADB: _DAMAGED,
    sqlite3.SQLITE_PERM: ("it may not be written", PLACE),
    sqlite3.SQLITE_READONLY: ("it may not be written", PLACE),
}
_OTHER = ("SQLite refuses", "Look at what SQLite says")

# What is at a path, by device and number.
_Found = tuple[int, int] | None

_T = TypeVar("_T")

# How long to leave a file alone that somebody else is setting up.
LOCKED_S = 0.01


class MovedError(sqlite3.OperationalError):
    """A file that was opened is no longer at its path."""

    def __init__(self) -> None:
        super().__init__("its file, or the log beside it, was moved, deleted or replaced")


def fault_of(error: Exception) -> Fault | None:
    """What is wrong with the file, or None where the error is not SQLite's."""
    if isinstance(error, MovedError):
        return Fault(str(error), "Put it back, or restart to go on with what is there now")
    if not isinstance(error, sqlite3.Error):
        return None
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR)
    what, remedy = found = _FAULTS.get(code & 0xFF, _OTHER)
    return Fault(f"{what} ({error})", remedy, is_damage=found is _DAMAGED)


class SQLiteFile:
    """A file that is there, the write-ahead log beside it, and the connections to both.

    `busy_timeout_s` is how long a statement waits for another process.
    """

    def __init__(self, path: Path, busy_timeout_s: float) -> None:
        self._path = path
        self._busy_timeout_s = busy_timeout_s
        # SQLite goes on with files that somebody has deleted, and what it stores there is lost.
        self._opened: list[_Found] | None = None
        self.hold()

    @property
    def is_in_place(self) -> bool:
        """Whether what was opened is still at its path."""
        return self._opened == self._files()

    def hold(self) -> None:
        """See to it that the files at the path are those that are written to.

        Raises:
            sqlite3.Error: They cannot be, above all because the file has been moved or deleted.
        """
        if self._opened is not None and self._opened != (found := self._files()):
            self._let_go(self._opened, found)
        if self._opened is None:
            self._open()

    def data_version(self) -> Value:
        """A number that changes with the commits of other connections than the writer.

        It is read from shared memory within microseconds, so it needs no thread.
        """
        row: Row = self.writer.execute("PRAGMA data_version").fetchone()
        return row["data_version"]

    @contextlib.contextmanager
    def reader(self) -> Iterator[sqlite3.Connection]:
        """A connection to read by that nobody else uses meanwhile.

        Raises:
            MovedError: There is no more left, and other files are at the path.
        """
        readers = self._readers
        try:
            connection = readers.get_nowait()
        except queue.Empty:
            if not self.is_in_place:
                raise MovedError from None
            connection = self._connect()
            connection.execute("PRAGMA query_only=ON")
        try:
            yield connection
        except BaseException:
            # It may know files that are no longer there.
            connection.close()
            raise
        readers.put(connection)

    def close(self) -> None:
        """Close all connections."""
        self._close_readers()
        # The last one moves what the log holds into the file.
        self.writer.close()

    def _close_readers(self) -> None:
        with contextlib.suppress(queue.Empty):
            while True:
                self._readers.get_nowait().close()

    def _open(self) -> None:
        self.writer = self._connect()
        self._readers: queue.SimpleQueue[sqlite3.Connection] = queue.SimpleQueue()
        try:
            use_write_ahead_log(self.writer, self._busy_timeout_s)
            # The file keeps the mode of its log; how to sync is each connection's own.
            self.writer.execute("PRAGMA synchronous=FULL")
            # What is deleted is overwritten, as some builds of SQLite do by themselves.
            self.writer.execute("PRAGMA secure_delete=ON")
            # The log and its index are there from the first look at the tables on.
            self.writer.execute("SELECT 1 FROM sqlite_schema").fetchall()
        except BaseException:
            self.writer.close()
            raise
        self._opened = self._files()

    def _let_go(self, opened: list[_Found], found: list[_Found]) -> None:
        """Close files that are no longer at the path, but for the database itself.

        What the log alone holds goes into the database first, wherever that is by now: before the
        log is lost, or taken for the log of what was put in the place of the database.
        """
        if found[1] in (None, opened[1]):
            self.writer.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        if found[0] != opened[0]:
            raise MovedError
        self._close_readers()
        # SQLite leaves the log only where nobody else has the file open, who would go on with the
        # log that is lost while here another one is begun.
        self.writer.execute("PRAGMA journal_mode=DELETE")
        self.close()
        self._opened = None

    def _files(self) -> list[_Found]:
        """Which files are at the paths of the database, its log and the index of that."""
        return [_file_at(Path(f"{self._path}{suffix}")) for suffix in ("", "-wal", "-shm")]

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(
            # It must not make another file where this one is gone.
            f"{self._path.absolute().as_uri()}?mode=rw",
            timeout=self._busy_timeout_s,
            isolation_level=None,
            check_same_thread=False,
            uri=True,
        )
        connection.row_factory = as_mapping
        # What is damaged so that it is no text keeps nobody from the rest, and the error about it
        # would quote it. Digests and `audit verify` tell that it was changed.
        connection.text_factory = partial(str, encoding="utf-8", errors="replace")
        return connection


def _file_at(path: Path) -> _Found:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def use_write_ahead_log(connection: sqlite3.Connection, busy_timeout_s: float) -> None:
    """Have the file keep a write-ahead log, for all who open it.

    Of several who change the mode of a new file at once, SQLite has some fail without waiting.
    """
    deadline = time.monotonic() + busy_timeout_s
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() >= deadline:
                raise
            time.sleep(LOCKED_S)
        else:
            return


def as_mapping(cursor: sqlite3.Cursor, values: tuple[Value, ...]) -> Row:
    """A row by the names of its columns; a row factory of SQLite's connections."""
    return {column[0]: value for column, value in zip(cursor.description, values, strict=True)}
