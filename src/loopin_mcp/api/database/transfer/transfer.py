"""Copies all rows of a SQLite database into PostgreSQL, and compares each with its copy."""

from collections.abc import Callable
from itertools import islice

from loopin_mcp.api.database.transfer.source import Source
from loopin_mcp.api.database.transfer.target import ChangedError, Target, UnstorableError
from loopin_mcp.errors import ConfigurationError

# How many rows one transaction copies, and how many are in memory to be compared.
COPIED_AT_ONCE = 10_000
COMPARED_AT_ONCE = 500

_FOREIGN = "it has values that LoopIn did not write, see loopin-mcp audit verify"

# What is done, how many rows of it, and of how many.
Progress = Callable[[str, int, int], None]


def transfer(
    source: Source,
    target: Target,
    say: Callable[[str], None],
    progress: Progress,
    at_once: int = COPIED_AT_ONCE,
) -> dict[str, int]:
    """Make the target equal to the source, from where it was interrupted, and finish it.

    Returns the number of rows of each table.

    Raises:
        ConfigurationError: A value cannot be stored, or the source is changed meanwhile.
        UnavailableError: PostgreSQL refuses. What was copied stays.
    """
    counts = {}
    for table in target.tables:
        counts[table] = total = source.count(table)
        if not _is_made_equal(source, target, table, progress, at_once):
            say(f"{table}: the source has changed since it was copied, so it is copied again.")
            target.forget(table)
            if not _is_made_equal(source, target, table, progress, at_once):
                raise ConfigurationError(f"The copy of {table} differs: {_FOREIGN}.")
        say(f"{table}: {total:,} rows copied and compared.")
    if source.has_changed():
        raise ConfigurationError(
            "The source was changed while it was copied: stop its API and run this again."
        )
    say("All rows are equal. The figures are counted, then the indexes built.")
    target.finish(lambda done, total: progress("Building indexes", done, total))
    return counts


def _is_made_equal(
    source: Source, target: Target, table: str, progress: Progress, at_once: int
) -> bool:
    """Copy what is not copied yet of a table; returns whether all rows are equal then."""
    try:
        _copy(source, target, table, progress, at_once)
    except ChangedError:
        return False
    columns, total, done = source.columns[table], source.count(table), 0
    if target.count(table) != total:
        return False
    rows = source.rows(table)
    while some := [row[1:] for row in islice(rows, COMPARED_AT_ONCE)]:
        if target.differing(table, columns, some):
            return False
        done += len(some)
        progress(f"Comparing {table}", done, total)
    return True


def _copy(source: Source, target: Target, table: str, progress: Progress, at_once: int) -> None:
    columns, total, place = source.columns[table], source.count(table), target.place(table)
    last, rows = None, source.rows(table, place[0])
    while place != last:
        last = place
        try:
            place = target.store(table, columns, islice(rows, at_once), place)
        except UnstorableError as error:
            where = _place_of(source, table, place[0])
            raise ConfigurationError(
                f"{table} has a value that PostgreSQL cannot store{where}: {_FOREIGN}."
            ) from error
        progress(f"Copying {table}", place[1], total)


def _place_of(source: Source, table: str, after: int) -> str:
    """Where the first text is that PostgreSQL cannot store."""
    for number, *values in source.rows(table, after):
        for column, value in zip(source.columns[table], values, strict=True):
            if isinstance(value, str) and not _is_storable(value):
                return f", in row {number}, column {column}"
    return ""


def _is_storable(text: str) -> bool:
    try:
        return b"\0" not in text.encode()
    except UnicodeError:
        return False
