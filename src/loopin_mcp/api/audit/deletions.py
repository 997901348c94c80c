"""The record of interrupts that were deleted by their age, which `loopin-mcp audit` reads."""

from collections.abc import AsyncIterator

from loopin_mcp.api.audit.audit_keys import AuditKeys
from loopin_mcp.api.clock import moment
from loopin_mcp.api.database.rows import refuse_damage
from loopin_mcp.api.database.steps import Archive, Row, Statement, execute
from loopin_mcp.errors import UnavailableError
from loopin_mcp.wire.fields import JSONObject, format_time

# How many deletions are in memory at a time.
DELETIONS_AT_ONCE = 1000

_RECORD = """
    INSERT INTO deletions (interrupt_id, deleted_ms, events_head, hash)
    VALUES (:interrupt_id, :deleted_ms, :events_head, :hash)
    """
_DELETED = f"""
    SELECT deletions.*, interrupts.interrupt_id IS NOT NULL AS exists_still
    FROM deletions LEFT JOIN interrupts USING (interrupt_id)
    WHERE deletions.interrupt_id > :after ORDER BY deletions.interrupt_id
    LIMIT {DELETIONS_AT_ONCE}
    """  # noqa: S608 - a constant


def record_deletion(keys: AuditKeys, row: Row, now: int, *, is_whole: bool) -> Statement:
    """Records that the interrupt in a row is deleted now.

    The record has no hash if the interrupt's own events could not be checked.
    """
    record: Row = {
        "interrupt_id": row["interrupt_id"],
        "deleted_ms": now,
        "events_head": row["events_head"],
    }
    made = keys.hash_of(deletion_of(record)) if is_whole else ""
    return _RECORD, {**record, "hash": made}


def deletion_of(row: Row) -> JSONObject:
    """The deletion in a row, as an export has it.

    Raises:
        UnavailableError: The row is damaged.
    """
    with refuse_damage(row):
        at = format_time(moment(row["deleted_ms"]))
        head = str(row["events_head"])
        return {"interruptId": str(row["interrupt_id"]), "deletedAt": at, "eventsHead": head}


def is_proven(keys: AuditKeys, row: Row) -> bool:
    """Whether the record of a deletion was made with one of these keys."""
    try:
        with refuse_damage(row):
            return keys.has_made(str(row["hash"]), deletion_of(row))
    except UnavailableError:
        return False


async def deletions(archive: Archive) -> AsyncIterator[Row]:
    """The rows of all deletions; `exists_still` is set if the interrupt was not deleted."""
    after = ""
    while deleted := await execute(archive, _DELETED, after=after):
        for row in deleted:
            after = str(row["interrupt_id"])
            yield row
