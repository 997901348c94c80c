"""The OpenAPI description, made from the models that the endpoints use."""

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from loopin_mcp.api.database.rows import CURSOR
from loopin_mcp.api.rest.interrupts import PageQuery, UserPath
from loopin_mcp.api.rest.openapi_parts import (
    NO_NUL,
    Part,
    held,
    in_path,
    in_query,
    once,
    operation,
    page,
    public,
    reference,
    submitted,
)
from loopin_mcp.settings.api_options import Options
from loopin_mcp.version import __version__
from loopin_mcp.wire.fields import NOT_BLANK_EXACTLY
from loopin_mcp.wire.models import (
    Analytics,
    Cancelled,
    Created,
    Decided,
    Decision,
    Event,
    Health,
    Interrupt,
    NewInterrupt,
    SignInLink,
)

_MODELS: tuple[type[BaseModel], ...] = (
    NewInterrupt,
    Decision,
    Created,
    Interrupt,
    Decided,
    Cancelled,
    Event,
    Analytics,
    SignInLink,
    Health,
)
# What this API always sends, though a client has to get on with servers that do not.
_ALWAYS = {
    "Created": ["reviewUrl"],
    "Interrupt": [
        "agentId",
        "userId",
        "context",
        "urgency",
        "createdAt",
        "expiresAt",
        "reviewUrl",
    ],
    "Decided": ["decidedAt"],
    "SignInLink": ["expiresAt"],
    "Analytics": ["p50ResponseTimeMs", "p95ResponseTimeMs"],
    "Health": ["version"],
}

# Addresses may be used too, where they are public or CALLBACK_ALLOW has them.
_CALLBACK_URL = (
    r"^https?://([A-Za-z0-9]([A-Za-z0-9-]{0,30}[A-Za-z0-9])?\.){1,6}[A-Za-z]{2,20}"
    r"(:[1-9][0-9]{1,3})?"
    r"([/?][!-~]{0,1000})?$"
)
_BY_ID = (in_path("interruptId", {"type": "string"}),)


class Description:
    """`GET /openapi.json`, for an API on such terms."""

    def __init__(self, options: Options) -> None:
        self._document = openapi_document(
            keyed=bool(options.api_key or options.reviewers),
            anonymous=options.api_key is None,
            embedded=options.embedded,
        )

    async def get_openapi_document(self, _request: Request) -> Response:
        """The description of all the API's calls."""
        return JSONResponse(self._document)


def openapi_document(*, keyed: bool, anonymous: bool = False, embedded: bool = False) -> Part:
    """The whole description, OpenAPI 3.1, of an API that takes keys or does not.

    With reviewers it may let in `anonymous` callers too. The embedded one has a call more.
    """
    document = _document()
    if not embedded:
        del document["paths"]["/sign-in-links"]
    if not keyed:
        del document["security"], document["components"]["securitySchemes"]
        for path in document["paths"].values():
            for call in path.values():
                call["responses"].pop("401", None)
    elif anonymous:
        document["security"].append({})
    return document


def _document() -> Part:
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "LoopIn API",
            "version": __version__,
            "description": "A human-in-the-loop approval gate: an agent creates an interrupt, a "
            "human approves or rejects it, the agent reads the decision.",
        },
        "security": [{"key": []}],
        "paths": _paths(),
        "components": {
            "securitySchemes": {"key": {"type": "apiKey", "in": "header", "name": "X-API-Key"}},
            "schemas": _schemas(),
        },
    }


def _paths() -> Part:
    return _paths_of_interrupts() | _paths_of_review() | _paths_of_api()


def _paths_of_interrupts() -> Part:
    pending = {"type": "array", "items": reference(Interrupt)}
    events = {"type": "array", "minItems": 1, "items": reference(Event)}
    by_user = (in_path("userId", _user_schema()),)
    return {
        "/interrupts": {
            "post": once(
                operation(
                    "create_interrupt",
                    201,
                    reference(Created),
                    (400, 409, 413, 415, 422),
                    body=NewInterrupt,
                )
            )
        },
        "/interrupts/pending/{userId}": {
            "get": operation(
                "list_pending_interrupts", 200, pending, (400,), (*by_user, *_page_query())
            )
        },
        "/interrupts/{interruptId}": {
            "get": held(
                operation("get_interrupt_status", 200, reference(Interrupt), (404,), _BY_ID)
            ),
            "delete": operation("cancel_interrupt", 200, reference(Cancelled), (404, 409), _BY_ID),
        },
        "/interrupts/{interruptId}/decide": {
            "post": operation(
                "decide_interrupt",
                200,
                reference(Decided),
                (400, 403, 404, 409, 413, 415),
                _BY_ID,
                body=Decision,
            )
        },
        "/interrupts/{interruptId}/events": {
            "get": operation("list_events", 200, events, (404,), _BY_ID)
        },
        "/analytics/{userId}": {
            "get": operation("get_interrupt_analytics", 200, reference(Analytics), (400,), by_user)
        },
    }


def _paths_of_review() -> Part:
    return {
        "/review/{interruptId}": {
            "get": page(
                "show_interrupt", _BY_ID, "Reviewers have keys: sign in first", (200, 404, 503)
            ),
            "post": submitted(
                page(
                    "submit_interrupt",
                    _BY_ID,
                    "Recorded; the page shows the outcome",
                    (400, 401, 403, 404, 409, 413, 415, 503),
                )
            ),
        },
    }


def _paths_of_api() -> Part:
    return {
        "/sign-in-links": {
            "post": operation("create_sign_in_link", 201, reference(SignInLink), (403,))
        },
        "/health": {
            "get": public(
                operation(
                    "get_health",
                    200,
                    reference(Health),
                    (400,),
                    [in_query("challenge", {"type": "string", "maxLength": 100})],
                )
            )
        },
        "/openapi.json": {
            "get": public(operation("get_openapi_document", 200, {"type": "object"}, ()))
        },
    }


def _user_schema() -> Part:
    schema: Part = UserPath.model_json_schema()["properties"]["userId"]
    return schema | {"pattern": NOT_BLANK_EXACTLY}


def _page_query() -> list[Part]:
    limit = PageQuery.model_json_schema()["properties"]["limit"]
    return [in_query("limit", limit), in_query("cursor", {"type": "string", "pattern": CURSOR})]


def _schemas() -> Part:
    _, definitions = models_json_schema(
        [(model, "validation") for model in _MODELS], ref_template="#/components/schemas/{model}"
    )
    schemas: Part = definitions["$defs"]
    for name, always in _ALWAYS.items():
        schemas[name]["required"] += always
    new = schemas["NewInterrupt"]["properties"]
    new["callbackUrl"]["anyOf"][0] |= {
        "pattern": _CALLBACK_URL,
        "description": "http(s) URL that is sent the outcome by POST. In place of a name, a public "
        "address or one of CALLBACK_ALLOW may stand too",
    }
    for name in ("agentId", "userId", "action"):
        new[name]["pattern"] = NOT_BLANK_EXACTLY
    for name in ("reason", "payloadDigest"):
        schemas["Decision"]["properties"][name]["anyOf"][0]["pattern"] = NO_NUL
    return schemas
