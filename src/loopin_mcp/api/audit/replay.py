"""The state of an interrupt, from its row and from its events."""

from collections.abc import Iterable

from loopin_mcp.api.audit.digests import digest, payload_digest
from loopin_mcp.api.clock import moment
from loopin_mcp.api.database.rows import ALL_COLUMNS, interrupt_of
from loopin_mcp.api.database.steps import Row, Value
from loopin_mcp.wire.fields import JSONObject, format_time
from loopin_mcp.wire.models import Event, Interrupt, NewInterrupt

# The columns that `state_of` needs. From the expiry on, the status of ALL_COLUMNS and its time are
# not the stored ones.
STATE = f"""{ALL_COLUMNS}, callback_url, interrupts.status AS stored_status,
    interrupts.settled_ms AS stored_settled_ms"""

_FIELDS = {
    "created_at",
    "expires_at",
    "decision",
    "decided_at",
    "decided_by",
    "decided_via",
    "reason",
    "modified_params",
}
# What the detail of the first event has besides.
_NO_STATE = ("keyId", "idempotencyDigest")


def state_of(row: Row, *, deep: bool = True) -> JSONObject:
    """The state in a row, with the digest of what is asked: the stored one unless `deep`."""
    interrupt = interrupt_of(row if deep else {**row, "context": "{}"}, "")
    state: JSONObject = interrupt.model_dump(mode="json", by_alias=True, include=_FIELDS)
    state |= {"status": row["stored_status"]}
    if row["stored_settled_ms"] is not None:
        state["settledAt"] = format_time(moment(row["stored_settled_ms"]))
    asked = asked_of(interrupt, row["callback_url"])
    return {**state, **asked} | ({} if deep else {"payloadDigest": row["payload_digest"]})


def asked_of(interrupt: NewInterrupt | Interrupt, callback_url: Value) -> JSONObject:
    """The digests of what is asked, and of where its callback goes, if it has one."""
    callback = {} if callback_url is None else {"callbackDigest": digest(callback_url)}
    return {"payloadDigest": payload_digest(interrupt), **callback}


def state_after(events: Iterable[Event]) -> JSONObject:
    """The state that the row must have after these events."""
    state: JSONObject = {}
    for event in events:
        state |= _state_in(event)
    return state


def _state_in(event: Event) -> JSONObject:
    at = format_time(event.at)
    match event.type:
        case "created" | "migrated":
            state = {name: event.detail[name] for name in event.detail if name not in _NO_STATE}
            return {"status": "pending", "createdAt": at, **state}
        case "decided":
            who: JSONObject = {"decidedBy": event.actor, "decidedVia": event.channel}
            when: JSONObject = {"decidedAt": at, "settledAt": at}
            return {"status": event.detail.get("decision"), **who, **when, **event.detail}
        case "cancelled" | "expired":
            return {"status": event.type, "settledAt": at}
        case _:
            return {}
