"""Sets a SQLite file up: its log, and its schema."""

import sqlite3
import time
from collections.abc import Callable, Iterator, Mapping
from typing import TypeVar

from loopin_mcp.api.migrations import Schema, migrate
from loopin_mcp.api.statements import Row, Steps, Value
from loopin_mcp.plain import folded

_T = TypeVar("_T")
Execute = Callable[[str, Mapping[str, Value]], sqlite3.Cursor]

# How long to leave a file alone that somebody else is setting up.
LOCKED_S = 0.01


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


def prepare(connection: sqlite3.Connection, schema: Schema, name: str) -> None:
    """Bring a file to this program's schema, whatever version it has.

    Raises:
        ConfigurationError: It is newer than this program; the message has its `name`.
    """
    # SQLite's own knows ASCII alone, and a migration has texts of any language to fold.
    connection.create_function("LOWER", 1, folded, deterministic=True)
    connection.execute("BEGIN IMMEDIATE")
    run(connection.execute, migrate(schema, "sqlite", name, _statements))
    connection.execute("COMMIT")


def as_mapping(cursor: sqlite3.Cursor, values: tuple[Value, ...]) -> Row:
    """A row by the names of its columns; a row factory of SQLite's connections."""
    return {column[0]: value for column, value in zip(cursor.description, values, strict=True)}


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
