"""The state of an interrupt, from its row and from its events."""

from collections.abc import Iterable

from loopin_mcp.api.audit.digests import payload_digest
from loopin_mcp.api.clock import moment
from loopin_mcp.api.database.rows import ALL_COLUMNS, interrupt_of
from loopin_mcp.api.database.steps import Row
from loopin_mcp.wire.fields import JSONObject, format_time
from loopin_mcp.wire.models import Event

# The columns that `state_of` needs, to be read with `now` = 0 so that nothing is expired.
STATE = f"{ALL_COLUMNS}, settled_ms"

_FIELDS = {
    "status",
    "created_at",
    "expires_at",
    "decision",
    "decided_at",
    "decided_by",
    "decided_via",
    "reason",
    "modified_params",
}


def state_of(row: Row) -> JSONObject:
    """The state in a row, with the digest of what is asked."""
    interrupt = interrupt_of(row, "")
    state: JSONObject = interrupt.model_dump(mode="json", by_alias=True, include=_FIELDS)
    if row["settled_ms"] is not None:
        state["settledAt"] = format_time(moment(row["settled_ms"]))
    return {**state, "payloadDigest": payload_digest(interrupt)}


def state_after(events: Iterable[Event]) -> JSONObject:
    """The state that the row must have after these events."""
    state: JSONObject = {}
    for event in events:
        state |= _state_in(event)
    return state


def _state_in(event: Event) -> JSONObject:
    at = format_time(event.at)
    match event.type:
        case "created":
            return {"status": "pending", "createdAt": at, **event.detail}
        case "migrated":
            return event.detail
        case "decided":
            who: JSONObject = {"decidedBy": event.actor, "decidedVia": event.channel}
            when: JSONObject = {"decidedAt": at, "settledAt": at}
            return {"status": event.detail.get("decision"), **who, **when, **event.detail}
        case "cancelled" | "expired":
            return {"status": event.type, "settledAt": at}
        case _:
            return {}
