"""Forgets what has had its time: idempotency keys, and interrupts that were settled long ago."""

from collections.abc import Iterable
from functools import partial

from loopin_mcp.api.clock import Clock
from loopin_mcp.api.database.steps import Database, Steps, single
from loopin_mcp.api.store.creation import KEY_LIFE_MS

# How much goes in one change, so that others need not wait long for their turn.
DELETED_AT_ONCE = 200

# Both times count, lest a clock that was set back makes new ones old.
_OLD = """settled_ms <= :before AND created_ms <= :before AND NOT EXISTS (
    SELECT 1 FROM deliveries WHERE deliveries.interrupt_id = interrupts.interrupt_id)"""


class Retention:
    """Deletes for good what is old by `clock`."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def forget_keys(self) -> None:
        """Delete the idempotency keys whose day is over."""
        sql = "DELETE FROM idempotency_keys WHERE created_ms <= :before"
        await self._database.transact(partial(single, sql, {"before": self._clock() - KEY_LIFE_MS}))

    async def delete_settled(self, age_ms: int) -> int:
        """Delete some interrupts that were settled `age_ms` ago or before, and record when.

        Their events go with them. Those whose callback is still to be told stay. Returns how many
        are gone; with none there are no more.
        """
        now = self._clock()
        before = now - age_ms
        old = await self._database.read(
            f"""
            SELECT interrupt_id FROM interrupts WHERE {_OLD} ORDER BY settled_ms
            LIMIT {DELETED_AT_ONCE}
            """,  # noqa: S608 - constants alone
            before=before,
        )
        # All take them in the same order, so that no two wait for each other.
        interrupt_ids = sorted(str(row["interrupt_id"]) for row in old)
        return await self._database.transact(partial(_delete, interrupt_ids, before, now))


def _delete(interrupt_ids: Iterable[str], before: int, now: int) -> Steps[int]:
    deleted = 0
    # A key is as old as what it made.
    yield "DELETE FROM idempotency_keys WHERE created_ms <= :before", {"before": before}
    for interrupt_id in interrupt_ids:
        gone = yield (
            f"""
            DELETE FROM interrupts WHERE interrupt_id = :interrupt_id AND {_OLD}
            RETURNING events_head
            """,  # noqa: S608 - constants alone
            {"interrupt_id": interrupt_id, "before": before},
        )
        for row in gone:
            deleted += 1
            yield (
                "DELETE FROM events WHERE interrupt_id = :interrupt_id",
                {"interrupt_id": interrupt_id},
            )
            yield (
                "INSERT INTO deletions VALUES (:interrupt_id, :now, :events_head)",
                {"interrupt_id": interrupt_id, "now": now, "events_head": row["events_head"]},
            )
    return deleted
