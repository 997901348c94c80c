"""The Database protocol, and SQLite behind it."""

import contextlib
import os
import queue
import sqlite3
from collections.abc import Awaitable, Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

import anyio
import anyio.to_thread

from loopin_mcp.api.filewatch import watch
from loopin_mcp.api.sqlite_setup import prepare, run, use_write_ahead_log
from loopin_mcp.api.statements import Row, Steps, Value, single
from loopin_mcp.errors import ConfigurationError, UnavailableError

BUSY_TIMEOUT_S = 5.0

_T = TypeVar("_T")


class Database(Protocol):
    """The whole seam to a database: one statement, or steps that belong together.

    What they change has been stored durably when the call returns.
    """

    async def fetch(self, sql: str, **params: Value) -> list[Row]:
        """The rows one statement yields. Parameters are written `:name` in the SQL.

        Raises:
            UnavailableError: The database cannot be used right now.
        """
        ...

    async def transact(self, steps: Callable[[], Steps[_T]]) -> _T:
        """What steps come to, taken in one transaction.

        They may be taken anew where others were in the way. An error that they raise undoes them.

        Raises:
            UnavailableError: The database cannot be used right now; nothing is acknowledged.
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
class _Write(Generic[_T]):
    """Steps that wait for their turn, and what came of them."""

    steps: Callable[[], Steps[_T]]
    result: list[_T] = field(default_factory=list)
    error: Exception | None = None

    def attempt(self, connection: sqlite3.Connection) -> None:
        """Take the steps; if they fail, undo them and them alone."""
        connection.execute("SAVEPOINT steps")
        try:
            result = run(connection, self.steps())
        # Whatever is wrong with one must not take the others with it.
        except Exception as error:
            # This fails where SQLite has undone the whole transaction, as on a full disk.
            connection.execute("ROLLBACK TO steps")
            self.error = error
        else:
            self.result.append(result)
        connection.execute("RELEASE steps")


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
        self._waiting: list[_Write[Any]] = []
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
        return await self.transact(partial(single, sql, params))

    async def transact(self, steps: Callable[[], Steps[_T]]) -> _T:
        """See `Database.transact`."""
        write = _Write(steps)
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
        if isinstance(write.error, sqlite3.Error):
            raise UnavailableError("The database cannot store this right now") from write.error
        if write.error is not None:
            raise write.error
        return write.result[0]

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

    def _commit(self, writes: list[_Write[Any]]) -> None:
        """Take the steps of all in one transaction."""
        connection = self._writer
        try:
            connection.execute("BEGIN IMMEDIATE")
            for write in writes:
                write.attempt(connection)
            connection.execute("COMMIT")
        except sqlite3.Error as error:
            # Where nothing was begun, or SQLite has rolled back by itself, this fails too.
            with contextlib.suppress(sqlite3.Error):
                connection.execute("ROLLBACK")
            for write in writes:
                write.error = error


@contextlib.contextmanager
def _reading() -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        raise UnavailableError("The database cannot be read right now") from error


def _as_mapping(cursor: sqlite3.Cursor, values: tuple[Value, ...]) -> Row:
    return {column[0]: value for column, value in zip(cursor.description, values, strict=True)}


def make_private_directory(path: Path) -> None:
    """Make a directory and its parents for this user alone; those that exist stay as they are."""
    for missing in (*reversed(path.parents), path):
        missing.mkdir(mode=0o700, exist_ok=True)
