"""Deletes old data: idempotency keys, and interrupts that were settled long ago."""

import contextlib
from collections.abc import Iterable
from functools import partial

from loopin_mcp.api.audit.audit_keys import AuditKeys
from loopin_mcp.api.audit.deletions import record_deletion
from loopin_mcp.api.audit.trail import locked_trail
from loopin_mcp.api.clock import Clock
from loopin_mcp.api.database.steps import Database, Steps, execute
from loopin_mcp.api.store.creation import KEY_LIFE_MS
from loopin_mcp.errors import UnavailableError

# How many interrupts one transaction deletes, so that other writers need not wait long.
DELETED_AT_ONCE = 10

# Both times have to be old: if the clock was set back, a new interrupt may have one old time.
_OLD = """settled_ms <= :before AND created_ms <= :before AND NOT EXISTS (
    SELECT 1 FROM deliveries WHERE deliveries.interrupt_id = interrupts.interrupt_id)"""


class Retention:
    """Deletes old data permanently."""

    def __init__(self, database: Database, clock: Clock, keys: AuditKeys) -> None:
        self._database = database
        self._clock = clock
        self._keys = keys

    async def forget_keys(self) -> None:
        """Delete the idempotency keys that are older than a day."""
        sql = "DELETE FROM idempotency_keys WHERE created_ms <= :before"
        await execute(self._database, sql, before=self._clock() - KEY_LIFE_MS)

    async def delete_settled(self, age_ms: int, kept: int = 0) -> tuple[int, int]:
        """Delete some interrupts settled at least `age_ms` ago with their events.

        Returns how many it deleted, each on record, and how many it kept: those that were
        tampered with, since a deletion would hide that. Call it until both are 0, with the sum of
        those `kept` so far. Interrupts with deliveries stay too.
        """
        now = self._clock()
        before = now - age_ms
        old = await self._database.read(
            f"""
            SELECT interrupt_id FROM (
                SELECT interrupt_id, user_id FROM interrupts WHERE {_OLD}
                ORDER BY settled_ms, interrupt_id LIMIT {DELETED_AT_ONCE} OFFSET :kept) AS old
            ORDER BY user_id, interrupt_id
            """,  # noqa: S608 - only constants
            before=before,
            kept=kept,
        )
        # All processes lock them and the tallies of their users in this order: no deadlocks.
        interrupt_ids = [str(row["interrupt_id"]) for row in old]
        steps = partial(_delete, self._keys, interrupt_ids, before, now)
        deleted = await self._database.transact(steps)
        return deleted, len(old) - deleted


def _delete(keys: AuditKeys, interrupt_ids: Iterable[str], before: int, now: int) -> Steps[int]:
    deleted = 0
    # Without this, a key could name an interrupt that is gone.
    yield "DELETE FROM idempotency_keys WHERE created_ms <= :before", {"before": before}
    for interrupt_id in interrupt_ids:
        with contextlib.suppress(UnavailableError):
            deleted += yield from _delete_one(keys, interrupt_id, before, now)
    return deleted


def _delete_one(keys: AuditKeys, interrupt_id: str, before: int, now: int) -> Steps[int]:
    """Delete an interrupt that is old, and was not tampered with; returns whether it was."""
    trail = yield from locked_trail(keys, interrupt_id, now)
    if trail is None:
        return 0
    fault = trail.fault()
    if fault and fault.is_tampering:
        return 0
    gone = yield (
        f"DELETE FROM interrupts WHERE interrupt_id = :id AND {_OLD} RETURNING interrupt_id",  # noqa: S608 - only constants
        {"id": interrupt_id, "before": before},
    )
    if gone:
        yield record_deletion(keys, trail.row, now, is_whole=fault is None)
        yield "DELETE FROM events WHERE interrupt_id = :id", {"id": interrupt_id}
    return len(gone)
