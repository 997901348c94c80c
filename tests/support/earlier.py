"""Databases of earlier versions, of each kind."""

import json
import sqlite3
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Protocol

from loopin_mcp.api.database.migrations import SCHEMAS
from loopin_mcp.api.database.steps import Database
from loopin_mcp.api.store.opening import open_sqlite

Rows = Iterable[dict[str, Any]]


class Earlier(Protocol):
    """An empty place for a database that an earlier version made; `url` names it."""

    url: str

    def make(self, version: int, rows: Rows) -> None:
        """Create it with these interrupts, by the scripts of that version."""
        ...

    async def open(self) -> Database:
        """The database as this version opens it."""
        ...


class EarlierSQLite:
    def __init__(self, path: Path) -> None:
        self.url = f"sqlite:///{path}"
        self._path = path

    def make(self, version: int, rows: Rows) -> None:
        with sqlite3.connect(self._path) as connection:
            connection.execute("PRAGMA journal_mode=WAL")
            for script in _scripts(version, "sqlite"):
                connection.executescript(script)
            connection.execute("INSERT INTO schema_version VALUES (?)", [version])
            for row in rows:
                insert = f"INSERT INTO interrupts ({', '.join(row)}) VALUES "  # noqa: S608
                connection.execute(insert + f"(:{', :'.join(row)})", row)
        connection.close()

    async def open(self) -> Database:
        return await open_sqlite(self._path)


class EarlierPostgreSQL:
    def __init__(self, url: str) -> None:
        self.url = url

    def make(self, version: int, rows: Rows) -> None:
        import psycopg

        with psycopg.connect(self.url) as connection:
            connection.execute("DROP SCHEMA public CASCADE; CREATE SCHEMA public")
            for script in _scripts(version, "postgresql"):
                connection.execute(script.encode())
            connection.execute("INSERT INTO schema_version VALUES (%s)", [version])
            for row in rows:
                names = ", ".join(f"%({name})s" for name in row)
                insert = f"INSERT INTO interrupts ({', '.join(row)}) VALUES ({names})"  # noqa: S608
                connection.execute(insert.encode(), row)

    async def open(self) -> Database:
        from loopin_mcp.api.store.opening import open_postgresql

        return await open_postgresql(self.url)


def _scripts(version: int, dialect: str) -> list[str]:
    """The scripts up to a version."""
    files = [
        SCHEMAS / f"{each}{of}.sql"
        for each in range(1, version + 1)
        for of in ("", f".{dialect}", ".end", f".end.{dialect}")
    ]
    return [file.read_text("utf-8") for file in files if file.exists()]


def interrupt(interrupt_id: str, now: int, **columns: Any) -> dict[str, Any]:  # noqa: ANN401
    """A row of version 1: an interrupt created ten seconds ago that expires in a minute."""
    return {
        "interrupt_id": interrupt_id,
        "agent_id": "agent",
        "user_id": "user",
        "action": f"Pay {interrupt_id}",
        "action_type": "Pay",
        "context": json.dumps({"amount": 1, "note": "Ü"}),
        "urgency": "high",
        "status": "pending",
        "created_ms": now - 10_000,
        "expires_ms": now + 60_000,
        **columns,
    }
