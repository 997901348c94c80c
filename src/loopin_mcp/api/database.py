"""The Database protocol, and SQLite behind it."""

import contextlib
import os
import queue
import sqlite3
from collections.abc import Awaitable, Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import anyio
import anyio.to_thread

from loopin_mcp.api.filewatch import watch
from loopin_mcp.api.setup import prepare, use_write_ahead_log
from loopin_mcp.errors import ConfigurationError, UnavailableError

BUSY_TIMEOUT_S = 5.0

Value = str | int | float | None
Row = Mapping[str, Value]


class Database(Protocol):
    """The whole seam to a database: one statement, its named parameters, its rows.

    A statement that changes something has been stored durably when `fetch` returns.
    """

    async def fetch(self, sql: str, **params: Value) -> list[Row]:
        """The rows one statement yields. Parameters are written `:name` in the SQL.

        Raises:
            UnavailableError: The database cannot be used right now.
        """
        ...

    async def changed(self, wanted: Callable[[], Awaitable[None]]) -> Collection[str] | None:
        """Wait until another process may have changed interrupts: these, or None for any.

        `wanted` returns as soon as somebody wants to know.

        Raises:
            UnavailableError: The database cannot tell right now.
        """
        ...

    async def aclose(self) -> None:
        """Release all connections."""
        ...


@dataclass(eq=False)
class _Write:
    """A statement that waits for its turn, and what came of it."""

    sql: str
    params: Mapping[str, Value]
    rows: list[Row] | None = None
    error: sqlite3.Error | None = None


class SQLite:
    """One SQLite file, shared with other processes (WAL), fsynced at every commit.

    Reads run side by side; writes that arrive together share one commit.
    """

    def __init__(self, path: Path, busy_timeout_s: float) -> None:
        self._path = path
        self._busy_timeout_s = busy_timeout_s
        self._readers: queue.SimpleQueue[sqlite3.Connection] = queue.SimpleQueue()
        self._writer = self._connect()
        try:
            use_write_ahead_log(self._writer, busy_timeout_s)
            prepare(self._writer, str(path))
        except BaseException:
            self._writer.close()
            raise
        self._data_version = self._read_data_version()
        # Every commit is written to the log first.
        self._watch = watch(path.with_name(path.name + "-wal"))
        self._waiting: list[_Write] = []
        self._turn = anyio.Lock()

    @classmethod
    async def open(cls, path: Path, busy_timeout_s: float = BUSY_TIMEOUT_S) -> "SQLite":
        """Open the file, or make it with its tables, readable by this user alone.

        `busy_timeout_s` is how long a statement waits for another process.

        Raises:
            ConfigurationError: It cannot be opened, or a newer program wrote it.
        """
        return await anyio.to_thread.run_sync(cls._opened, path, busy_timeout_s)

    @classmethod
    def _opened(cls, path: Path, busy_timeout_s: float) -> "SQLite":
        try:
            make_private_directory(path.parent)
            os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
            database = cls(path, busy_timeout_s)
        except (OSError, sqlite3.Error) as error:
            raise ConfigurationError(
                f"The database {path} cannot be used: {error}. Set LOOPIN_DATA_DIR to a directory "
                "this user can write to."
            ) from error
        return database

    async def fetch(self, sql: str, **params: Value) -> list[Row]:
        """See `Database.fetch`."""
        if sql.lstrip().startswith("SELECT"):
            return await anyio.to_thread.run_sync(self._read, sql, params)
        write = _Write(sql, params)
        self._waiting.append(write)
        try:
            async with self._turn:
                if write in self._waiting:
                    writes, self._waiting = self._waiting, []
                    with anyio.CancelScope(shield=True):
                        await anyio.to_thread.run_sync(self._commit, writes)
        finally:
            if write in self._waiting:
                self._waiting.remove(write)
        if write.rows is None:
            raise UnavailableError("The database cannot store this right now") from write.error
        return write.rows

    async def changed(self, wanted: Callable[[], Awaitable[None]]) -> Collection[str] | None:
        """See `Database.changed`; which interrupts it was about is not known here."""
        while True:
            await wanted()
            async with self._turn:
                with _reading():
                    version = self._read_data_version()
            if version != self._data_version:
                self._data_version = version
                return None
            await self._watch.hint()

    def _read_data_version(self) -> Value:
        """A number that changes with the commits of other connections than the writer.

        It is read from shared memory within microseconds, so it needs no thread.
        """
        row: Row = self._writer.execute("PRAGMA data_version").fetchone()
        return row["data_version"]

    async def aclose(self) -> None:
        """Release all connections."""
        self._watch.close()
        self._writer.close()
        with contextlib.suppress(queue.Empty):
            while True:
                self._readers.get_nowait().close()

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(
            self._path, timeout=self._busy_timeout_s, isolation_level=None, check_same_thread=False
        )
        connection.row_factory = _as_mapping
        return connection

    def _read(self, sql: str, params: Mapping[str, Value]) -> list[Row]:
        with _reading():
            try:
                connection = self._readers.get_nowait()
            except queue.Empty:
                connection = self._connect()
            try:
                return connection.execute(sql, params).fetchall()
            finally:
                self._readers.put(connection)

    def _commit(self, writes: list[_Write]) -> None:
        """Run the statements in one transaction; one that fails takes no other with it."""
        connection = self._writer
        try:
            connection.execute("BEGIN IMMEDIATE")
            results = [_attempt(connection, write) for write in writes]
            connection.execute("COMMIT")
        except sqlite3.Error as error:
            # Where nothing was begun, or SQLite has rolled back by itself, this fails too.
            with contextlib.suppress(sqlite3.Error):
                connection.execute("ROLLBACK")
            for write in writes:
                write.error = error
            return
        for write, result in zip(writes, results, strict=True):
            if isinstance(result, sqlite3.Error):
                write.error = result
            else:
                write.rows = result


@contextlib.contextmanager
def _reading() -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        raise UnavailableError("The database cannot be read right now") from error


def _attempt(connection: sqlite3.Connection, write: _Write) -> list[Row] | sqlite3.Error:
    """The rows, or the error of a statement, which SQLite has undone by itself."""
    try:
        return connection.execute(write.sql, write.params).fetchall()
    except sqlite3.Error as error:
        return error


def _as_mapping(cursor: sqlite3.Cursor, values: tuple[Value, ...]) -> Row:
    return {column[0]: value for column, value in zip(cursor.description, values, strict=True)}


def make_private_directory(path: Path) -> None:
    """Make a directory and its parents for this user alone; those that exist stay as they are."""
    for missing in (*reversed(path.parents), path):
        missing.mkdir(mode=0o700, exist_ok=True)
