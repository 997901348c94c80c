"""The calls of the API: the table that its OpenAPI description is made from."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

from pydantic import BaseModel

from loopin_mcp.api.database.paging import CURSOR
from loopin_mcp.api.rest.headers import LONGEST_KEY, LONGEST_WAIT_S
from loopin_mcp.api.rest.interrupts import PageQuery, UserPath
from loopin_mcp.api.store.outcomes import STANDING_LENGTHS_S
from loopin_mcp.wire import models, standing
from loopin_mcp.wire.fields import NAME_EXACTLY, Scope

Part = dict[str, Any]
NO_NUL = r"^[^\x00]*$"
TEXT: Part = {"type": "string"}
_SCOPES, _LENGTHS = "|".join(get_args(Scope)), "|".join(map(str, STANDING_LENGTHS_S))
_DECISION_FORM: Part = {
    "type": "object",
    "additionalProperties": False,
    "required": ["decision"],
    "properties": {
        "decision": {"enum": ["approved", "rejected"]},
        "reason": {"type": "string", "maxLength": 4000, "pattern": NO_NUL},
        "modifiedParams": {
            "type": "string",
            "description": "A JSON object as text, or empty, which is all that the pattern has. A "
            "key that the request does not have needs a place in newKeys. The page also sends the "
            "values of its fields, as value.0 and so on by their places in the context",
            "pattern": r"^(\{\})?$",
        },
        "newKeys": {
            "type": "string",
            "description": "A JSON list of the new keys in modifiedParams that are meant",
            "pattern": NO_NUL,
        },
        "payloadDigest": {
            "type": "string",
            "description": "The payloadDigest of what the page showed, or empty",
            "pattern": NO_NUL,
        },
        "standing": {
            "type": "string",
            "description": "Which further calls the approval covers, and for how many seconds",
            "pattern": f"^(({_SCOPES}) ({_LENGTHS}))?$",
        },
    },
}
_FORM = {"application/x-www-form-urlencoded": {"schema": _DECISION_FORM}}


@dataclass(frozen=True)
class Call:
    """One row of the table. A call with `see_other` is a page, and so are its errors."""

    method: Literal["get", "post", "delete"]
    path: str
    name: str
    errors: tuple[int, ...]
    answer: Part = field(default_factory=dict)
    successes: tuple[int, ...] = (200,)
    body: Part | None = None
    parameters: tuple[Part, ...] = ()
    description: str | None = None
    headers: Part = field(default_factory=dict)
    meanings: Mapping[int, str] = field(default_factory=dict)
    is_public: bool = False
    see_other: str | None = None


def _of(model: type[BaseModel]) -> Part:
    return {"$ref": f"#/components/schemas/{model.__name__}"}


def json_content(schema: Part) -> Part:
    """A body of JSON with this schema."""
    return {"application/json": {"schema": schema}}


def _in(place: str, name: str, schema: Part) -> Part:
    required = {"required": True} if place == "path" else {}
    return {"name": name, "in": place, **required, "schema": schema}


def _field(model: type[BaseModel], name: str) -> Part:
    found: Part = model.model_json_schema()["properties"][name]
    return found


_BY_ID = (_in("path", "interruptId", TEXT),)
_BY_USER = (_in("path", "userId", _field(UserPath, "userId") | {"pattern": NAME_EXACTLY}),)
_PAGE = (
    _in("query", "limit", _field(PageQuery, "limit")),
    _in("query", "cursor", {"type": "string", "pattern": CURSOR}),
)
_CHALLENGE = _in("query", "challenge", {"type": "string", "maxLength": 100})
_MOST = f"wait=N holds the answer up to N seconds (at most {LONGEST_WAIT_S}) while it is pending"
# RFC 7240.
_PREFER = {"name": "Prefer", "in": "header", "description": _MOST, "schema": TEXT}
_HELD = {"Preference-Applied": {"description": "The wait that was applied", "schema": TEXT}}
_REPLAYED = "This is the response to an earlier request"
_REPLAY = {"Idempotency-Replayed": {"description": _REPLAYED, "schema": {"const": "true"}}}
# Not a parameter: tools that generate requests from parameters would reuse keys.
_ONCE = (
    "With the header Idempotency-Key (one string in double quotes, of 1 to "
    f"{LONGEST_KEY} printable ASCII characters, new for each interrupt) the call can be repeated "
    "safely: for 24 hours, the same key and payload get the first response again. With a `call` it "
    "needs no key: the same request about the same call finds the interrupt that waits for a "
    "human, whose approval was not used yet, or that was rejected within the last ten minutes."
)
_UNDER_WAY = {
    200: "This call was asked about before: the interrupt that answers it, or waits for a human",
    409: "The first request with this key is still in progress, or its interrupt was tampered with",
}
_TAMPERED = {409: "It is settled, and its stored data was tampered with: do not act on it"}
_READY: Part = {
    "type": "object",
    "required": ["status"],
    "properties": {"status": {"const": "ready"}},
}
_NOT_READY = {503: "The API is stopping, or its database takes no changes right now"}
_BY_NUMBER = "Opened at localhost: the same page at 127.0.0.1"
_PENDING = {"type": "array", "items": _of(models.Interrupt)}
_STANDING = {"type": "array", "items": _of(standing.StandingApproval)}
_USED_ONCE = (
    "Uses the approval: it succeeds once, and at most useWithin seconds after the decision. The "
    "program that does the approved action calls it right before."
)
_EVENTS = {"type": "array", "minItems": 1, "items": _of(models.Event)}
_ID = "/interrupts/{interruptId}"
_REVIEW, LINKS = "/review/{interruptId}", "/sign-in-links"

# fmt: off
# One row takes as few lines as it needs.
CALLS = (
    Call("post", "/interrupts", "create_interrupt", (400, 409, 413, 415, 422),
         _of(models.Created), (201, 200), json_content(_of(models.NewInterrupt)),
         description=_ONCE, headers=_REPLAY, meanings=_UNDER_WAY),
    Call("get", "/interrupts/pending/{userId}", "list_pending_interrupts", (400,), _PENDING,
         parameters=(*_BY_USER, *_PAGE)),
    Call("get", _ID, "get_interrupt_status", (404, 409), _of(models.Interrupt),
         parameters=(*_BY_ID, _PREFER), headers=_HELD, meanings=_TAMPERED),
    Call("delete", _ID, "cancel_interrupt", (404, 409), _of(models.Cancelled), parameters=_BY_ID),
    Call("post", f"{_ID}/decide", "decide_interrupt", (400, 403, 404, 409, 413, 415),
         _of(models.Decided), body=json_content(_of(models.Decision)), parameters=_BY_ID),
    Call("post", f"{_ID}/use", "use_approval", (404, 409), _of(models.Used), parameters=_BY_ID,
         description=_USED_ONCE),
    Call("get", "/standing-approvals", "list_standing", (403,), _STANDING),
    Call("delete", "/standing-approvals/{interruptId}", "end_standing", (403, 404, 409),
         _of(standing.Ended), parameters=_BY_ID),
    Call("get", f"{_ID}/events", "list_events", (404,), _EVENTS, parameters=_BY_ID),
    Call("get", "/analytics/{userId}", "get_interrupt_analytics", (400,), _of(models.Analytics),
         parameters=_BY_USER),
    Call("get", _REVIEW, "show_interrupt", (200, 401, 404, 503), parameters=_BY_ID, is_public=True,
         see_other=_BY_NUMBER),
    Call("post", _REVIEW, "submit_interrupt", (400, 401, 403, 404, 409, 413, 415, 503), body=_FORM,
         parameters=_BY_ID, is_public=True, see_other="Recorded; the page shows the outcome"),
    Call("post", LINKS, "create_sign_in_link", (403,), _of(models.SignInLink), (201,)),
    Call("get", "/health", "get_health", (400,), _of(models.Health), parameters=(_CHALLENGE,),
         is_public=True),
    Call("get", "/ready", "get_readiness", (503,), _READY, is_public=True,
         meanings=_NOT_READY),
    Call("get", "/openapi.json", "get_openapi_document", (), {"type": "object"}, is_public=True),
)
# fmt: on
