"""SQLite behind the Database protocol."""

import contextlib
import os
import sqlite3
from collections.abc import Awaitable, Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Generic, TypeVar

import anyio.to_thread

from loopin_mcp.api.database.migrations import Schema, migrate, of_this_version
from loopin_mcp.api.database.outages import Breakdown, Fault
from loopin_mcp.api.database.sqlite_file import PLACE, SQLiteFile, fault_of
from loopin_mcp.api.database.steps import Row, Steps, Value, single
from loopin_mcp.errors import ConfigurationError, UnavailableError

BUSY_TIMEOUT_S = 5.0
# How often to look for changes of other processes while somebody waits for one.
LOOK_S = 0.025

_T = TypeVar("_T")
Execute = Callable[[str, Mapping[str, Value]], sqlite3.Cursor]


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
            result = run(connection.execute, of_this_version(self.steps()))
        # Whatever is wrong with one must not take the others with it.
        except Exception as error:
            # This fails where SQLite has undone the whole transaction, as on a full disk.
            connection.execute("ROLLBACK TO steps")
            self.error = error
        else:
            self.result.append(result)
        connection.execute("RELEASE steps")

    def outcome(self) -> _T:
        """What came of the steps."""
        if self.error is not None:
            raise self.error
        return self.result[0]


class SQLite:
    """One SQLite file, shared with other processes (WAL), fsynced at every commit.

    Reads run side by side; writes that arrive together share one commit.
    """

    def __init__(self, path: Path, schema: Schema, busy_timeout_s: float) -> None:
        self._file = SQLiteFile(path, busy_timeout_s)
        try:
            prepare(self._file.writer, schema, str(path))
        except BaseException:
            self._file.close()
            raise
        self._data_version = self._file.data_version()
        self._waiting: list[_Write[Any]] = []
        self._turn = anyio.Lock()
        self._reads = Breakdown(f"The database {path}", "be read", fault_of)
        self._writes = Breakdown(f"The database {path}", "store this", fault_of)

    @classmethod
    async def open(
        cls, path: Path, schema: Schema, busy_timeout_s: float = BUSY_TIMEOUT_S
    ) -> "SQLite":
        """Open the file, or make it with its tables, readable by this user alone.

        `busy_timeout_s` is how long a statement waits for another process.

        Raises:
            ConfigurationError: It cannot be opened, or a newer program wrote it.
        """
        return await anyio.to_thread.run_sync(cls._opened, path, schema, busy_timeout_s)

    @classmethod
    def _opened(cls, path: Path, schema: Schema, busy_timeout_s: float) -> "SQLite":
        try:
            make_private_directory(path.parent)
            os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
            return cls(path, schema, busy_timeout_s)
        except (OSError, sqlite3.Error) as error:
            fault = fault_of(error) or Fault(str(error), PLACE)
            raise ConfigurationError(
                f"The database {path} cannot be used: {fault.what}. {fault.remedy}."
            ) from error

    async def read(self, sql: str, **params: Value) -> list[Row]:
        """See `Database.read`."""
        if not self._file.is_in_place:
            # Only who has the turn may change that.
            with contextlib.suppress(UnavailableError):
                await self.transact(partial(single, "SELECT 1", {}))
        with self._reads.watched():
            return await anyio.to_thread.run_sync(self._read, sql, params)

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
        with self._writes.watched():
            return write.outcome()

    async def changed(self, wanted: Callable[[], Awaitable[None]]) -> Collection[str] | None:
        """See `Database.changed`; which interrupts it was about is not known here."""
        while True:
            await wanted()
            async with self._turn:
                with self._reads.watched():
                    version = self._file.data_version()
            if version != self._data_version:
                self._data_version = version
                return None
            await anyio.sleep(LOOK_S)

    async def aclose(self) -> None:
        """Release all connections."""
        # A thread may be writing.
        async with self._turn:
            self._file.close()

    def _read(self, sql: str, params: Mapping[str, Value]) -> list[Row]:
        with self._file.reader() as connection:
            return connection.execute(sql, params).fetchall()

    def _commit(self, writes: list[_Write[Any]]) -> None:
        """Take the steps of all in one transaction."""
        try:
            self._file.hold()
            writer = self._file.writer
            writer.execute("BEGIN IMMEDIATE")
            for write in writes:
                write.attempt(writer)
            writer.execute("COMMIT")
            # What went into files that nobody finds again is not stored.
            self._file.hold()
        except sqlite3.Error as error:
            # Where nothing was begun, or SQLite has rolled back by itself, this fails too.
            with contextlib.suppress(sqlite3.Error):
                self._file.writer.execute("ROLLBACK")
            for write in writes:
                write.error = error


def make_private_directory(path: Path) -> None:
    """Make a directory and its parents for this user alone; those that exist stay as they are."""
    for missing in (*reversed(path.parents), path):
        missing.mkdir(mode=0o700, exist_ok=True)


def prepare(connection: sqlite3.Connection, schema: Schema, name: str) -> None:
    """Bring a file to this program's schema, whatever version it has.

    Raises:
        ConfigurationError: It is newer than this program; the message has its `name`.
    """
    connection.execute("BEGIN IMMEDIATE")
    run(connection.execute, migrate(schema, "sqlite", name, _statements))
    connection.execute("COMMIT")


def run(execute: Execute, steps: Steps[_T]) -> _T:
    """Take steps on a connection, within the transaction that it is in."""
    rows: list[Row] | None = None
    while True:
        try:
            sql, params = next(steps) if rows is None else steps.send(rows)
        except StopIteration as end:
            result: _T = end.value
            return result
        rows = execute(sql, params).fetchall()


def _statements(script: str) -> Iterator[str]:
    """The statements of a script, of which each begins and ends on lines of its own."""
    statement = ""
    for line in script.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""
