"""The PostgreSQL database that is filled; needs the extra `server`.

The names in its SQL are those of the schema.
"""

import json
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from hashlib import sha256
from typing import Any

from loopin_mcp.api.database.migrations import UNFINISHED
from loopin_mcp.api.database.postgres_connections import connection_string, psycopg
from loopin_mcp.api.database.steps import Value
from loopin_mcp.errors import ConfigurationError, UnavailableError

# Tables that are made from others or from the schema, and those of transactions in progress.
_NOT_COPIED = (
    "schema_version",
    "tallies",
    "tally_changes",
    "tally_transactions",
    "loopin_transfer",
)
_COUNT_AGAIN = """
    INSERT INTO tallies SELECT user_id, figure, name, place, count, total FROM counted_tallies
    """
_FOREIGN = """
    SELECT relname FROM pg_class WHERE relnamespace = current_schema()::regnamespace
        AND relkind IN ('r', 'p') AND to_regclass('schema_version') IS NULL
        AND NOT EXISTS (SELECT 1 FROM pg_depend WHERE objid = pg_class.oid AND deptype = 'e')
    """
_TABLES = """
    SELECT relname FROM pg_class WHERE relnamespace = current_schema()::regnamespace
        AND relkind = 'r' ORDER BY relname
    """
# By table, the columns of its primary key with their types.
_KEYS = """
    SELECT relname, attname, format_type(atttypid, atttypmod)
    FROM pg_index JOIN pg_class ON pg_class.oid = indrelid
    JOIN pg_attribute ON attrelid = indrelid AND attnum = ANY(indkey)
    WHERE indisprimary AND relnamespace = current_schema()::regnamespace
    ORDER BY relname, array_position(indkey, attnum)
    """
_INDEXES = """
    SELECT indexrelid::regclass::text, pg_get_indexdef(indexrelid)
    FROM pg_index JOIN pg_class ON pg_class.oid = indrelid
    WHERE relnamespace = current_schema()::regnamespace
        AND NOT EXISTS (SELECT 1 FROM pg_constraint WHERE conindid = indexrelid)
    """
_COUNTERS = """
    SELECT relname, attname, pg_get_serial_sequence(quote_ident(relname), attname)
    FROM pg_class JOIN pg_attribute ON attrelid = pg_class.oid
    WHERE relnamespace = current_schema()::regnamespace AND relkind = 'r' AND attnum > 0
        AND NOT attisdropped AND pg_get_serial_sequence(quote_ident(relname), attname) IS NOT NULL
    """
# What a run after an interruption needs: how far each table is copied, and what to put back.
_NOTES = "CREATE TABLE loopin_transfer (name TEXT PRIMARY KEY, note TEXT NOT NULL)"
_ADD_NOTE = "INSERT INTO loopin_transfer VALUES (%s, %s)"
_SOURCE, _VERSIONS, _DROPPED = " source", " versions", " indexes"
_ANOTHER = "Another `loopin-mcp migrate` fills this database."

# The number of the last row that was copied, and how many were.
Place = tuple[int, int]
Row = Sequence[Value]
Cursor = psycopg.Cursor[Any]


class ChangedError(Exception):
    """Rows of the source are not what was copied of them before."""


class UnstorableError(Exception):
    """PostgreSQL cannot store a value."""


class Target:
    """A database that no API can use until it is finished.

    Each of its changes is one transaction, so it can be continued after any interruption.

    Raises:
        ConfigurationError: The URL cannot be used.
        UnavailableError: PostgreSQL refuses; this holds for every method.
    """

    def __init__(self, url: str) -> None:
        try:
            # Poolers may give every transaction another connection.
            self._connection = psycopg.connect(
                connection_string(url), autocommit=True, prepare_threshold=None
            )
        except psycopg.Error as error:
            raise UnavailableError(f"PostgreSQL cannot be used: {str(error).strip()}") from error

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def is_begun(self, identity: str) -> bool:
        """Whether this database is filled from the one with this identity, and not finished.

        Raises:
            ConfigurationError: It holds something else.
        """
        with self._transaction() as cursor:
            if _column(cursor, "SELECT to_regclass('loopin_transfer')") == [None]:
                if foreign := _column(cursor, _FOREIGN):
                    raise _not_empty(f"has a table {foreign[0]}")
                return False
            if self._note(cursor, _SOURCE) != identity:
                raise _not_empty("is being filled from another database")
        return True

    def begin(self, identity: str, known: Collection[str]) -> None:
        """Make sure that the tables are empty, and keep every API from using them.

        Raises:
            ConfigurationError: They are not empty or not all `known`, or another process began.
        """
        with self._transaction() as cursor:
            # An API reads it in each transaction, and so waits for the end of this one.
            cursor.execute("LOCK TABLE schema_version IN ACCESS EXCLUSIVE MODE")
            if _column(cursor, "SELECT to_regclass('loopin_transfer')") != [None]:
                raise ConfigurationError(_ANOTHER)
            self._require_empty(cursor, identity, known)
            versions = _column(cursor, "SELECT version FROM schema_version")
            indexes = dict(cursor.execute(_INDEXES).fetchall())
            notes = {_SOURCE: identity, _VERSIONS: versions, _DROPPED: [*indexes.values()]}
            cursor.execute(_NOTES)
            for name, note in {**notes, **dict.fromkeys(self.tables, (0, 0))}.items():
                cursor.execute(_ADD_NOTE, [name, json.dumps(note)])
            for index in indexes:
                _run(cursor, f"DROP INDEX {index}")
            for table in self.tables:
                _run(cursor, f"ALTER TABLE {table} DISABLE TRIGGER USER")
            cursor.execute("DELETE FROM page_key")
            _set_versions(cursor, [UNFINISHED])

    @cached_property
    def tables(self) -> Sequence[str]:
        """The tables whose rows are copied."""
        with self._transaction() as cursor:
            found = _column(cursor, _TABLES)
        return [name for name in found if name not in _NOT_COPIED]

    def place(self, table: str) -> Place:
        """How far a table is copied."""
        with self._transaction() as cursor:
            last, count = self._note(cursor, table)
        return last, count

    def store(self, table: str, columns: Sequence[str], rows: Iterable[Row], place: Place) -> Place:
        """Copy rows, each with its number before its values, from a place on; returns the next.

        Raises:
            ChangedError: A row is there already.
            UnstorableError: A value cannot be stored.
            ConfigurationError: Another process fills this database.
        """
        last, count = place
        with self._transaction() as cursor:
            found = self._note(cursor, table, " FOR UPDATE")
            if tuple(found) != place:
                raise ConfigurationError(_ANOTHER)
            with cursor.copy(f"COPY {table} ({_quoted(columns)}) FROM STDIN") as copy:
                for number, *values in rows:
                    copy.write_row(values)
                    last, count = int(number or 0), count + 1
            self._set_note(cursor, table, (last, count))
        return last, count

    def forget(self, table: str) -> None:
        """Delete what was copied to a table."""
        with self._transaction() as cursor:
            _run(cursor, f"TRUNCATE {table}")
            self._set_note(cursor, table, (0, 0))

    def count(self, table: str) -> int:
        """The number of rows of a table."""
        with self._transaction() as cursor:
            [found] = _column(cursor, f"SELECT COUNT(*) FROM {table}")  # noqa: S608
        return int(found)

    def differing(self, table: str, columns: Sequence[str], rows: Iterable[Row]) -> int:
        """How many of these rows are not in a table with exactly the same values."""
        keys = self._keys.get(table) or [(column, "text") for column in columns]
        places = [columns.index(name) for name, _ in keys]
        expected = {tuple(row[place] for place in places): tuple(row) for row in rows}
        lists = ", ".join(f"%s::{kind}[]" for _, kind in keys)
        sql = f"""
            SELECT {_quoted(columns)} FROM {table}
            JOIN unnest({lists}) AS wanted ({", ".join(f"key_{place}" for place in places)})
            ON {" AND ".join(f'"{columns[place]}" = key_{place}' for place in places)}
            """  # noqa: S608
        with self._transaction() as cursor:
            found = _run(cursor, sql, [list(each) for each in zip(*expected, strict=True)])
            equal: int = sum(expected.get(tuple(row[at] for at in places)) == row for row in found)
        return len(expected) - equal

    def finish(self, progress: Callable[[int, int], None]) -> None:
        """Make what follows from the rows, and let APIs use the database."""
        with self._transaction() as cursor:
            dropped = self._note(cursor, _DROPPED)
            cursor.execute("SET LOCAL maintenance_work_mem = '256MB'")
            cursor.execute(_COUNT_AGAIN)
            for number, sql in enumerate(dropped):
                progress(number, len(dropped))
                _run(cursor, sql)
            for table, column, counter in cursor.execute(_COUNTERS).fetchall():
                highest = f"(SELECT COALESCE(MAX({column}), 0) + 1 FROM {table})"  # noqa: S608
                _run(cursor, f"SELECT setval('{counter}', {highest}, false)")
            for table in self.tables:
                _run(cursor, f"ALTER TABLE {table} ENABLE TRIGGER USER")
            for table in (*self.tables, "tallies"):
                # Else PostgreSQL would read a whole table to find a few of its rows.
                _run(cursor, f"ANALYZE {table}")
            _set_versions(cursor, self._note(cursor, _VERSIONS))
            cursor.execute("DROP TABLE loopin_transfer")

    @cached_property
    def _keys(self) -> dict[str, list[tuple[str, str]]]:
        """By table, the columns of its primary key with their types."""
        keys: dict[str, list[tuple[str, str]]] = {}
        with self._transaction() as cursor:
            for table, column, kind in cursor.execute(_KEYS).fetchall():
                keys.setdefault(table, []).append((column, kind))
        return keys

    def _require_empty(self, cursor: Cursor, identity: str, known: Collection[str]) -> None:
        """Refuse unknown tables, and tables with rows.

        Raises:
            ConfigurationError: There is one.
        """
        [key] = _column(cursor, "SELECT page_key FROM page_key")
        if sha256(str(key).encode()).hexdigest() == identity:
            raise ConfigurationError("The database has all rows already: nothing is to be done.")
        for table in self.tables:
            if table not in known:
                raise _not_empty(f"has a table {table}")
            if table != "page_key" and _column(cursor, f"SELECT 1 FROM {table} LIMIT 1"):  # noqa: S608
                raise _not_empty(f"has rows in the table {table}")

    def _note(self, cursor: Cursor, name: str, lock: str = "") -> Any:  # noqa: ANN401 - JSON
        sql = f"SELECT note FROM loopin_transfer WHERE name = %s{lock}"  # noqa: S608
        [note] = _column(cursor, sql, [name])
        return json.loads(note)

    def _set_note(self, cursor: Cursor, name: str, note: object) -> None:
        sql = "UPDATE loopin_transfer SET note = %s WHERE name = %s"
        cursor.execute(sql, [json.dumps(note), name])

    @contextmanager
    def _transaction(self) -> Iterator[Cursor]:
        """A transaction, without the time limits that a role may have."""
        try:
            with self._connection.transaction(), self._connection.cursor() as cursor:
                cursor.execute("SET LOCAL statement_timeout = 0")
                yield cursor
        except psycopg.errors.UniqueViolation as error:
            raise ChangedError from error
        except (psycopg.DataError, UnicodeError) as error:
            raise UnstorableError from error
        except psycopg.Error as error:
            what = error.diag.message_primary or str(error).strip()
            raise UnavailableError(f"PostgreSQL refuses: {what}") from error


def _run(cursor: Cursor, sql: str, params: Sequence[object] | None = None) -> Cursor:
    return cursor.execute(sql.encode(), params)


def _column(cursor: Cursor, sql: str, params: Sequence[object] | None = None) -> list[Any]:
    """The values of a statement that has one column."""
    return [value for (value,) in _run(cursor, sql, params)]


def _quoted(columns: Iterable[str]) -> str:
    return ", ".join(f'"{column}"' for column in columns)


def _set_versions(cursor: Cursor, versions: Iterable[int]) -> None:
    cursor.execute("DELETE FROM schema_version")
    for version in versions:
        cursor.execute("INSERT INTO schema_version VALUES (%s)", [version])


def _not_empty(why: str) -> ConfigurationError:
    return ConfigurationError(f"The database to fill {why}: create an empty one.")
