"""One SQLite file: its connections and its write-ahead log."""

import contextlib
import queue
import sqlite3
import time
from collections.abc import Callable, Iterator, Mapping
from operator import methodcaller
from pathlib import Path
from typing import TypeVar

from loopin_mcp.api.database.sqlite_faults import MovedError
from loopin_mcp.api.database.steps import Row, Steps, Value

_FIRST_READ = "SELECT 1 FROM sqlite_schema"

# Device and inode of the file at a path, or None if there is none.
_Found = tuple[int, int] | None

# How long to wait before trying again to set up a file that another process is setting up.
LOCKED_S = 0.01

# Errors caused by a rule or by a value of one statement, which steps may expect.
_REFUSALS = (sqlite3.IntegrityError, OverflowError)

_T = TypeVar("_T")
Execute = Callable[[str, Mapping[str, Value]], sqlite3.Cursor]


class SQLiteFile:
    """An existing file with its write-ahead log, and the connections to them.

    `busy_timeout_s` is how long a statement waits for another process.
    """

    def __init__(self, path: Path, busy_timeout_s: float) -> None:
        self._path = path
        self._busy_timeout_s = busy_timeout_s
        # SQLite keeps writing to files that were deleted, and those writes are lost.
        self._opened: list[_Found] | None = None
        self.hold()

    @property
    def is_in_place(self) -> bool:
        """Whether the opened files are still at their paths."""
        return self._opened == self._files()

    def hold(self) -> None:
        """Make sure that the opened files are those at the path; open them if necessary.

        Raises:
            sqlite3.Error: They cannot be opened, or the file was moved or deleted.
        """
        if self._opened is not None and self._opened != (found := self._files()):
            # What was moved away is read as before, until something else is at its path.
            self._is_readable = found[0] is None
            self._let_go(self._opened, found)
        if self._opened is None:
            self._open()
        self._is_readable = True

    def begin(self) -> None:
        """Begin to write; waits for other processes.

        Raises:
            sqlite3.Error: It cannot be written.
        """
        self.hold()
        self.writer.execute("BEGIN IMMEDIATE")

    def begin_at_once(self) -> None:
        """The same if it takes no time.

        Raises:
            sqlite3.Error: It takes time.
        """
        if not self.is_in_place:
            raise MovedError
        self.writer.execute("PRAGMA busy_timeout=0")
        try:
            self.writer.execute("BEGIN IMMEDIATE")
        finally:
            self.writer.execute(f"PRAGMA busy_timeout={self._busy_timeout_s * 1000:.0f}")

    def data_version(self) -> Value:
        """A number that changes with each commit of another connection than the writer.

        SQLite reads it from shared memory within microseconds, so this needs no thread.
        """
        row: Row = self.writer.execute("PRAGMA data_version").fetchone()
        return row["data_version"]

    def find(self, sql: str, params: Mapping[str, Value]) -> list[Row]:
        """The rows of a statement that takes microseconds; for one thread.

        Raises:
            sqlite3.Error: It has to be read with a `reader`, which explains why, or can read it.
        """
        if not self._is_readable:
            raise MovedError
        found = self._finder.execute(sql, params)
        names = [column[0] for column in found.description]
        return [dict(zip(names, values, strict=True)) for values in found]

    @contextlib.contextmanager
    def reader(self) -> Iterator[sqlite3.Connection]:
        """A read-only connection for exclusive use in this block.

        Raises:
            MovedError: Other files were found at the path, or a new connection would find them.
        """
        if not self._is_readable:
            raise MovedError
        readers = self._readers
        try:
            connection = readers.get_nowait()
        except queue.Empty:
            if not self.is_in_place:
                raise MovedError from None
            connection = self._connect_to_read()
        try:
            yield connection
        except BaseException:
            # It may have files open that are no longer at the path.
            connection.close()
            raise
        readers.put(connection)
        if self._is_closed:
            self._close_readers()

    def move_log(self) -> None:
        """Move the log's contents into the file while others read and write.

        Raises:
            sqlite3.Error: It cannot be done now.
        """
        with self.reader() as connection:
            connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()

    def close(self) -> None:
        """Close all connections, those in use as soon as they are not."""
        self._is_closed = True
        self._close_readers()
        self._finder.close()
        # Closing the last connection moves the contents of the log into the file.
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
            self.writer.execute("PRAGMA synchronous=FULL")
            # With many interrupts, each commit changes other pages. By default it would read most
            # of them from the file, and every few commits would wait until they are written there.
            self.writer.execute("PRAGMA cache_size=-65536")
            self.writer.execute("PRAGMA wal_autocheckpoint=8000")
            # Overwrite deleted content, which is the default of only some builds of SQLite.
            self.writer.execute("PRAGMA secure_delete=ON")
            # The first read creates the log and its index, which `_files` has to find.
            self.writer.execute(_FIRST_READ).fetchall()
        except BaseException:
            self.writer.close()
            raise
        self._opened, self._is_closed = self._files(), False
        self._finder = self._connect_to_read()
        # Faster than what the other connections have, which takes text that is not valid UTF-8.
        self._finder.row_factory, self._finder.text_factory = None, str

    def _let_go(self, opened: list[_Found], found: list[_Found]) -> None:
        """Close the files after the log or its index was moved or replaced.

        First the log's contents go into the database, wherever that is now: otherwise they would be
        lost, or be applied to another file that was put in its place.
        """
        if found[1] in (None, opened[1]):
            self.writer.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        if found[0] != opened[0]:
            raise MovedError
        self._close_readers()
        self._finder.close()
        # This fails if another process has the file open, which would keep using the lost log.
        self.writer.execute("PRAGMA journal_mode=DELETE")
        self.close()
        self._opened = None

    def _files(self) -> list[_Found]:
        """The files at the paths of the database, its log and the log's index."""
        return [_file_at(Path(f"{self._path}{suffix}")) for suffix in ("", "-wal", "-shm")]

    def _connect_to_read(self) -> sqlite3.Connection:
        connection = self._connect()
        connection.execute("PRAGMA query_only=ON")
        # Without a first read it would open the log at the next one.
        connection.execute(_FIRST_READ).fetchall()
        return connection

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(
            # It must not create a new file if this one is gone.
            f"{self._path.absolute().as_uri()}?mode=rw",
            timeout=self._busy_timeout_s,
            isolation_level=None,
            check_same_thread=False,
            uri=True,
        )
        connection.row_factory = as_mapping
        # Invalid UTF-8 must not make other rows unreadable, and SQLite's error would quote it.
        # Digests and `audit verify` show that it was changed.
        connection.text_factory = methodcaller("decode", "utf-8", "replace")
        return connection


def _file_at(path: Path) -> _Found:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def use_write_ahead_log(connection: sqlite3.Connection, busy_timeout_s: float) -> None:
    """Switch the file to a write-ahead log, permanently.

    SQLite's busy timeout does not apply if several processes switch a new file at once.
    """
    deadline = time.monotonic() + busy_timeout_s
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL")
            return
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() >= deadline:
                raise
        time.sleep(LOCKED_S)


def as_mapping(cursor: sqlite3.Cursor, values: tuple[Value, ...]) -> Row:
    """A row by the names of its columns, for a connection's `row_factory`."""
    return {column[0]: value for column, value in zip(cursor.description, values, strict=True)}


def run(execute: Execute, steps: Steps[_T]) -> _T:
    """Run steps on a connection, within its current transaction."""
    try:
        sql, params = next(steps)
        while True:
            try:
                rows = execute(sql, params).fetchall()
            except _REFUSALS as error:
                sql, params = steps.throw(error)
            else:
                sql, params = steps.send(rows)
    except StopIteration as end:
        result: _T = end.value
        return result
