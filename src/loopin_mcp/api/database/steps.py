"""The seam to a database: statements, what they yield, and steps that belong together.

SQL stands once for two drivers: SQLite's blocks a thread, and PostgreSQL's is awaited. So a
transaction is a generator that yields statements and is sent their rows, and the driver of each
database runs it to its end. A step cannot await anything but its own statements, so that no
transaction stays open while something else is waited for.
"""

from collections.abc import Awaitable, Callable, Collection, Generator, Iterable, Mapping
from typing import Protocol, TypeVar

_T = TypeVar("_T")

Value = str | int | float | None
Row = Mapping[str, Value]
# Parameters are written `:name` in the SQL.
Statement = tuple[str, Mapping[str, Value]]
# Yields statements, is sent the rows of each, and returns what came of it.
Steps = Generator[Statement, list[Row], _T]


class Database(Protocol):
    """The whole seam to a database: one statement that reads, or steps that may change things.

    What steps change has been stored durably when the call returns.
    """

    async def read(self, sql: str, **params: Value) -> list[Row]:
        """The rows that one statement finds, which changes nothing.

        Parameters are written `:name` in the SQL.

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


def single(sql: str, params: Mapping[str, Value]) -> Steps[list[Row]]:
    """A statement as steps of its own."""
    return (yield sql, params)


def named(values: Iterable[str]) -> dict[str, str]:
    """Parameters that hold these; there is always one, since no list in SQL may be empty."""
    return {f"listed_{place}": value for place, value in enumerate(["", *values])}


def listed(parameters: Iterable[str]) -> str:
    """Such parameters as a list in SQL."""
    return ", ".join(f":{name}" for name in parameters)
