"""The steps by which an interrupt leaves pending: decided, cancelled or expired, and it alone."""

from collections.abc import Iterable

from loopin_mcp.api.access.actors import SYSTEM, Actor
from loopin_mcp.api.audit.digests import payload_digest
from loopin_mcp.api.audit.events import EventType, append
from loopin_mcp.api.database.rows import (
    ALL_COLUMNS,
    STATUS,
    RowReader,
    interrupt_of,
    json_text,
    number,
    refuse_damage,
)
from loopin_mcp.api.database.steps import Row, Steps, Value
from loopin_mcp.api.store.deliveries import owe_callback, owe_nothing
from loopin_mcp.errors import ConflictError, NotFoundError, UnavailableError
from loopin_mcp.wire.fields import JSONObject
from loopin_mcp.wire.models import Decision

_OPEN = "expires_ms > :now"


def decide(interrupt_id: str, decision: Decision, now: int, actor: Actor) -> Steps[Row]:
    """Record the first decision; of two at once exactly one wins.

    Raises:
        NotFoundError: There is none of that id.
        ConflictError: It is no longer pending, not what the decision is for, or was tampered with.
        UnavailableError: It is damaged, so that nobody can know what it asks.
    """
    row = yield from _asked_of(interrupt_id, decision, now)
    at_ms = _at(row, now)
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
        modified_params=json_text(decision.modified_params),
    )
    yield from owe_callback(row, now)
    return row


def cancel(interrupt_id: str, now: int, actor: Actor) -> Steps[Row]:
    """Withdraw a question.

    Raises:
        NotFoundError: There is none of that id.
        ConflictError: It is no longer pending.
        UnavailableError: It is damaged where it must not be.
    """
    row = yield from _claimed(_OPEN, interrupt_id=interrupt_id, now=now)
    if row is None:
        status = yield from _status_of(interrupt_id, now)
        raise ConflictError(f"Cannot cancel an interrupt with status: {status}")
    with refuse_damage(row):
        at_ms = _at(row, now)
    return (yield from _settle(row, "cancelled", at_ms, actor, {}, status="cancelled"))


def expire(interrupt_ids: Iterable[str], now: int, reader: RowReader) -> Steps[list[Row]]:
    """Store the expiry of those of these whose time has come, and which are not damaged."""
    expired = []
    for interrupt_id in interrupt_ids:
        row = yield from _claimed("expires_ms <= :now", interrupt_id=interrupt_id, now=now)
        if row is not None:
            yield "SAVEPOINT expiry", {}
            try:
                expired.append((yield from _expired(row, now)))
            except UnavailableError as error:
                yield "ROLLBACK TO SAVEPOINT expiry", {}
                reader.log_damage(row, error)
            yield "RELEASE SAVEPOINT expiry", {}
    return expired


def _asked_of(interrupt_id: str, decision: Decision, now: int) -> Steps[Row]:
    """The row of what a decision is for, as it was asked.

    Raises:
        NotFoundError: There is none of that id.
        ConflictError: It is no longer pending, not what the decision is for, or was tampered with.
        UnavailableError: It is damaged.
    """
    row = yield from _claimed(
        f"{_OPEN} AND payload_digest = COALESCE(:payload_digest, payload_digest)",
        interrupt_id=interrupt_id,
        now=now,
        payload_digest=decision.payload_digest,
    )
    if row is None:
        status = yield from _status_of(interrupt_id, now)
        if status == "pending":
            raise ConflictError(
                "payloadDigest is not that of this interrupt, so that what was decided is not "
                "what it asks: read it again"
            )
        raise ConflictError(f"Interrupt is already {status}")
    if payload_digest(interrupt_of(row, "")) != row["payload_digest"]:
        raise ConflictError(
            "What this interrupt asks was changed after it was created, so it cannot be decided: "
            "cancel it and ask again"
        )
    return row


def _expired(row: Row, now: int) -> Steps[Row]:
    with refuse_damage(row):
        at_ms = number(row["expires_ms"])
        row = yield from _settle(row, "expired", at_ms, SYSTEM, {}, status="expired")
        yield from owe_callback(row, now)
    return row


def _at(row: Row, now: int) -> int:
    """When it is settled: never before it was asked, though the clock was set back meanwhile."""
    return max(now, number(row["created_ms"]))


def _settle(
    row: Row, kind: EventType, at_ms: int, actor: Actor, detail: JSONObject, **changes: Value
) -> Steps[Row]:
    """Have an interrupt leave pending, with the event that says so."""
    yield owe_nothing(row["interrupt_id"])
    return (yield from append(row, kind, at_ms, actor, detail, settled_ms=at_ms, **changes))


def _claimed(condition: str, **params: Value) -> Steps[Row | None]:
    """The row of a pending interrupt, if the condition holds; nobody else gets it meanwhile."""
    rows = yield (
        f"""
        UPDATE interrupts SET event_count = event_count
        WHERE interrupt_id = :interrupt_id AND status = 'pending' AND {condition}
        RETURNING callback_url, {ALL_COLUMNS}
        """,  # noqa: S608 - constants alone
        params,
    )
    return rows[0] if rows else None


def _status_of(interrupt_id: str, now: int) -> Steps[Value]:
    rows = yield (
        f"SELECT {STATUS} AS status FROM interrupts WHERE interrupt_id = :interrupt_id",  # noqa: S608 - constants alone
        {"interrupt_id": interrupt_id, "now": now},
    )
    if not rows:
        raise NotFoundError("Interrupt not found")
    return rows[0]["status"]
