"""Steps that settle an interrupt: decide, cancel, expire."""

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Self

from pydantic import JsonValue
from pydantic_core import from_json

from loopin_mcp.api.access.actors import SYSTEM, Actor
from loopin_mcp.api.audit.audit_keys import AuditKeys
from loopin_mcp.api.audit.digests import canonical
from loopin_mcp.api.audit.events import Outcome
from loopin_mcp.api.audit.replay import terms_of
from loopin_mcp.api.audit.trail import Trail, locked_trail
from loopin_mcp.api.database.rows import RowReader, Stored, fields_of, object_of, refuse_damage
from loopin_mcp.api.database.steps import Row, Steps, Value
from loopin_mcp.api.store.outbox import owe_callback, owe_nothing
from loopin_mcp.api.store.search import searched_text
from loopin_mcp.errors import ConflictError, ForbiddenError, InvalidRequestError, NotFoundError
from loopin_mcp.wire.fields import JSONObject, Scope, shown
from loopin_mcp.wire.models import Decision

# The shortest to the longest that the pages offer, in seconds.
STANDING_LENGTHS_S = (15 * 60, 3600, 4 * 3600, 8 * 3600)
# A refusal names so many keys that may be changed.
_MOST_NAMED = 10


@dataclass(frozen=True)
class Standing:
    """How a reviewer lets an approval stand: for which calls, and for how many seconds."""

    scope: Scope
    seconds: int

    def terms(self, row: Row, decision: Decision, now: int) -> Mapping[str, Value]:
        """The columns of a standing approval.

        Raises:
            ConflictError: This decision on this interrupt cannot stand.
            InvalidRequestError: It would stand too long, or too short.
        """
        if not STANDING_LENGTHS_S[0] <= self.seconds <= STANDING_LENGTHS_S[-1]:
            raise InvalidRequestError("An approval can stand for 15 minutes to 8 hours")
        if row["call"] is None or row["urgency"] == "high" or decision.decision != "approved":
            raise ConflictError("Only the approval of a tool call without high urgency can stand")
        if decision.modified_params is not None:
            raise ConflictError("An approval with modified parameters counts once")
        return {"standing": self.scope, "standing_until_ms": now + self.seconds * 1000}


@dataclass(frozen=True)
class Changeable:
    """What a reviewer may change of a context: which keys, and to which values.

    Without `editable` it is all keys, and new ones.
    """

    context: JSONObject
    editable: Sequence[str] | None
    options: JSONObject

    @classmethod
    def of_row(cls, row: Row) -> Self:
        """That of an interrupt's row."""
        editable, options = row["editable"], row["options"]
        return cls(
            object_of(row["context"]),
            None if editable is None else from_json(str(editable)),
            {} if options is None else from_json(str(options)),
        )

    def faults(self, params: JSONObject) -> dict[str, str]:
        """Why changes are not allowed, by key; values that stay as they were are always allowed."""
        editable = None if self.editable is None else frozenset(self.editable)
        found = {key: self._fault(key, params[key], editable) for key in self.changes(params)}
        return {key: fault for key, fault in found.items() if fault}

    def changes(self, params: JSONObject) -> JSONObject:
        """The values that differ from those in the context."""
        return {key: value for key, value in params.items() if self._differs(key, value)}

    def _differs(self, key: str, value: JsonValue) -> bool:
        # In Python, True equals 1.
        return key not in self.context or canonical(self.context[key]) != canonical(value)

    def _fault(self, key: str, value: JsonValue, editable: Collection[str] | None) -> str | None:
        if editable is not None and self.editable is not None and key not in editable:
            names = ", ".join(map(shown, self.editable[:_MOST_NAMED]))
            if len(self.editable) > _MOST_NAMED:
                names += f" and {len(self.editable) - _MOST_NAMED} others"
            may = f"only {names} may be changed" if names else "no value may be changed"
            return f"{shown(key)} cannot be changed: {may}"
        choices = self.options.get(key)
        if isinstance(choices, list) and canonical(value) not in map(canonical, choices):
            return f"{shown(key)} can only be one of {', '.join(map(shown, choices))}"
        return None


def decide(
    keys: AuditKeys,
    interrupt_id: str,
    decision: Decision,
    now: int,
    actor: Actor,
    standing: Standing | None = None,
) -> Steps[Row]:
    """Record the first decision; of two concurrent ones exactly one wins.

    Raises:
        NotFoundError: No interrupt has this id.
        InvalidRequestError: It makes a change that the request does not allow.
        ForbiddenError: It asks about a call, and an MCP server sent the decision.
        ConflictError: It is already settled, has another payloadDigest, or cannot stand.
        TamperedError: It was tampered with.
        UnavailableError: It is damaged.
    """
    trail = yield from whole(keys, interrupt_id, now)
    row = trail.row
    if row["call"] is not None and actor.channel == "mcp":
        raise ForbiddenError(
            "An MCP server cannot decide about a tool call that a host holds, with any key: decide "
            "on its review page or in the inbox"
        )
    if row["status"] != "pending":
        raise ConflictError(f"Interrupt is already {row['status']}")
    if decision.payload_digest not in (None, row["payload_digest"]):
        raise ConflictError(
            "payloadDigest does not match this interrupt, so the decision may be for another "
            "request: read it again"
        )
    with refuse_damage(row):
        allowed = Changeable.of_row(row)
    for fault in allowed.faults(decision.modified_params or {}).values():
        raise InvalidRequestError(f"modifiedParams: {fault}")
    terms = standing.terms(row, decision, trail.not_before(now)) if standing else {}
    return (yield from record(trail, decision, now, actor, terms))


def record(
    trail: Trail, decision: Decision, now: int, actor: Actor, terms: Mapping[str, Value]
) -> Steps[Row]:
    """Record a decision on a pending interrupt; `terms` are the columns of a standing approval."""
    at_ms, params = trail.not_before(now), decision.modified_params
    if decision.reason is not None:
        interrupt = Stored(fields_of(trail.row), 0).interrupt()
        terms = {**terms, "search_text": searched_text(interrupt, decision.reason)}
    row = yield from settle(
        trail,
        "decided",
        at_ms,
        actor,
        decision.model_dump(mode="json", by_alias=True) | terms_of({**trail.row, **terms}),
        status=decision.decision,
        decided_ms=at_ms,
        decided_by=actor.name,
        decided_via=actor.channel,
        reason=decision.reason,
        modified_params=None if params is None else json.dumps(params),
        **terms,
    )
    yield from owe_callback(row, now)
    return row


def cancel(keys: AuditKeys, interrupt_id: str, now: int, actor: Actor) -> Steps[Row]:
    """Cancel an interrupt that is pending; see `Store.cancel_interrupt` for errors."""
    trail = yield from whole(keys, interrupt_id, now)
    status = trail.row["status"]
    if status != "pending":
        raise ConflictError(f"Cannot cancel an interrupt with status: {status}")
    at_ms = trail.not_before(now)
    return (yield from settle(trail, "cancelled", at_ms, actor, {}, status="cancelled"))


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
    trail = yield from locked_trail(keys, interrupt_id, now)
    # Another process may have settled it meanwhile.
    if trail is None or trail.row["stored_status"] != "pending" or trail.row["status"] != "expired":
        return []
    # Many may expire at once, and digests of what they ask would take long.
    trail.require_whole(deep=False)
    at_ms = trail.not_before(int(trail.row["expires_ms"] or 0))
    row = yield from settle(trail, "expired", at_ms, SYSTEM, {}, status="expired")
    yield from owe_callback(row, now)
    return [row]


def whole(keys: AuditKeys, interrupt_id: str, now: int) -> Steps[Trail]:
    """The trail of an interrupt that is locked until this transaction ends.

    Raises:
        NotFoundError: No interrupt has this id.
        TamperedError: It was tampered with.
        UnavailableError: It is damaged.
    """
    trail = yield from locked_trail(keys, interrupt_id, now)
    if trail is None:
        raise NotFoundError("Interrupt not found")
    trail.require_whole()
    return trail


def settle(
    trail: Trail, kind: Outcome, at_ms: int, actor: Actor, detail: JSONObject, **changes: Value
) -> Steps[Row]:
    """Change a pending interrupt, whose trail is whole, and append the event that records it."""
    yield owe_nothing(trail.row["interrupt_id"])
    return (yield from trail.append(kind, at_ms, actor, detail, settled_ms=at_ms, **changes))
