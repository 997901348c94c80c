"""The OpenAPI document, made from the table of calls."""

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema
from pydantic_core import to_json
from starlette.requests import Request
from starlette.responses import Response

from loopin_mcp.api.access.browser import json_response
from loopin_mcp.api.rest.calls import CALLS, LINKS, NO_NUL, TEXT, Call, Part, json_content
from loopin_mcp.api.rest.headers import MAX_HEADER_BYTES, MAX_HEADERS, MAX_URL_BYTES
from loopin_mcp.api.rest.requests import MAX_BODY_BYTES
from loopin_mcp.settings.api_options import Options
from loopin_mcp.version import __version__
from loopin_mcp.wire import models, standing
from loopin_mcp.wire.fields import MAX_OBJECT_VALUES, MOST_OPTIONS, NAME_EXACTLY, NOT_BLANK_EXACTLY

_MODELS: tuple[type[BaseModel], ...] = (
    models.NewInterrupt,
    models.Decision,
    models.Created,
    models.Interrupt,
    models.Decided,
    models.Cancelled,
    models.Used,
    standing.StandingApproval,
    standing.Ended,
    models.Event,
    models.Analytics,
    models.SignInLink,
    models.Health,
)
_MEANINGS = {
    400: "A field or header is missing or invalid; the error names it",
    401: "The key is missing or wrong, or nobody is signed in",
    403: "This key or page may not do this",
    404: "No interrupt has this id",
    409: "The interrupt is already decided, expired or cancelled, differs from payloadDigest, or "
    "was tampered with",
    413: f"The body is larger than {MAX_BODY_BYTES} bytes",
    414: f"The URL is longer than {MAX_URL_BYTES} bytes",
    415: "The body is not declared as the described type",
    421: "This API is not served under that host name",
    422: "The Idempotency-Key was used before with another payload",
    429: "Too many new interrupts, or too many wrong keys",
    431: f"There are more than {MAX_HEADERS} headers, or {MAX_HEADER_BYTES} bytes of them "
    "without cookies",
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
    "Used": ["usedAt"],
    "SignInLink": ["expiresAt"],
    "Analytics": ["p50ResponseTimeMs", "p95ResponseTimeMs"],
    "Health": ["version"],
}
_CHOICES = {
    ("Created", "status"): ["pending", "approved", "rejected"],
    ("Decided", "status"): ["resolved"],
    ("Cancelled", "status"): ["cancelled"],
    ("Used", "status"): ["used"],
    ("Ended", "status"): ["ended"],
    ("Interrupt", "status"): ["pending", "approved", "rejected", "expired", "cancelled"],
    ("Interrupt", "urgency"): ["low", "medium", "high"],
    ("Interrupt", "decision"): ["approved", "rejected"],
    ("Health", "status"): ["ok"],
    ("Health", "service"): ["loopin-api"],
}
# A host name. Addresses work too, if they are public or in LOOPIN_CALLBACK_ALLOW.
_CALLBACK_URL = (
    r"^https?://([A-Za-z0-9]([A-Za-z0-9-]{0,30}[A-Za-z0-9])?\.){1,6}[A-Za-z]{2,20}"
    r"(:[1-9][0-9]{1,3})?"
    r"([/?][!-~]{0,1000})?$"
)
_HTML = {"text/html": {"schema": TEXT}}
_CODE: Part = {"const": "tampered", "description": "The stored data was changed: do not act on it"}
_ERROR: Part = {
    "type": "object",
    "required": ["error"],
    "properties": {"error": TEXT, "code": _CODE},
}
_SECONDS: Part = {"type": "integer", "minimum": 1}
_RETRY = {"Retry-After": {"description": "Seconds to wait", "schema": _SECONDS}}


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
    for call in CALLS:
        if embedded or call.path != LINKS:
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


def _operation(call: Call, *, keyed: bool) -> Part:
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


def _responses(call: Call, *, keyed: bool) -> Part:
    errors = [code for code in call.errors if keyed or code != 401]
    if call.see_other:
        pages = {code: _answer(_MEANINGS.get(code, "The page"), _HTML) for code in errors}
        found = {code: _refusal(code) for code in _ALWAYS} | pages
        found[303] = {"description": call.see_other}
    else:
        errors += _ALWAYS if call.is_public else (*_ALWAYS, *_KEYED[not keyed :])
        success = _answer("Success", json_content(call.answer), call.headers)
        found = dict.fromkeys(call.successes, success)
        found |= {code: _refusal(code) for code in sorted(set(errors))}
    for code, meaning in call.meanings.items():
        found[code] = found[code] | {"description": meaning}
    return {str(code): answer for code, answer in found.items()}


def _refusal(status: int) -> Part:
    return _answer(
        _MEANINGS[status], json_content(_ERROR), _RETRY if status in (429, 503) else None
    )


def _answer(meaning: str, content: Part, headers: Part | None = None) -> Part:
    return {"description": meaning, "content": content} | ({"headers": headers} if headers else {})


def _schemas() -> Part:
    _, definitions = models_json_schema(
        [(model, "validation") for model in _MODELS], ref_template="#/components/schemas/{model}"
    )
    schemas: Part = definitions["$defs"]
    for name, always in _SENT.items():
        schemas[name]["required"] += always
    _describe_questions(schemas["NewInterrupt"]["properties"])
    for name in ("session", "tool"):
        schemas["HostCall"]["properties"][name]["pattern"] = NOT_BLANK_EXACTLY
    # In the models these are open, since other servers may send others.
    for (schema, field_name), choices in _CHOICES.items():
        described = schemas[schema]["properties"][field_name]
        described.get("anyOf", [described])[0]["enum"] = choices
    for name in ("reason", "payloadDigest"):
        schemas["Decision"]["properties"][name]["anyOf"][0]["pattern"] = NO_NUL
    return schemas


def _describe_questions(new: Part) -> None:
    """Add the rules for a new interrupt that its model checks and its schema lacks."""
    new["callbackUrl"]["anyOf"][0] |= {
        "pattern": _CALLBACK_URL,
        "description": "http(s) URL that gets the outcome by POST. Its host may also be a public "
        "address, or one in LOOPIN_CALLBACK_ALLOW",
    }
    new["action"]["pattern"] = NOT_BLANK_EXACTLY
    new["context"]["description"] += f", with at most {MAX_OBJECT_VALUES:,} values"
    new["editable"]["anyOf"][0]["uniqueItems"] = True
    choices = new["options"]["anyOf"][0]["additionalProperties"]
    choices |= {"minItems": 1, "maxItems": MOST_OPTIONS, "uniqueItems": True}
    for name in ("agentId", "userId"):
        new[name]["pattern"] = NAME_EXACTLY
