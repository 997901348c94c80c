"""Steps that settle an interrupt: decide, cancel, expire."""

import json
from collections.abc import Iterable

from loopin_mcp.api.access.actors import SYSTEM, Actor
from loopin_mcp.api.audit.audit_keys import AuditKeys
from loopin_mcp.api.audit.events import Outcome
from loopin_mcp.api.audit.trail import Trail, locked_row, trail_of
from loopin_mcp.api.database.rows import RowReader
from loopin_mcp.api.database.steps import Row, Steps, Value
from loopin_mcp.api.store.deliveries import owe_callback, owe_nothing
from loopin_mcp.errors import ConflictError, NotFoundError
from loopin_mcp.wire.fields import JSONObject
from loopin_mcp.wire.models import Decision


def decide(
    keys: AuditKeys, interrupt_id: str, decision: Decision, now: int, actor: Actor
) -> Steps[Row]:
    """Record the first decision; of two concurrent ones exactly one wins.

    Raises:
        NotFoundError: There is no interrupt with this id.
        ConflictError: It is no longer pending, or has another payloadDigest.
        TamperedError: It was tampered with.
        UnavailableError: It is damaged.
    """
    trail = yield from _whole(keys, interrupt_id, now)
    row, params = trail.row, decision.modified_params
    if row["status"] != "pending":
        raise ConflictError(f"Interrupt is already {row['status']}")
    if decision.payload_digest not in (None, row["payload_digest"]):
        raise ConflictError(
            "payloadDigest does not match this interrupt, so the decision may be for another "
            "request: read it again"
        )
    at_ms = trail.not_before(now)
    row = yield from _settle(
        trail,
        "decided",
        at_ms,
        actor,
        decision.model_dump(mode="json", by_alias=True),
        status=decision.decision,
        decided_ms=at_ms,
        decided_by=actor.name,
        decided_via=actor.channel,
        reason=decision.reason,
        modified_params=None if params is None else json.dumps(params),
    )
    yield from owe_callback(row, now)
    return row


def cancel(keys: AuditKeys, interrupt_id: str, now: int, actor: Actor) -> Steps[Row]:
    """Cancel an interrupt that is pending; see `Store.cancel_interrupt` for errors."""
    trail = yield from _whole(keys, interrupt_id, now)
    status = trail.row["status"]
    if status != "pending":
        raise ConflictError(f"Cannot cancel an interrupt with status: {status}")
    at_ms = trail.not_before(now)
    return (yield from _settle(trail, "cancelled", at_ms, actor, {}, status="cancelled"))


def expire(
    keys: AuditKeys, interrupt_ids: Iterable[str], now: int, reader: RowReader
) -> Steps[list[Row]]:
    """Store the expiry of those interrupts that are due and have no fault; returns their rows."""
    expired: list[Row] = []
    for interrupt_id in interrupt_ids:
        yield "SAVEPOINT expiry", {}
        try:
            expired += yield from _expire(keys, interrupt_id, now)
        # Whatever is refused of a damaged one must not keep the others from expiring.
        except Exception:
            yield "ROLLBACK TO SAVEPOINT expiry", {}
            reader.log_damage({"interrupt_id": interrupt_id})
        yield "RELEASE SAVEPOINT expiry", {}
    return expired


def _expire(keys: AuditKeys, interrupt_id: str, now: int) -> Steps[list[Row]]:
    row = yield from locked_row(interrupt_id, now)
    # Another process may have settled it meanwhile.
    if row is None or row["stored_status"] != "pending" or row["status"] != "expired":
        return []
    trail = yield from trail_of(keys, row)
    # Many may expire at once, and digests of what they ask would take long.
    trail.require_whole(deep=False)
    at_ms = trail.not_before(int(row["expires_ms"] or 0))
    row = yield from _settle(trail, "expired", at_ms, SYSTEM, {}, status="expired")
    yield from owe_callback(row, now)
    return [row]


def _whole(keys: AuditKeys, interrupt_id: str, now: int) -> Steps[Trail]:
    """The trail of an interrupt that is locked until this transaction ends."""
    row = yield from locked_row(interrupt_id, now)
    if row is None:
        raise NotFoundError("Interrupt not found")
    trail = yield from trail_of(keys, row)
    trail.require_whole()
    return trail


def _settle(
    trail: Trail, kind: Outcome, at_ms: int, actor: Actor, detail: JSONObject, **changes: Value
) -> Steps[Row]:
    """Change a pending interrupt and append the event that records it."""
    yield owe_nothing(trail.row["interrupt_id"])
    return (yield from trail.append(kind, at_ms, actor, detail, settled_ms=at_ms, **changes))
