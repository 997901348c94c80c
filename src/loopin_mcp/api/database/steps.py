"""The Database protocol, and transactions as generators of statements.

SQL is written once for two drivers: SQLite's blocks a thread, PostgreSQL's is awaited. So a
transaction is a generator that yields statements and is sent their rows, and each driver runs it to
the end. It cannot await anything else, so no transaction stays open while something else happens.
"""

from collections.abc import Awaitable, Callable, Collection, Generator, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

_T = TypeVar("_T")

Value = str | int | float | None
Row = Mapping[str, Value]
# Parameters are written `:name` in the SQL.
Statement = tuple[str, Mapping[str, Value]]
# Yields statements, is sent the rows of each, and returns a result.
Steps = Generator[Statement, list[Row], _T]


@dataclass(frozen=True)
class Load:
    """How much a database is used by this process, since it was opened.

    `writes` is the number of transactions that were stored, `commits` the number of commits that
    they shared, if they share them. `pool` has the figures of the pool of connections, if there is
    one: those of psycopg.
    """

    kind: str
    writes: int = 0
    commits: int = 0
    pool: Mapping[str, int] = field(default_factory=dict)


class Archive(Protocol):
    """A database that steps can read, and, if it is a `Database`, change."""

    async def transact(self, steps: Callable[[], Steps[_T]]) -> _T:
        """The result of steps in one transaction, once their changes are stored durably.

        `steps` may be called again after a conflict. If the steps raise an error, they are undone.

        Raises:
            UnavailableError: The database cannot be used right now; nothing is acknowledged.
        """
        ...


class Database(Archive, Protocol):
    """A database that stores interrupts."""

    async def read(self, sql: str, **params: Value) -> list[Row]:
        """The rows of one statement that changes nothing.

        Raises:
            UnavailableError: The database cannot be used right now.
        """
        ...

    async def find(self, sql: str, **params: Value) -> list[Row]:
        """The same for what an index finds within microseconds.

        Raises:
            UnavailableError: The database cannot be used right now.
        """
        ...

    async def check(self) -> None:
        """Make sure that the database can be used, also for changes.

        Raises:
            UnavailableError: It cannot right now, or another version has upgraded it.
        """
        ...

    async def changed(self, wanted: Callable[[], Awaitable[None]]) -> Collection[str] | None:
        """Wait until another process may have changed interrupts: these, or None for any.

        `wanted` returns as soon as somebody waits for a change.

        Raises:
            UnavailableError: The database cannot tell right now.
        """
        ...

    def load(self) -> Load:
        """How much this process uses it."""
        ...

    async def size_bytes(self) -> int:
        """The room that it takes on its disk.

        Raises:
            UnavailableError: The database cannot be used right now.
        """
        ...

    async def aclose(self) -> None:
        """Release all connections."""
        ...


async def execute(database: Archive, sql: str, **params: Value) -> list[Row]:
    """The rows of one statement in a transaction of its own."""

    def steps() -> Steps[list[Row]]:
        return (yield sql, params)

    return await database.transact(steps)


def listed(name: str, values: Iterable[str]) -> tuple[str, dict[str, str]]:
    """Values as a list for SQL's IN, and its parameters, whose names begin with `name`."""
    # SQL has no empty list.
    params = {f"{name}_{place}": value for place, value in enumerate(["", *values])}
    return ", ".join(f":{param}" for param in params), params
