"""Deletes old data: idempotency keys, and interrupts that were settled long ago."""

from collections.abc import Iterable
from functools import partial

from loopin_mcp.api.clock import Clock
from loopin_mcp.api.database.steps import Database, Steps, single
from loopin_mcp.api.store.creation import KEY_LIFE_MS

# How many interrupts one transaction deletes, so that other writers need not wait long.
DELETED_AT_ONCE = 200

# Both times have to be old: if the clock was set back, a new interrupt may have one old time.
_OLD = """settled_ms <= :before AND created_ms <= :before AND NOT EXISTS (
    SELECT 1 FROM deliveries WHERE deliveries.interrupt_id = interrupts.interrupt_id)"""


class Retention:
    """Deletes old data permanently."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def forget_keys(self) -> None:
        """Delete the idempotency keys that are older than a day."""
        sql = "DELETE FROM idempotency_keys WHERE created_ms <= :before"
        await self._database.transact(partial(single, sql, {"before": self._clock() - KEY_LIFE_MS}))

    async def delete_settled(self, age_ms: int) -> int:
        """Delete some interrupts settled at least `age_ms` ago with their events; returns how many.

        It records each deletion. Interrupts with deliveries stay. Call it until it returns 0.
        """
        now = self._clock()
        before = now - age_ms
        old = await self._database.read(
            f"""
            SELECT interrupt_id FROM interrupts WHERE {_OLD} ORDER BY settled_ms
            LIMIT {DELETED_AT_ONCE}
            """,  # noqa: S608 - only constants
            before=before,
        )
        # All processes lock them in the same order, so that there are no deadlocks.
        interrupt_ids = sorted(str(row["interrupt_id"]) for row in old)
        return await self._database.transact(partial(_delete, interrupt_ids, before, now))


def _delete(interrupt_ids: Iterable[str], before: int, now: int) -> Steps[int]:
    deleted = 0
    # Without this, a key could name an interrupt that is gone.
    yield "DELETE FROM idempotency_keys WHERE created_ms <= :before", {"before": before}
    for interrupt_id in interrupt_ids:
        gone = yield (
            f"""
            DELETE FROM interrupts WHERE interrupt_id = :interrupt_id AND {_OLD}
            RETURNING events_head
            """,  # noqa: S608 - only constants
            {"interrupt_id": interrupt_id, "before": before},
        )
        for row in gone:
            deleted += 1
            yield (
                "INSERT INTO deletions VALUES (:interrupt_id, :now, :events_head)",
                {"interrupt_id": interrupt_id, "now": now, "events_head": row["events_head"]},
            )
            yield "DELETE FROM events WHERE interrupt_id = :id", {"id": interrupt_id}
    return deleted
