"""The OpenAPI description, made from the models that the endpoints use."""

from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from loopin_mcp.api.bodies import MAX_BODY_BYTES
from loopin_mcp.api.interrupts import PageQuery, UserPath
from loopin_mcp.models import (
    Analytics,
    Cancelled,
    Created,
    Decided,
    Decision,
    Health,
    Interrupt,
    NewInterrupt,
)
from loopin_mcp.version import __version__

_MODELS: tuple[type[BaseModel], ...] = (
    NewInterrupt,
    Decision,
    Created,
    Interrupt,
    Decided,
    Cancelled,
    Analytics,
    Health,
)
_ERRORS = {
    400: "A field is missing or does not fit; the sentence names it",
    401: "No key, or not the right one",
    403: "The key, or the page, may not do this",
    404: "There is no such interrupt",
    409: "The interrupt is no longer pending",
    413: f"The body is larger than {MAX_BODY_BYTES} bytes",
    415: "The body is not declared to be of the type described",
    421: "The host name is not one this API is served under",
    503: "The database cannot be used right now",
}
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
    "Health": ["version"],
}

_Part = dict[str, Any]

_FORM: _Part = {
    "type": "object",
    "additionalProperties": False,
    "required": ["decision"],
    "properties": {
        "decision": {"enum": ["approved", "rejected"]},
        "reason": {"type": "string", "maxLength": 4000},
        "modifiedParams": {"type": "string", "description": "A JSON object as text, or empty"},
    },
}


class Description:
    """`GET /openapi.json`, for an API that asks for a key or does not."""

    def __init__(self, *, keyed: bool) -> None:
        self._document = openapi_document(keyed=keyed)

    async def get_openapi_document(self, _request: Request) -> Response:
        """The description of all the API's calls."""
        return JSONResponse(self._document)


def openapi_document(*, keyed: bool) -> _Part:
    """The whole description, OpenAPI 3.1, of an API that asks for a key or does not."""
    document = _document()
    if not keyed:
        del document["security"], document["components"]["securitySchemes"]
        for path in document["paths"].values():
            for call in path.values():
                call["responses"].pop("401", None)
    return document


def _document() -> _Part:
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


def _paths() -> _Part:
    pending = {"type": "array", "items": _ref(Interrupt)}
    by_id, by_user = [_path("interruptId", {"type": "string"})], [_path("userId", _user_schema())]
    return {
        "/interrupts": {
            "post": _call(
                "create_interrupt", 201, _ref(Created), (400, 413, 415), body=NewInterrupt
            )
        },
        "/interrupts/pending/{userId}": {
            "get": _call("list_pending_interrupts", 200, pending, (400,), by_user + _page_query())
        },
        "/interrupts/{interruptId}": {
            "get": _call("get_interrupt_status", 200, _ref(Interrupt), (404,), by_id),
            "delete": _call("cancel_interrupt", 200, _ref(Cancelled), (404, 409), by_id),
        },
        "/interrupts/{interruptId}/decide": {
            "post": _call(
                "decide_interrupt",
                200,
                _ref(Decided),
                (400, 404, 409, 413, 415),
                by_id,
                body=Decision,
            )
        },
        "/analytics/{userId}": {
            "get": _call("get_interrupt_analytics", 200, _ref(Analytics), (400,), by_user)
        },
        "/review/{interruptId}": {
            "get": _page("show_interrupt", by_id, (200, 404, 503)),
            "post": _page("submit_interrupt", by_id, (303, 400, 403, 404, 409, 413, 415, 503)),
        },
        "/health": {
            "get": _public(
                _call(
                    "get_health",
                    200,
                    _ref(Health),
                    (400,),
                    [_query("challenge", {"type": "string", "maxLength": 100})],
                )
            )
        },
        "/openapi.json": {
            "get": _public(_call("get_openapi_document", 200, {"type": "object"}, ()))
        },
    }


def _call(
    name: str,
    status: int,
    schema: _Part,
    refusals: tuple[int, ...],
    parameters: list[_Part] | None = None,
    body: type[BaseModel] | None = None,
) -> _Part:
    """One operation of the API; it answers JSON."""
    call: _Part = {
        "operationId": name,
        "responses": {
            str(status): _content("Success", "application/json", schema),
            **{str(code): _refusal(code) for code in sorted({*refusals, 401, 421, 503})},
        },
    }
    if parameters:
        call["parameters"] = parameters
    if body:
        call["requestBody"] = {
            "required": True,
            "content": {"application/json": {"schema": _ref(body)}},
        }
    return call


def _page(name: str, parameters: list[_Part], statuses: tuple[int, ...]) -> _Part:
    """One operation of the review page; it answers HTML and needs no key."""
    page: _Part = {
        "operationId": name,
        "security": [],
        "parameters": parameters,
        "responses": {
            **{
                str(code): _content(_ERRORS.get(code, "The page"), "text/html", {"type": "string"})
                for code in statuses
            },
            "421": _refusal(421),
        },
    }
    if 303 in statuses:
        page["responses"]["303"] = {"description": "Recorded; the page shows the outcome"}
        page["requestBody"] = {
            "required": True,
            "content": {"application/x-www-form-urlencoded": {"schema": _FORM}},
        }
    return page


def _public(call: _Part) -> _Part:
    for status in ("401", "503"):
        del call["responses"][status]
    return {**call, "security": []}


def _refusal(status: int) -> _Part:
    error = {"type": "object", "required": ["error"], "properties": {"error": {"type": "string"}}}
    return _content(_ERRORS[status], "application/json", error)


def _content(description: str, media_type: str, schema: _Part) -> _Part:
    return {"description": description, "content": {media_type: {"schema": schema}}}


def _ref(model: type[BaseModel]) -> _Part:
    return {"$ref": f"#/components/schemas/{model.__name__}"}


def _path(name: str, schema: _Part) -> _Part:
    return {"name": name, "in": "path", "required": True, "schema": schema}


def _query(name: str, schema: _Part) -> _Part:
    return {"name": name, "in": "query", "schema": schema}


def _user_schema() -> _Part:
    schema: _Part = UserPath.model_json_schema()["properties"]["userId"]
    return schema


def _page_query() -> list[_Part]:
    limit = PageQuery.model_json_schema()["properties"]["limit"]
    return [_query("limit", limit), _query("cursor", {"type": "string"})]


def _schemas() -> _Part:
    _, definitions = models_json_schema(
        [(model, "validation") for model in _MODELS], ref_template="#/components/schemas/{model}"
    )
    schemas: _Part = definitions["$defs"]
    for name, always in _ALWAYS.items():
        schemas[name]["required"] += always
    return schemas
