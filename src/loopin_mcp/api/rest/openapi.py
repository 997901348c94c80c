"""The OpenAPI description: a table of calls, and the document made from it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema
from pydantic_core import to_json
from starlette.requests import Request
from starlette.responses import Response

from loopin_mcp.api.access.browser import json_response
from loopin_mcp.api.rest.headers import (
    LONGEST_KEY,
    LONGEST_WAIT_S,
    MAX_HEADER_BYTES,
    MAX_HEADERS,
    MAX_URL_BYTES,
)
from loopin_mcp.api.rest.interrupts import PageQuery, UserPath
from loopin_mcp.api.rest.requests import MAX_BODY_BYTES
from loopin_mcp.api.store.paging import CURSOR
from loopin_mcp.settings.api_options import Options
from loopin_mcp.version import __version__
from loopin_mcp.wire import models
from loopin_mcp.wire.fields import NAME_EXACTLY, NOT_BLANK_EXACTLY

Part = dict[str, Any]

_MODELS: tuple[type[BaseModel], ...] = (
    models.NewInterrupt,
    models.Decision,
    models.Created,
    models.Interrupt,
    models.Decided,
    models.Cancelled,
    models.Event,
    models.Analytics,
    models.SignInLink,
    models.Health,
)
_MEANINGS = {
    400: "A field or header is missing or invalid; the error names it",
    401: "The key is missing or wrong",
    403: "This key or page may not do this",
    404: "There is no such interrupt",
    409: "The interrupt is no longer pending, differs from payloadDigest, or was tampered with",
    413: f"The body is larger than {MAX_BODY_BYTES} bytes",
    414: f"The URL is longer than {MAX_URL_BYTES} bytes",
    415: "The body is not declared as the described type",
    421: "This API is not served under that host name",
    422: "The Idempotency-Key was used before with another payload",
    429: "Too many new interrupts, or too many wrong keys",
    431: f"There are more than {MAX_HEADERS} headers, or {MAX_HEADER_BYTES} bytes of them",
    500: "The API has a fault; it is in its log",
    503: "The database is not available right now",
}
# Errors of every call, and of calls that need a key and the database.
_ALWAYS = (400, 414, 421, 431, 500)
_KEYED = (401, 429, 503)
# Fields that this API always sends. In the models they are optional, since other servers may not.
_SENT = {
    "Created": ["reviewUrl"],
    "Interrupt": ["agentId", "userId", "context", "urgency", "createdAt", "expiresAt", "reviewUrl"],
    "Decided": ["decidedAt"],
    "SignInLink": ["expiresAt"],
    "Analytics": ["p50ResponseTimeMs", "p95ResponseTimeMs"],
    "Health": ["version"],
}
_CHOICES = {
    ("Created", "status"): ["pending"],
    ("Decided", "status"): ["resolved"],
    ("Cancelled", "status"): ["cancelled"],
    ("Interrupt", "status"): ["pending", "approved", "rejected", "expired", "cancelled"],
    ("Interrupt", "urgency"): ["low", "medium", "high"],
    ("Interrupt", "decision"): ["approved", "rejected"],
    ("Health", "status"): ["ok"],
    ("Health", "service"): ["loopin-api"],
}
_NO_NUL = r"^[^\x00]*$"
# A host name. Addresses work too, if they are public or in LOOPIN_CALLBACK_ALLOW.
_CALLBACK_URL = (
    r"^https?://([A-Za-z0-9]([A-Za-z0-9-]{0,30}[A-Za-z0-9])?\.){1,6}[A-Za-z]{2,20}"
    r"(:[1-9][0-9]{1,3})?"
    r"([/?][!-~]{0,1000})?$"
)
_VALUE_TEXT = r'("[ !#-\[\]-~]{0,200}"|-?(0|[1-9][0-9]{0,14})(\.[0-9]{1,6})?|true|false|null)'
_TEXT: Part = {"type": "string"}
_HTML = {"text/html": {"schema": _TEXT}}
_CODE: Part = {"const": "tampered", "description": "The stored data was changed: do not act on it"}
_ERROR: Part = {
    "type": "object",
    "required": ["error"],
    "properties": {"error": _TEXT, "code": _CODE},
}
_SECONDS: Part = {"type": "integer", "minimum": 1}
_RETRY = {"Retry-After": {"description": "Seconds to wait", "schema": _SECONDS}}
_DECISION_FORM: Part = {
    "type": "object",
    "additionalProperties": False,
    "required": ["decision"],
    "properties": {
        "decision": {"enum": ["approved", "rejected"]},
        "reason": {"type": "string", "maxLength": 4000, "pattern": _NO_NUL},
        "modifiedParams": {
            "type": "string",
            "description": "A JSON object as text, or empty; the pattern has only simple ones",
            "pattern": rf'^(\{{("[A-Za-z_][A-Za-z0-9_-]{{0,40}}": ?{_VALUE_TEXT})?\}})?$',
        },
        "payloadDigest": {
            "type": "string",
            "description": "The payloadDigest of what the page showed, or empty",
            "pattern": _NO_NUL,
        },
    },
}
_FORM = {"application/x-www-form-urlencoded": {"schema": _DECISION_FORM}}


@dataclass(frozen=True)
class _Call:
    """One row of the table. A call with `see_other` is a page, and so are its errors."""

    method: Literal["get", "post", "delete"]
    path: str
    name: str
    errors: tuple[int, ...]
    answer: Part = field(default_factory=dict)
    status: int = 200
    body: Part | None = None
    parameters: tuple[Part, ...] = ()
    description: str | None = None
    headers: Part = field(default_factory=dict)
    meanings: Mapping[int, str] = field(default_factory=dict)
    is_public: bool = False
    see_other: str | None = None


def _of(model: type[BaseModel]) -> Part:
    return {"$ref": f"#/components/schemas/{model.__name__}"}


def _json(schema: Part) -> Part:
    return {"application/json": {"schema": schema}}


def _in(place: str, name: str, schema: Part) -> Part:
    required = {"required": True} if place == "path" else {}
    return {"name": name, "in": place, **required, "schema": schema}


def _field(model: type[BaseModel], name: str) -> Part:
    found: Part = model.model_json_schema()["properties"][name]
    return found


_BY_ID = (_in("path", "interruptId", _TEXT),)
_BY_USER = (_in("path", "userId", _field(UserPath, "userId") | {"pattern": NAME_EXACTLY}),)
_PAGE = (
    _in("query", "limit", _field(PageQuery, "limit")),
    _in("query", "cursor", {"type": "string", "pattern": CURSOR}),
)
_CHALLENGE = _in("query", "challenge", {"type": "string", "maxLength": 100})
_MOST = f"wait=N holds the answer up to N seconds (at most {LONGEST_WAIT_S}) while it is pending"
# RFC 7240.
_PREFER = {"name": "Prefer", "in": "header", "description": _MOST, "schema": _TEXT}
_HELD = {"Preference-Applied": {"description": "The wait that was applied", "schema": _TEXT}}
_REPLAYED = "This is the response to an earlier request"
_REPLAY = {"Idempotency-Replayed": {"description": _REPLAYED, "schema": {"const": "true"}}}
# Not a parameter: tools that generate requests from parameters would reuse keys.
_ONCE = (
    "With the header Idempotency-Key (one string in double quotes, of 1 to "
    f"{LONGEST_KEY} printable ASCII characters, new for each interrupt) the call can be repeated "
    "safely: for 24 hours, the same key and payload get the first response again."
)
_UNDER_WAY = {
    409: "The first request with this key is still in progress, or its interrupt was tampered with"
}
_TAMPERED = {409: "It is settled, and its stored data was tampered with: do not act on it"}
_SIGN_IN = "Reviewers have keys: sign in first"
_PENDING = {"type": "array", "items": _of(models.Interrupt)}
_EVENTS = {"type": "array", "minItems": 1, "items": _of(models.Event)}
_ID = "/interrupts/{interruptId}"
_REVIEW, _LINKS = "/review/{interruptId}", "/sign-in-links"

# fmt: off
# One row takes as few lines as it needs.
_CALLS = (
    _Call("post", "/interrupts", "create_interrupt", (400, 409, 413, 415, 422),
          _of(models.Created), 201, _json(_of(models.NewInterrupt)),
          description=_ONCE, headers=_REPLAY, meanings=_UNDER_WAY),
    _Call("get", "/interrupts/pending/{userId}", "list_pending_interrupts", (400,), _PENDING,
          parameters=(*_BY_USER, *_PAGE)),
    _Call("get", _ID, "get_interrupt_status", (404, 409), _of(models.Interrupt),
          parameters=(*_BY_ID, _PREFER), headers=_HELD, meanings=_TAMPERED),
    _Call("delete", _ID, "cancel_interrupt", (404, 409), _of(models.Cancelled), parameters=_BY_ID),
    _Call("post", f"{_ID}/decide", "decide_interrupt", (400, 403, 404, 409, 413, 415),
          _of(models.Decided), body=_json(_of(models.Decision)), parameters=_BY_ID),
    _Call("get", f"{_ID}/events", "list_events", (404,), _EVENTS, parameters=_BY_ID),
    _Call("get", "/analytics/{userId}", "get_interrupt_analytics", (400,), _of(models.Analytics),
          parameters=_BY_USER),
    _Call("get", _REVIEW, "show_interrupt", (200, 404, 503), parameters=_BY_ID, is_public=True,
          see_other=_SIGN_IN),
    _Call("post", _REVIEW, "submit_interrupt", (400, 401, 403, 404, 409, 413, 415, 503), body=_FORM,
          parameters=_BY_ID, is_public=True, see_other="Recorded; the page shows the outcome"),
    _Call("post", _LINKS, "create_sign_in_link", (403,), _of(models.SignInLink), 201),
    _Call("get", "/health", "get_health", (400,), _of(models.Health), parameters=(_CHALLENGE,),
          is_public=True),
    _Call("get", "/openapi.json", "get_openapi_document", (), {"type": "object"}, is_public=True),
)
# fmt: on


class Description:
    """`GET /openapi.json`, for an API with these options."""

    def __init__(self, options: Options) -> None:
        document = openapi_document(
            keyed=bool(options.api_key or options.reviewers),
            anonymous=options.api_key is None,
            embedded=options.embedded,
        )
        self._document = to_json(document)

    async def get_openapi_document(self, _request: Request) -> Response:
        """The description of all the API's calls."""
        return json_response(self._document)


def openapi_document(*, keyed: bool, anonymous: bool = False, embedded: bool = False) -> Part:
    """The OpenAPI 3.1 document of an API, which is `keyed` if it checks keys.

    A keyed API may admit `anonymous` callers too. The `embedded` API has one more call.
    """
    paths: Part = {}
    for call in _CALLS:
        if embedded or call.path != _LINKS:
            paths.setdefault(call.path, {})[call.method] = _operation(call, keyed=keyed)
    key = {"type": "apiKey", "in": "header", "name": "X-API-Key"}
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "LoopIn API",
            "version": __version__,
            "description": "A human-in-the-loop approval gate: an agent creates an interrupt, a "
            "human approves or rejects it, the agent reads the decision.",
        },
        **({"security": [{"key": []}, *([{}] if anonymous else [])]} if keyed else {}),
        "paths": paths,
        "components": {
            **({"securitySchemes": {"key": key}} if keyed else {}),
            "schemas": _schemas(),
        },
    }


def _operation(call: _Call, *, keyed: bool) -> Part:
    made: Part = {"operationId": call.name}
    if call.see_other:
        made |= {"security": [], "parameters": []}
    made["responses"] = _responses(call, keyed=keyed)
    if call.parameters:
        made["parameters"] = list(call.parameters)
    if call.body:
        made["requestBody"] = {"required": True, "content": call.body}
    if call.description:
        made["description"] = call.description
    if call.is_public:
        made["security"] = []
    return made


def _responses(call: _Call, *, keyed: bool) -> Part:
    errors = [code for code in call.errors if keyed or code != 401]
    if call.see_other:
        pages = {code: _answer(_MEANINGS.get(code, "The page"), _HTML) for code in errors}
        found = {code: _refusal(code) for code in _ALWAYS} | pages
        found[303] = {"description": call.see_other}
    else:
        errors += _ALWAYS if call.is_public else (*_ALWAYS, *_KEYED[not keyed :])
        found = {call.status: _answer("Success", _json(call.answer), call.headers)}
        found |= {code: _refusal(code) for code in sorted(set(errors))}
    for code, meaning in call.meanings.items():
        found[code]["description"] = meaning
    return {str(code): answer for code, answer in found.items()}


def _refusal(status: int) -> Part:
    return _answer(_MEANINGS[status], _json(_ERROR), _RETRY if status == 429 else None)


def _answer(meaning: str, content: Part, headers: Part | None = None) -> Part:
    return {"description": meaning, "content": content} | ({"headers": headers} if headers else {})


def _schemas() -> Part:
    _, definitions = models_json_schema(
        [(model, "validation") for model in _MODELS], ref_template="#/components/schemas/{model}"
    )
    schemas: Part = definitions["$defs"]
    for name, always in _SENT.items():
        schemas[name]["required"] += always
    new = schemas["NewInterrupt"]["properties"]
    new["callbackUrl"]["anyOf"][0] |= {
        "pattern": _CALLBACK_URL,
        "description": "http(s) URL that gets the outcome by POST. Its host may also be a public "
        "address, or one in LOOPIN_CALLBACK_ALLOW",
    }
    new["action"]["pattern"] = NOT_BLANK_EXACTLY
    for name in ("agentId", "userId"):
        new[name]["pattern"] = NAME_EXACTLY
    # In the models these are open, since other servers may send others.
    for (schema, field_name), choices in _CHOICES.items():
        described = schemas[schema]["properties"][field_name]
        described.get("anyOf", [described])[0]["enum"] = choices
    for name in ("reason", "payloadDigest"):
        schemas["Decision"]["properties"][name]["anyOf"][0]["pattern"] = _NO_NUL
    return schemas
