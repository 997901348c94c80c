"""The building blocks of the OpenAPI description: one operation, and what it answers."""

from collections.abc import Iterable
from typing import Any

from pydantic import BaseModel

from loopin_mcp.api.rest.headers import (
    LONGEST_KEY,
    LONGEST_WAIT_S,
    MAX_HEADER_BYTES,
    MAX_HEADERS,
    MAX_URL_BYTES,
)
from loopin_mcp.api.rest.requests import MAX_BODY_BYTES

ERRORS = {
    400: "A field is missing or does not fit; the sentence names it",
    401: "No key, or not the right one",
    403: "The key, or the page, may not do this",
    404: "There is no such interrupt",
    409: "The interrupt is no longer pending, not what payloadDigest stands for, or tampered with",
    413: f"The body is larger than {MAX_BODY_BYTES} bytes",
    414: f"The URL is longer than {MAX_URL_BYTES} bytes",
    415: "The body is not declared to be of the type described",
    421: "The host name is not one this API is served under",
    422: "The Idempotency-Key was used before with another payload",
    429: "Too many new interrupts, or too many wrong keys",
    431: f"The headers are more than {MAX_HEADERS}, or {MAX_HEADER_BYTES} bytes",
    503: "The database cannot be used right now",
}

# What any call may be answered, and what one for which a key is asked for and a database.
_ALWAYS = (414, 421, 431)
_KEYED = (401, 429, 503)

Part = dict[str, Any]

NO_NUL = r"^[^\x00]*$"
_VALUE_TEXT = r'("[ !#-\[\]-~]{0,200}"|-?(0|[1-9][0-9]{0,14})(\.[0-9]{1,6})?|true|false|null)'
_OBJECT_TEXT = rf'^(\{{("[A-Za-z_][A-Za-z0-9_-]{{0,40}}": ?{_VALUE_TEXT})?\}})?$'
_FORM: Part = {
    "type": "object",
    "additionalProperties": False,
    "required": ["decision"],
    "properties": {
        "decision": {"enum": ["approved", "rejected"]},
        "reason": {"type": "string", "maxLength": 4000, "pattern": NO_NUL},
        "modifiedParams": {
            "type": "string",
            "description": "A JSON object as text, or empty; the pattern is of the simplest",
            "pattern": _OBJECT_TEXT,
        },
        "payloadDigest": {
            "type": "string",
            "description": "The payloadDigest of what the page showed, or empty",
            "pattern": NO_NUL,
        },
    },
}


def operation(
    name: str,
    status: int,
    schema: Part,
    refusals: tuple[int, ...],
    parameters: Iterable[Part] = (),
    body: type[BaseModel] | None = None,
) -> Part:
    """One operation of the API; it answers JSON."""
    call: Part = {
        "operationId": name,
        "responses": {
            str(status): _content("Success", "application/json", schema),
            **{str(code): _refusal(code) for code in sorted({*refusals, *_KEYED, *_ALWAYS})},
        },
    }
    if found := list(parameters):
        call["parameters"] = found
    if body:
        call["requestBody"] = {
            "required": True,
            "content": {"application/json": {"schema": reference(body)}},
        }
    return call


def held(call: Part) -> Part:
    """The operation with the preference that holds its answer (RFC 7240)."""
    most = f"wait=N holds the answer up to N seconds (at most {LONGEST_WAIT_S}) while it is pending"
    call["parameters"].append(
        {"name": "Prefer", "in": "header", "description": most, "schema": {"type": "string"}}
    )
    call["responses"]["200"]["headers"] = {
        "Preference-Applied": {
            "description": "The wait that was heeded",
            "schema": {"type": "string"},
        }
    }
    return call


def once(call: Part) -> Part:
    """The operation with the key that has it done once (see `api.idempotency`).

    It is no parameter here: whoever makes up requests from parameters would reuse keys.
    """
    call["description"] = (
        "With the header Idempotency-Key (one string in double quotes, of 1 to "
        f"{LONGEST_KEY} printable ASCII characters, new for each interrupt) it may be sent again: "
        "the same key and payload get the first answer again for 24 hours."
    )
    call["responses"]["201"]["headers"] = {
        "Idempotency-Replayed": {
            "description": "It is the answer to an earlier request",
            "schema": {"const": "true"},
        }
    }
    call["responses"]["409"]["description"] = "The first request with this key is still under way"
    return call


def page(name: str, parameters: Iterable[Part], see_other: str, statuses: tuple[int, ...]) -> Part:
    """One operation of a page; it answers HTML, or leads on to another, and needs no key."""
    call: Part = {
        "operationId": name,
        "security": [],
        "parameters": list(parameters),
        "responses": {
            **{
                str(code): _content(ERRORS.get(code, "The page"), "text/html", {"type": "string"})
                for code in statuses
            },
            **{str(code): _refusal(code) for code in _ALWAYS},
            "303": {"description": see_other},
        },
    }
    return call


def submitted(call: Part) -> Part:
    """The operation as one that takes the form of a decision."""
    form = {"application/x-www-form-urlencoded": {"schema": _FORM}}
    return {**call, "requestBody": {"required": True, "content": form}}


def public(call: Part) -> Part:
    """The operation as one that needs neither key nor database."""
    for status in _KEYED:
        del call["responses"][str(status)]
    return {**call, "security": []}


def _refusal(status: int) -> Part:
    error = {"type": "object", "required": ["error"], "properties": {"error": {"type": "string"}}}
    refusal = _content(ERRORS[status], "application/json", error)
    if status == 429:
        seconds = {"description": "Seconds to wait", "schema": {"type": "integer", "minimum": 1}}
        refusal["headers"] = {"Retry-After": seconds}
    return refusal


def _content(description: str, media_type: str, schema: Part) -> Part:
    return {"description": description, "content": {media_type: {"schema": schema}}}


def reference(model: type[BaseModel]) -> Part:
    """The schema of a wire model."""
    return {"$ref": f"#/components/schemas/{model.__name__}"}


def in_path(name: str, schema: Part) -> Part:
    """A parameter that is part of the path."""
    return {"name": name, "in": "path", "required": True, "schema": schema}


def in_query(name: str, schema: Part) -> Part:
    """A parameter after the question mark, which may be left out."""
    return {"name": name, "in": "query", "schema": schema}
