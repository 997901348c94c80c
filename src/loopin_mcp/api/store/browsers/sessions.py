"""The stored sessions of browsers, and the key that proves the API to open pages."""

from loopin_mcp.api.access.sessions import IDLE_S, LONGEST_S, SessionRow
from loopin_mcp.api.clock import Clock
from loopin_mcp.api.database.steps import Database, execute


class StoredSessions:
    """The sessions in a database, which all processes on it share."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def add(self, row: SessionRow) -> None:
        """Store a new session."""
        await execute(
            self._database,
            "INSERT INTO sessions VALUES (:place, :subject, :seal, :created_ms, :used_ms)",
            place=row.place_digest,
            subject=row.subject,
            seal=row.seal,
            created_ms=row.created_ms,
            used_ms=row.used_ms,
        )

    async def get(self, place_digest: str) -> SessionRow | None:
        """The session at a place, or None."""
        rows = await self._database.find(
            "SELECT * FROM sessions WHERE place_digest = :place", place=place_digest
        )
        return next((SessionRow(**row) for row in rows), None)  # type: ignore[arg-type]

    async def use(self, place_digest: str, now: int) -> None:
        """Store that a session is used now."""
        sql = "UPDATE sessions SET used_ms = :now WHERE place_digest = :place AND used_ms < :now"
        await execute(self._database, sql, place=place_digest, now=now)

    async def delete(self, place_digest: str) -> None:
        """Delete a session."""
        sql = "DELETE FROM sessions WHERE place_digest = :place"
        await execute(self._database, sql, place=place_digest)

    async def delete_all(self) -> None:
        """Delete all sessions."""
        # An API can start while its database takes no changes.
        if await self._database.read("SELECT 1 FROM sessions LIMIT 1"):
            await execute(self._database, "DELETE FROM sessions")

    async def delete_ended(self) -> None:
        """Delete the sessions that ended by their age or by inactivity."""
        now = self._clock()
        await execute(
            self._database,
            "DELETE FROM sessions WHERE created_ms <= :created OR used_ms <= :used",
            created=now - LONGEST_S * 1000,
            used=now - IDLE_S * 1000,
        )

    async def page_key(self) -> bytes:
        """The key that proves to open pages who answers; each database has one."""
        [row] = await self._database.read("SELECT page_key FROM page_key")
        return bytes.fromhex(str(row["page_key"]))
