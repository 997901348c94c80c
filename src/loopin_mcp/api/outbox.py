"""What is still to be told to the world, row by row: callbacks, and notices to humans."""

from dataclasses import dataclass

from loopin_mcp.api.database import Database
from loopin_mcp.api.rows import INTERRUPT, interrupt_of, number

# The fields of an interrupt that its callback tells.
_TOLD = {"interrupt_id", "status", "decision", "decided_at", "reason", "modified_params"}


@dataclass(frozen=True)
class Callback:
    """What is to be told, where, and how often it was tried with this time."""

    interrupt_id: str
    url: str
    tries: int
    body: str


class Outbox:
    """Takes what is due, one taker at a time. `now` is epoch milliseconds."""

    def __init__(self, database: Database, public_url: str) -> None:
        self._database = database
        self._public_url = public_url

    async def take_due_callbacks(self, now: int, *, lease_ms: int, limit: int) -> list[Callback]:
        """Callbacks to be sent now, each given to one caller alone for `lease_ms`."""
        rows = await self._database.fetch(
            f"""
            UPDATE interrupts SET callback_due_ms = :leased_until,
                callback_tries = callback_tries + 1
            WHERE callback_due_ms <= :now AND interrupt_id IN (
                SELECT interrupt_id FROM interrupts WHERE callback_due_ms <= :now
                ORDER BY callback_due_ms LIMIT :limit)
            RETURNING callback_url, callback_tries, {INTERRUPT}
            """,  # noqa: S608 - constants alone
            now=now,
            leased_until=now + lease_ms,
            limit=limit,
        )
        return [
            Callback(
                interrupt_id=str(row["interrupt_id"]),
                url=str(row["callback_url"]),
                tries=number(row["callback_tries"]),
                body=interrupt_of(row, self._public_url).model_dump_json(
                    by_alias=True, include=_TOLD
                ),
            )
            for row in rows
        ]

    async def postpone_callback(self, interrupt_id: str, due_ms: int) -> None:
        """Have a callback sent again at `due_ms`."""
        await self._database.fetch(
            "UPDATE interrupts SET callback_due_ms = :due_ms WHERE interrupt_id = :interrupt_id",
            interrupt_id=interrupt_id,
            due_ms=due_ms,
        )

    async def settle_callback(self, interrupt_id: str) -> None:
        """Send a callback no more: it arrived, or was given up."""
        await self._database.fetch(
            "UPDATE interrupts SET callback_due_ms = NULL WHERE interrupt_id = :interrupt_id",
            interrupt_id=interrupt_id,
        )
