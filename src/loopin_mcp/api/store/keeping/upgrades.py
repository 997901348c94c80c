"""Upgrades of stored interrupts to the current schema."""

import logging

from loopin_mcp.api.access.actors import SYSTEM
from loopin_mcp.api.audit.audit_keys import AuditKeys
from loopin_mcp.api.audit.replay import STATE, state_of
from loopin_mcp.api.audit.trail import Trail
from loopin_mcp.api.clock import epoch_ms
from loopin_mcp.api.database.rows import Stored, fields_of
from loopin_mcp.api.database.steps import Row, Steps
from loopin_mcp.api.store.outbox import owe_callback
from loopin_mcp.api.store.search import searched_text
from loopin_mcp.errors import UnavailableError

# How many interrupts are in memory at a time.
UPGRADED_AT_ONCE = 500
# An upgrade of this many takes longer than a second, so it is logged.
MANY = 1000

logger = logging.getLogger("loopin_mcp")


def begin_trails(keys: AuditKeys, database: str) -> Steps[None]:
    """Give every interrupt of an earlier version its digest and the first event of its trail."""
    now, last = epoch_ms(), ""
    [found] = yield "SELECT COUNT(*) AS count FROM interrupts", {}
    if int(found["count"] or 0) >= MANY:
        logger.info("%s: a trail is begun for %s interrupts", database, found["count"])
    while True:
        rows = yield (
            f"""
            SELECT callback_due_ms, {STATE} FROM interrupts
            WHERE payload_digest = '' AND interrupt_id > :last
            ORDER BY interrupt_id LIMIT {UPGRADED_AT_ONCE}
            """,  # noqa: S608 - only constants
            {"last": last, "now": now},
        )
        for row in rows:
            yield from _begin_trail(keys, row, now)
        if len(rows) < UPGRADED_AT_ONCE:
            return
        last = str(rows[-1]["interrupt_id"])


def _begin_trail(keys: AuditKeys, row: Row, now: int) -> Steps[None]:
    try:
        fields = fields_of(row)
        state, interrupt = state_of(row, fields), Stored(fields, 0).interrupt()
    except UnavailableError as error:
        # One damaged interrupt must not prevent the upgrade of the others.
        logger.error("%s, and gets no trail", error)
        return
    digest, text = str(state["payloadDigest"]), searched_text(interrupt, interrupt.reason)
    changes = {"payload_digest": digest, "search_text": text}
    trail = Trail(keys, row, ())
    row = yield from trail.append("migrated", now, SYSTEM, state, **changes)
    if row["callback_due_ms"] is not None:
        yield from owe_callback(row, now)
