"""The state of an interrupt, from its row and from its events."""

from collections.abc import Iterable

from loopin_mcp.api.audit.digests import digest, digest_of_asked, payload_digest
from loopin_mcp.api.clock import text_of
from loopin_mcp.api.database.rows import ALL_COLUMNS
from loopin_mcp.api.database.steps import Row
from loopin_mcp.wire.fields import JSONObject, format_time
from loopin_mcp.wire.models import Event, NewInterrupt

# The columns that `state_of` needs. From the expiry on, the status of ALL_COLUMNS and its time are
# not the stored ones.
STATE = f"""{ALL_COLUMNS}, callback_url, interrupts.status AS stored_status,
    interrupts.settled_ms AS stored_settled_ms"""

_FIELDS = (
    "createdAt",
    "expiresAt",
    "decision",
    "decidedAt",
    "decidedBy",
    "decidedVia",
    "reason",
    "modifiedParams",
    "call",
    "useWithin",
    "editable",
    "options",
    "usedAt",
)
# The columns that no field on the wire has.
_TERMS = (("standing", "standing"), ("coveredBy", "covered_by"))
# What else the detail of the first event has.
_NO_STATE = ("keyId", "idempotencyDigest")


def state_of(row: Row, fields: JSONObject, *, deep: bool = True) -> JSONObject:
    """The state in a row, whose `fields` are those of the wire.

    It has the digest of what is asked: the stored one unless `deep`.
    """
    state = {name: fields[name] for name in _FIELDS if name in fields}
    state["status"] = row["stored_status"]
    if row["stored_settled_ms"] is not None:
        state["settledAt"] = text_of(row["stored_settled_ms"])
    state |= terms_of(row)
    if row["callback_url"] is not None:
        state["callbackDigest"] = digest(row["callback_url"])
    state["payloadDigest"] = digest_of_asked(fields) if deep else row["payload_digest"]
    return state


def terms_of(row: Row) -> JSONObject:
    """The standing approval in a row: its scope and end, or the one that covers the interrupt."""
    terms: JSONObject = {name: row[column] for name, column in _TERMS if row[column] is not None}
    if row["standing_until_ms"] is not None:
        terms["standingUntil"] = text_of(row["standing_until_ms"])
    return terms


def asked_of(interrupt: NewInterrupt) -> JSONObject:
    """The digests of what is asked and of where its callback goes, and how it may be changed."""
    asked: JSONObject = {"payloadDigest": payload_digest(interrupt)}
    if interrupt.callback_url is not None:
        asked["callbackDigest"] = digest(interrupt.callback_url)
    if interrupt.use_within is not None:
        asked["useWithin"] = interrupt.use_within
    if interrupt.editable is not None:
        asked["editable"] = [*interrupt.editable]
    if interrupt.options is not None:
        asked["options"] = {name: [*values] for name, values in interrupt.options.items()}
    if interrupt.call is not None:
        asked["call"] = interrupt.call.model_dump()
    return asked


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
        case "used":
            return {"usedAt": at}
        case "ended":
            return {"standingUntil": at}
        case _:
            return {}
