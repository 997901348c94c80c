"""What is said to a database: statements, what they yield, and steps that belong together."""

from collections.abc import Generator, Iterable, Mapping
from typing import TypeVar

_T = TypeVar("_T")

Value = str | int | float | None
Row = Mapping[str, Value]
# Parameters are written `:name` in the SQL.
Statement = tuple[str, Mapping[str, Value]]
# Yields statements, is sent the rows of each, and returns what came of it.
Steps = Generator[Statement, list[Row], _T]


def single(sql: str, params: Mapping[str, Value]) -> Steps[list[Row]]:
    """A statement as steps of its own."""
    return (yield sql, params)


def named(values: Iterable[str]) -> dict[str, str]:
    """Parameters that hold these; there is always one, since no list in SQL may be empty."""
    return {f"listed_{place}": value for place, value in enumerate(["", *values])}


def listed(parameters: Iterable[str]) -> str:
    """Such parameters as a list in SQL."""
    return ", ".join(f":{name}" for name in parameters)
