"""SQLite behind the Database protocol."""

import contextlib
import os
import sqlite3
from collections.abc import Awaitable, Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Self, TypeVar

import anyio.to_thread

from loopin_mcp.api.database.migrations import Upgrades, migrate, of_this_version
from loopin_mcp.api.database.outages import Breakdown, Fault
from loopin_mcp.api.database.sqlite_file import PLACE, SQLiteFile, fault_of
from loopin_mcp.api.database.steps import Row, Statement, Steps, Value, single
from loopin_mcp.errors import ConfigurationError, UnavailableError
from loopin_mcp.settings.private_files import (
    make_private_directory,
    refuse_open_directory,
    refuse_open_file,
)

# The first with RETURNING and DROP COLUMN.
OLDEST = (3, 35)
BUSY_TIMEOUT_S = 5.0
# How often to look for changes of other processes while somebody waits for one.
LOOK_S = 0.025

_T = TypeVar("_T")
# Errors caused by a rule or by a value of one statement, which steps may expect.
_REFUSALS = (sqlite3.IntegrityError, OverflowError)
Execute = Callable[[str, Mapping[str, Value]], sqlite3.Cursor]


@dataclass(eq=False)
class _Write:
    """Steps that wait for their turn, then their result or error."""

    steps: Callable[[], Steps[Any]]
    result: Any = None
    error: Exception | None = None

    def attempt(self, connection: sqlite3.Connection) -> None:
        """Run the steps; if they fail, undo only them."""
        connection.execute("SAVEPOINT steps")
        try:
            self.result = run(connection.execute, of_this_version(self.steps()))
        # One failing write must not take the others in its transaction with it.
        except Exception as error:
            # This fails if SQLite has undone the whole transaction, as on a full disk.
            connection.execute("ROLLBACK TO steps")
            self.error = error
        connection.execute("RELEASE steps")


class SQLite:
    """One SQLite file, shared with other processes (WAL), fsynced at every commit.

    Reads run in parallel; writes that arrive together share one commit.
    """

    def __init__(self, path: Path, upgrades: Upgrades, busy_timeout_s: float) -> None:
        make_private_directory(path.parent)
        _refuse_open_to_others(path)
        os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
        self._file = SQLiteFile(path, busy_timeout_s)
        try:
            execute = self._file.writer.execute
            execute("BEGIN IMMEDIATE")
            run(execute, migrate(upgrades, "sqlite", str(path), _statements))
            execute("COMMIT")
        except BaseException:
            self._file.close()
            raise
        self._data_version = self._file.data_version()
        self._waiting: list[_Write] = []
        self._turn = anyio.Lock()
        self._reads = Breakdown(f"The database {path}", "be read", fault_of)
        self._writes = Breakdown(f"The database {path}", "store this", fault_of)

    @classmethod
    async def open(
        cls, path: Path, upgrades: Upgrades, busy_timeout_s: float = BUSY_TIMEOUT_S
    ) -> Self:
        """Open the file, or create it with its tables, readable only by this user.

        `busy_timeout_s` is how long a statement waits for another process.

        Raises:
            ConfigurationError: It cannot be opened, a newer program wrote it, or this Python's
                SQLite is too old.
        """
        if sqlite3.sqlite_version_info < OLDEST:
            raise ConfigurationError(
                f"The SQLite of this Python is version {sqlite3.sqlite_version}, and LoopIn needs "
                f"{'.'.join(map(str, OLDEST))} or newer. Run it with a Python that brings its own: "
                "put --managed-python after uvx, and --python 3.13."
            )
        try:
            return await anyio.to_thread.run_sync(cls, path, upgrades, busy_timeout_s)
        except (OSError, sqlite3.Error) as error:
            fault = fault_of(error) or Fault(str(error), PLACE)
            raise ConfigurationError(
                f"The database {path} cannot be used: {fault.what}. {fault.remedy}."
            ) from error

    async def read(self, sql: str, **params: Value) -> list[Row]:
        """See `Database.read`."""
        if not self._file.is_in_place:
            # Only a write may open the file anew.
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
            if write.error is not None:
                raise write.error
        result: _T = write.result
        return result

    async def changed(self, wanted: Callable[[], Awaitable[None]]) -> Collection[str] | None:
        """See `Database.changed`; SQLite does not say which interrupts were changed."""
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

    def _commit(self, writes: list[_Write]) -> None:
        """Run the steps of all writes in one transaction."""
        try:
            self._file.hold()
            writer = self._file.writer
            writer.execute("BEGIN IMMEDIATE")
            for write in writes:
                write.attempt(writer)
            writer.execute("COMMIT")
            # If the file was moved meanwhile, the commit went into the wrong one.
            self._file.hold()
        except sqlite3.Error as error:
            # This fails if nothing was begun, or SQLite has rolled back by itself.
            with contextlib.suppress(sqlite3.Error):
                self._file.writer.execute("ROLLBACK")
            for write in writes:
                write.error = error


def _refuse_open_to_others(path: Path) -> None:
    """Refuse a database that another user of this machine may change or replace.

    Raises:
        ConfigurationError: The message names the file or directory, and the remedy.
    """
    # SQLite keeps the log beside the file that a link leads to.
    target = path.resolve()
    for directory in {path.parent, target.parent}:
        refuse_open_directory(directory)
    for suffix in ("", "-wal", "-shm", "-journal"):
        refuse_open_file(Path(f"{target}{suffix}"))


def run(execute: Execute, steps: Steps[_T]) -> _T:
    """Run steps on a connection, within its current transaction."""
    resume: Callable[[], Statement] = partial(next, steps)
    while True:
        try:
            sql, params = resume()
        except StopIteration as end:
            result: _T = end.value
            return result
        try:
            resume = partial(steps.send, execute(sql, params).fetchall())
        except _REFUSALS as error:
            resume = partial(steps.throw, error)


def _statements(script: str) -> Iterator[str]:
    """The statements of a script, of which each begins and ends on lines of its own."""
    statement = ""
    for line in script.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""
