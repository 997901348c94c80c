"""Forgeries by somebody who can write the database, and has no key of the audit trail."""

import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from loopin_mcp.api.audit.audit_keys import NO_KEYS, AuditKeys
from loopin_mcp.api.audit.events import EVENT
from loopin_mcp.api.clock import moment
from loopin_mcp.api.database.steps import Database, Row, execute
from loopin_mcp.wire.fields import format_time
from tests.support.auditing import edit

KEY = "key-of-the-audit-trail-0123456789abcdef"
KEYS = AuditKeys([KEY])


@dataclass(frozen=True)
class Forger:
    """Edits three interrupts, each named by its status."""

    database: Database
    pending: str
    rejected: str
    approved: str

    async def row(self, interrupt_id: str) -> Row:
        [row] = await self.database.read(
            "SELECT * FROM interrupts WHERE interrupt_id = :id", id=interrupt_id
        )
        return row

    async def edit(self, interrupt_id: str, *statements: str) -> None:
        await edit(self.database, interrupt_id, *statements)

    async def append(self, interrupt_id: str, kind: str, **detail: object) -> None:
        """Append an event as good as it gets without the key, and adapt the row."""
        row = await self.row(interrupt_id)
        count = int(row["event_count"] or 0) + 1
        await self.put(interrupt_id, count, kind, str(row["events_head"]), detail)

    async def put(
        self,
        interrupt_id: str,
        sequence: int,
        kind: str,
        previous: str,
        detail: Mapping[str, object],
        at_ms: int = 1_750_000_001_000,
    ) -> str:
        """Put an event in place of what is there, as the last one; returns its hash."""
        event = {
            "interruptId": interrupt_id,
            "sequence": sequence,
            "type": kind,
            "at": format_time(moment(at_ms)),
            "actor": "alice",
            "channel": "review-page",
            "detail": detail,
            "previousHash": previous,
        }
        made = NO_KEYS.hash_of(event)
        await self.edit(interrupt_id, f"DELETE FROM events WHERE sequence >= {sequence}")  # noqa: S608
        await execute(
            self.database,
            f"INSERT INTO events ({EVENT}) VALUES (:id, :sequence, :kind, :at_ms, 'alice',"  # noqa: S608
            " 'review-page', :detail, :previous, :hash)",
            id=interrupt_id,
            sequence=sequence,
            kind=kind,
            at_ms=at_ms,
            detail=json.dumps(detail),
            previous=previous,
            hash=made,
        )
        await self.edit(
            interrupt_id,
            f"UPDATE interrupts SET event_count = {sequence}, events_head = '{made}' WHERE TRUE",  # noqa: S608
        )
        return made

    async def approve(self, interrupt_id: str) -> None:
        """Make the row of an interrupt say that it was approved."""
        await self.edit(
            interrupt_id,
            "UPDATE interrupts SET status = 'approved', decided_ms = 1750000001000, settled_ms ="
            " 1750000001000, decided_by = 'alice', decided_via = 'review-page', reason = NULL"
            " WHERE TRUE",
        )

    async def swap(self, table: str, one: str, other: str) -> None:
        """Swap what two interrupts have in a table."""
        for old, new in ((one, "x"), (other, one), ("x", other)):
            await self.edit(old, f"UPDATE {table} SET interrupt_id = '{new}' WHERE TRUE")  # noqa: S608


Forgery = Callable[[Forger], Awaitable[str]]


async def second_decision(forger: Forger) -> str:
    await forger.append(forger.rejected, "decided", decision="approved")
    await forger.approve(forger.rejected)
    return forger.rejected


async def migrated_question(forger: Forger) -> str:
    row = await forger.row(forger.approved)
    await forger.append(forger.approved, "migrated", status="approved", payloadDigest="0" * 64)
    await forger.edit(forger.approved, "UPDATE interrupts SET action = 'Pay Mallory' WHERE TRUE")
    assert row["action"] != "Pay Mallory"
    return forger.approved


async def decision_by_insert_and_update(forger: Forger) -> str:
    await forger.append(forger.pending, "decided", decision="approved")
    await forger.approve(forger.pending)
    return forger.pending


async def approved_row(forger: Forger) -> str:
    await forger.approve(forger.pending)
    return forger.pending


async def approved_row_of_a_rejection(forger: Forger) -> str:
    await forger.edit(
        forger.rejected, "UPDATE interrupts SET status = 'approved', reason = NULL WHERE TRUE"
    )
    return forger.rejected


async def pending_again(forger: Forger) -> str:
    await forger.edit(
        forger.rejected,
        "UPDATE interrupts SET status = 'pending', settled_ms = NULL, decided_ms = NULL,"
        " decided_by = NULL, decided_via = NULL, reason = NULL WHERE TRUE",
    )
    return forger.rejected


async def other_parameters(forger: Forger) -> str:
    await forger.edit(
        forger.approved, """UPDATE interrupts SET modified_params = '{"amount": 9}' WHERE TRUE"""
    )
    return forger.approved


async def other_callback(forger: Forger) -> str:
    await forger.edit(
        forger.approved, "UPDATE interrupts SET callback_url = 'https://evil.test/' WHERE TRUE"
    )
    return forger.approved


async def events_of_another(forger: Forger) -> str:
    await forger.swap("events", forger.rejected, forger.approved)
    await forger.approve(forger.rejected)
    return forger.rejected


async def row_of_another(forger: Forger) -> str:
    await forger.swap("interrupts", forger.pending, forger.approved)
    return forger.pending


async def all_of_another(forger: Forger) -> str:
    await forger.swap("interrupts", forger.pending, forger.approved)
    await forger.swap("events", forger.pending, forger.approved)
    return forger.pending


async def other_order(forger: Forger) -> str:
    await forger.edit(
        forger.approved,
        "UPDATE events SET sequence = 9 WHERE sequence = 1",
        "UPDATE events SET sequence = 1 WHERE sequence = 2",
        "UPDATE events SET sequence = 2 WHERE sequence = 9",
    )
    return forger.approved


async def no_events(forger: Forger) -> str:
    await forger.edit(forger.approved, "DELETE FROM events WHERE TRUE")
    return forger.approved


async def rewritten(forger: Forger, **detail: object) -> str:
    """Write a pending interrupt anew as approved, with hashes that need no key."""
    row = await forger.row(forger.pending)
    created = {
        "payloadDigest": row["payload_digest"],
        "expiresAt": format_time(moment(row["expires_ms"])),
        **detail,
    }
    at_ms = int(row["created_ms"] or 0)
    first = await forger.put(forger.pending, 1, "created", "", created, at_ms)
    await forger.put(forger.pending, 2, "decided", first, {"decision": "approved"})
    await forger.approve(forger.pending)
    return forger.pending


async def rewritten_with_another_key(forger: Forger) -> str:
    return await rewritten(forger, keyId="deadbeef")


async def rewritten_with_the_key_named(forger: Forger) -> str:
    return await rewritten(forger, keyId=KEYS.key_id)


async def migrated_and_approved(forger: Forger) -> str:
    row = await forger.row(forger.pending)
    state = {
        "payloadDigest": row["payload_digest"],
        "status": "approved",
        "createdAt": format_time(moment(row["created_ms"])),
        "expiresAt": format_time(moment(row["expires_ms"])),
        **dict.fromkeys(("decidedAt", "settledAt"), format_time(moment(1_750_000_001_000))),
        "decision": "approved",
        "decidedBy": "alice",
        "decidedVia": "review-page",
    }
    await forger.put(forger.pending, 1, "migrated", "", state)
    await forger.approve(forger.pending)
    return forger.pending


# None of them passes where a key was set.
FORGERIES: tuple[Forgery, ...] = (
    second_decision,
    migrated_question,
    decision_by_insert_and_update,
    approved_row,
    approved_row_of_a_rejection,
    pending_again,
    other_parameters,
    other_callback,
    events_of_another,
    row_of_another,
    all_of_another,
    other_order,
    no_events,
    rewritten,
    rewritten_with_another_key,
    rewritten_with_the_key_named,
    migrated_and_approved,
)
