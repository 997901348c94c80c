"""SQLite behind the Database protocol."""

import asyncio
import contextlib
import os
import shutil
import sqlite3
import time
from collections.abc import Awaitable, Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self, TypeVar

import anyio.to_thread
from anyio.lowlevel import checkpoint

from loopin_mcp.api.database.migrations import (
    Upgrades,
    change_nothing,
    migrate,
    require_this_version,
)
from loopin_mcp.api.database.outages import Breakdown, Fault
from loopin_mcp.api.database.sqlite_faults import PLACE, fault_of
from loopin_mcp.api.database.sqlite_file import SQLiteFile, run
from loopin_mcp.api.database.steps import Load, Row, Steps, Value, execute
from loopin_mcp.errors import ConfigurationError, UnavailableError
from loopin_mcp.settings.private_files import (
    make_private_directory,
    refuse_open_directory,
    refuse_open_file,
)

# The first with RETURNING and DROP COLUMN.
OLDEST = (3, 35)
BUSY_TIMEOUT_S = 5.0
# How long writes may keep other requests waiting at a time.
SLICE_S = 0.005
# How long commits go only into the log before a thread moves it into the file.
MOVE_S = 0.2
# How often to look for changes of other processes while somebody waits for one.
LOOK_S = 0.025
# How many free bytes a change may need.
LEAST_FREE = 1024**2

_T = TypeVar("_T")
_SIZE = "SELECT page_count * page_size AS bytes FROM pragma_page_count(), pragma_page_size()"


@dataclass(eq=False)
class _Write:
    """Steps that wait for their turn, then their result or error."""

    steps: Callable[[], Steps[Any]]
    stored: asyncio.Future[None]
    result: Any = None
    error: Exception | None = None

    def attempt(self, connection: sqlite3.Connection) -> None:
        """Run the steps; if they fail, undo only them."""
        connection.execute("SAVEPOINT steps")
        try:
            self.result = run(connection.execute, self.steps())
        # One failing write must not take the others in its transaction with it.
        except Exception as error:
            # This fails if SQLite has undone the whole transaction, as on a full disk.
            connection.execute("ROLLBACK TO steps")
            self.error = error
        connection.execute("RELEASE steps")


class SQLite:
    """One SQLite file, shared with other processes (WAL), fsynced at every commit.

    Statements that take microseconds run on the event loop: what an index finds, and the steps of
    writes, of which all that wait share one commit. What may take long runs in threads: the commits
    with their fsyncs, and the other reads.
    """

    def __init__(self, path: Path, upgrades: Upgrades, busy_timeout_s: float) -> None:
        make_private_directory(path.parent)
        _refuse_open_to_others(path)
        os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
        self._directory = path.parent
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
        self._load = Load("sqlite")
        self._waiting: list[_Write] = []
        self._committing: asyncio.Task[None] | None = None
        self._moving: asyncio.Task[None] | None = None
        self._closing = anyio.Event()
        self._turn = anyio.Lock()
        # Commits have a thread of their own, so that they do not wait for reads.
        self._thread = anyio.CapacityLimiter(1)
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
        except (OSError, sqlite3.Error, UnicodeDecodeError) as error:
            fault = fault_of(error) or Fault(str(error), PLACE)
            raise ConfigurationError(
                f"The database {path} cannot be used: {fault.what}. {fault.remedy}."
            ) from error

    async def read(self, sql: str, **params: Value) -> list[Row]:
        """See `Database.read`."""
        if not self._file.is_in_place:
            # Only a write may open the file anew.
            with contextlib.suppress(UnavailableError):
                await execute(self, "SELECT 1")
        with self._reads.watched():
            return await anyio.to_thread.run_sync(self._read, sql, params)

    async def find(self, sql: str, **params: Value) -> list[Row]:
        """See `Database.find`."""
        try:
            return self._file.find(sql, params)
        except (sqlite3.Error, UnicodeDecodeError):
            return await self.read(sql, **params)

    async def transact(self, steps: Callable[[], Steps[_T]]) -> _T:
        """See `Database.transact`."""
        loop = asyncio.get_running_loop()
        write = _Write(steps, loop.create_future())
        self._waiting.append(write)
        if self._committing is None:
            self._committing = loop.create_task(self._commit_waiting())
        await write.stored
        with self._writes.watched():
            if write.error is not None:
                raise write.error
        result: _T = write.result
        return result

    async def check(self) -> None:
        """See `Database.check`; on a full disk, a small change may still find room in the log."""
        usage = await anyio.to_thread.run_sync(shutil.disk_usage, self._directory)
        if usage.free < LEAST_FREE:
            raise UnavailableError("The disk of the database is full")
        await self.transact(change_nothing)

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

    def load(self) -> Load:
        """See `Database.load`."""
        return self._load

    async def size_bytes(self) -> int:
        """See `Database.size_bytes`: without the log, which stays small."""
        [found] = await self.read(_SIZE)
        return int(found["bytes"] or 0)

    async def aclose(self) -> None:
        """Release all connections."""
        # A thread may be writing.
        async with self._turn:
            self._closing.set()
            if self._moving is not None:
                await self._moving
            self._file.close()

    def _read(self, sql: str, params: Mapping[str, Value]) -> list[Row]:
        with self._file.reader() as connection:
            return connection.execute(sql, params).fetchall()

    async def _commit_waiting(self) -> None:
        """Store the writes that wait, and those that come meanwhile."""
        async with self._turn:
            while self._waiting:
                writes, self._waiting = self._waiting, []
                await self._commit([each for each in writes if not each.stored.cancelled()])
                for write in writes:
                    if not write.stored.done():
                        write.stored.set_result(None)
                if self._moving is None:
                    self._moving = asyncio.get_running_loop().create_task(self._move())
            self._committing = None

    async def _move(self) -> None:
        """Move the log's contents into the file soon, so that commits seldom have to."""
        with anyio.move_on_after(MOVE_S):
            await self._closing.wait()
        if not self._closing.is_set():
            with contextlib.suppress(sqlite3.Error):
                await anyio.to_thread.run_sync(self._file.move_log)
        self._moving = None

    async def _commit(self, writes: list[_Write]) -> None:
        """Run the steps of all writes in one transaction."""
        try:
            await self._begin()
            run(self._file.writer.execute, require_this_version())
            pause_at = time.perf_counter() + SLICE_S
            for write in writes:
                write.attempt(self._file.writer)
                if time.perf_counter() > pause_at:
                    await checkpoint()
                    pause_at = time.perf_counter() + SLICE_S
            await anyio.to_thread.run_sync(self._end, limiter=self._thread)
            stored = sum(write.error is None for write in writes)
            self._load = Load("sqlite", self._load.writes + stored, self._load.commits + 1)
        # Whatever it is, nobody may wait for ever.
        except Exception as error:
            # This fails if nothing was begun, or SQLite has rolled back by itself.
            with contextlib.suppress(sqlite3.Error):
                self._file.writer.execute("ROLLBACK")
            for write in writes:
                write.error = error

    async def _begin(self) -> None:
        """Begin a transaction; in a thread if another process has locked the file."""
        try:
            self._file.begin_at_once()
        except sqlite3.OperationalError:
            await anyio.to_thread.run_sync(self._file.begin, limiter=self._thread)

    def _end(self) -> None:
        self._file.writer.execute("COMMIT")
        # If the file was moved meanwhile, the commit went into the wrong one.
        self._file.hold()


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


def _statements(script: str) -> Iterator[str]:
    """The statements of a script, of which each begins and ends on lines of its own."""
    statement = ""
    for line in script.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""
