"""The stored devices: the browsers that get Web Push, and whose they are."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import partial

from loopin_mcp.api.database.steps import Database, Steps, execute
from loopin_mcp.api.store.outbox import owe_nothing_to
from loopin_mcp.errors import ConflictError

MOST_EACH = 20

_INSERT = """
    INSERT INTO devices (device_id, subject, name, endpoint, p256dh, auth, server_key, seal,
        urgent_only, added_ms)
    VALUES (:device_id, :subject, :name, :endpoint, :p256dh, :auth, :server_key, :seal,
        :urgent_only, :added_ms)
    """


@dataclass(frozen=True)
class DeviceRow:
    """A device as the database has it; its `seal` proves whose it is."""

    device_id: str
    subject: str
    name: str
    endpoint: str
    p256dh: str
    auth: str
    server_key: str
    seal: str
    urgent_only: int
    added_ms: int
    sent_ms: int | None = None
    failed_ms: int | None = None
    failure: str | None = None


class StoredDevices:
    """The devices in a database, which all processes on it share."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, row: DeviceRow) -> None:
        """Store a device, in place of an earlier one with the same endpoint.

        Raises:
            ConflictError: Its subject has too many.
        """
        await self._database.transact(partial(_add, row))

    async def list_of(self, subject: str) -> Sequence[DeviceRow]:
        """The devices of a subject, the latest first."""
        rows = await self._database.read(
            "SELECT * FROM devices WHERE subject = :subject ORDER BY added_ms DESC, device_id",
            subject=subject,
        )
        return [DeviceRow(**row) for row in rows]  # type: ignore[arg-type]

    async def get(self, device_id: str) -> DeviceRow | None:
        """A device, or None."""
        rows = await self._database.find(
            "SELECT * FROM devices WHERE device_id = :device_id", device_id=device_id
        )
        return next((DeviceRow(**row) for row in rows), None)  # type: ignore[arg-type]

    async def remove(self, device_id: str) -> None:
        """Delete a device, and what is still to be sent to it."""
        await self._database.transact(partial(_remove, device_id))

    async def choose(self, device_id: str, *, urgent_only: bool) -> None:
        """Store whether a device gets only requests of high urgency."""
        await execute(
            self._database,
            "UPDATE devices SET urgent_only = :urgent_only WHERE device_id = :device_id",
            device_id=device_id,
            urgent_only=int(urgent_only),
        )

    async def note_sent(self, device_id: str, now: int) -> None:
        """Store that a push was accepted now."""
        await execute(
            self._database,
            """
            UPDATE devices SET sent_ms = :now, failed_ms = NULL, failure = NULL
            WHERE device_id = :device_id
            """,
            device_id=device_id,
            now=now,
        )

    async def note_failed(self, device_id: str, now: int, failure: str) -> None:
        """Store that a push failed now, and why."""
        await execute(
            self._database,
            """
            UPDATE devices SET failed_ms = :now, failure = :failure WHERE device_id = :device_id
            """,
            device_id=device_id,
            now=now,
            failure=failure,
        )


def count_stored() -> Steps[int]:
    """How many devices there are in all."""
    [found] = yield "SELECT COUNT(*) AS count FROM devices", {}
    return int(found["count"] or 0)


def _add(row: DeviceRow) -> Steps[None]:
    earlier = yield (
        "DELETE FROM devices WHERE endpoint = :endpoint RETURNING device_id",
        {"endpoint": row.endpoint},
    )
    for each in earlier:
        yield owe_nothing_to(str(each["device_id"]))
    yield _INSERT, {k: v for k, v in asdict(row).items() if v is not None}
    [found] = yield (
        "SELECT COUNT(*) AS count FROM devices WHERE subject = :subject",
        {"subject": row.subject},
    )
    if int(found["count"] or 0) > MOST_EACH:
        raise ConflictError(f"At most {MOST_EACH} devices get notifications: remove one first")


def _remove(device_id: str) -> Steps[None]:
    yield "DELETE FROM devices WHERE device_id = :device_id", {"device_id": device_id}
    yield owe_nothing_to(device_id)
