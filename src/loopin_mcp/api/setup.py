"""Sets a SQLite file up: its log, and its schema."""

import sqlite3
import time

from loopin_mcp.api.migrations import SCHEMA_VERSION, migrations
from loopin_mcp.api.searching import folded

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


def prepare(connection: sqlite3.Connection, name: str) -> None:
    """Bring a file to this program's schema, whatever version it has.

    Raises:
        ConfigurationError: It is newer than this program; the message has its `name`.
    """
    # The file keeps the mode of its log; how to sync is each connection's own.
    connection.execute("PRAGMA synchronous=FULL")
    # SQLite's own knows ASCII alone, and a migration has texts of any language to fold.
    connection.create_function("LOWER", 1, folded, deterministic=True)
    connection.execute("BEGIN IMMEDIATE")
    connection.execute(
        "CREATE TABLE IF NOT EXISTS schema_version (version INTEGER NOT NULL PRIMARY KEY)"
    )
    found = connection.execute("SELECT MAX(version) AS version FROM schema_version").fetchone()
    for script in migrations(found["version"], name):
        lines = script.read_text(encoding="utf-8").splitlines()
        text = "\n".join(line for line in lines if not line.lstrip().startswith("--"))
        for statement in text.split(";"):
            connection.execute(statement)
    connection.execute("DELETE FROM schema_version")
    connection.execute("INSERT INTO schema_version VALUES (:version)", {"version": SCHEMA_VERSION})
    connection.execute("COMMIT")
