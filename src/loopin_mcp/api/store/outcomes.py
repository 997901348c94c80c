"""Steps that settle an interrupt: decide, cancel, expire."""

import json
from collections.abc import Iterable

from loopin_mcp.api.access.actors import SYSTEM, Actor
from loopin_mcp.api.audit.digests import payload_digest
from loopin_mcp.api.audit.events import EventType, append, locked_if
from loopin_mcp.api.database.rows import STATUS, RowReader, interrupt_of, refuse_damage
from loopin_mcp.api.database.steps import Row, Steps, Value
from loopin_mcp.api.store.deliveries import owe_callback, owe_nothing
from loopin_mcp.errors import ConflictError, NotFoundError
from loopin_mcp.wire.fields import JSONObject
from loopin_mcp.wire.models import Decision

_OPEN = "status = 'pending' AND expires_ms > :now"
_DUE = "status = 'pending' AND expires_ms <= :now"


def decide(interrupt_id: str, decision: Decision, now: int, actor: Actor) -> Steps[Row]:
    """Record the first decision; of two concurrent ones exactly one wins.

    Raises:
        NotFoundError: There is no interrupt with this id.
        ConflictError: It is no longer pending, has another payloadDigest, or was tampered with.
        UnavailableError: It is damaged.
    """
    row = yield from locked_if(
        f"{_OPEN} AND payload_digest = COALESCE(:payload_digest, payload_digest)",
        interrupt_id=interrupt_id,
        now=now,
        payload_digest=decision.payload_digest,
    )
    if row is None:
        status = yield from _status_of(interrupt_id, now)
        if status == "pending":
            raise ConflictError(
                "payloadDigest does not match this interrupt, so the decision may be for another "
                "request: read it again"
            )
        raise ConflictError(f"Interrupt is already {status}")
    if payload_digest(interrupt_of(row, "")) != row["payload_digest"]:
        raise ConflictError(
            "What this interrupt asks was changed after it was created, so it cannot be decided: "
            "cancel it and ask again"
        )
    return (yield from _decided(row, decision, now, actor))


def cancel(interrupt_id: str, now: int, actor: Actor) -> Steps[Row]:
    """Cancel an interrupt that is pending; see `Store.cancel_interrupt` for errors."""
    row = yield from locked_if(_OPEN, interrupt_id=interrupt_id, now=now)
    if row is None:
        status = yield from _status_of(interrupt_id, now)
        raise ConflictError(f"Cannot cancel an interrupt with status: {status}")
    with refuse_damage(row):
        at_ms = _settled_at(row, now)
    return (yield from _settle(row, "cancelled", at_ms, actor, {}, status="cancelled"))


def expire(interrupt_ids: Iterable[str], now: int, reader: RowReader) -> Steps[list[Row]]:
    """Store the expiry of those interrupts that are due and not damaged; returns their rows."""
    expired = []
    for interrupt_id in interrupt_ids:
        row = yield from locked_if(_DUE, interrupt_id=interrupt_id, now=now)
        if row is not None:
            yield "SAVEPOINT expiry", {}
            try:
                expired.append((yield from _expired(row, now)))
            # Whatever is refused of a damaged one must not keep the others from expiring.
            except Exception:
                yield "ROLLBACK TO SAVEPOINT expiry", {}
                reader.log_damage(row)
            yield "RELEASE SAVEPOINT expiry", {}
    return expired


def _decided(row: Row, decision: Decision, now: int, actor: Actor) -> Steps[Row]:
    at_ms, params = _settled_at(row, now), decision.modified_params
    row = yield from _settle(
        row,
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


def _expired(row: Row, now: int) -> Steps[Row]:
    with refuse_damage(row):
        at_ms = int(row["expires_ms"] or 0)
        row = yield from _settle(row, "expired", at_ms, SYSTEM, {}, status="expired")
        yield from owe_callback(row, now)
    return row


def _settled_at(row: Row, now: int) -> int:
    """The time of settling: never before the creation, even if the clock was set back."""
    return max(now, int(row["created_ms"] or 0))


def _settle(
    row: Row, kind: EventType, at_ms: int, actor: Actor, detail: JSONObject, **changes: Value
) -> Steps[Row]:
    """Change a pending interrupt and append the event that records it."""
    yield owe_nothing(row["interrupt_id"])
    return (yield from append(row, kind, at_ms, actor, detail, settled_ms=at_ms, **changes))


def _status_of(interrupt_id: str, now: int) -> Steps[Value]:
    rows = yield (
        f"SELECT {STATUS} AS status FROM interrupts WHERE interrupt_id = :interrupt_id",  # noqa: S608 - only constants
        {"interrupt_id": interrupt_id, "now": now},
    )
    if not rows:
        raise NotFoundError("Interrupt not found")
    return rows[0]["status"]
