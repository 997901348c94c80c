"""Reads requests: the JSON body as one wire model, a form, the id in the path."""

import re
from collections.abc import Collection, Mapping
from typing import TypeVar
from urllib.parse import parse_qsl, unquote

from pydantic import BaseModel, ValidationError
from starlette.requests import Request

from loopin_mcp.api.access.browser import values_of
from loopin_mcp.errors import (
    InvalidRequestError,
    NotFoundError,
    TooLargeError,
    UnsupportedTypeError,
)
from loopin_mcp.wire.validation import explain, parse_json

MAX_BODY_BYTES = 256 * 1024
MAX_FORM_FIELDS = 10

_Model = TypeVar("_Model", bound=BaseModel)


async def read_json(request: Request, model: type[_Model]) -> _Model:
    """The body as a model, by its wire names only.

    Raises:
        UnsupportedTypeError: The body is not declared as JSON.
        TooLargeError: The body is over the limit.
        InvalidRequestError: It is not JSON, has a name twice, or a field is invalid.
    """
    body = await _read(request, "application/json")
    try:
        value = parse_json(body)
    except ValueError as error:
        raise InvalidRequestError(f"The body {error}") from None
    return check(model, value)


def check(model: type[_Model], value: object) -> _Model:
    """A parsed value as a model, by its wire names only.

    Raises:
        InvalidRequestError: A field is invalid; the message names it.
    """
    try:
        return model.model_validate(value, by_alias=True, by_name=False)
    except ValidationError as error:
        raise InvalidRequestError(explain(error)) from None


async def read_form(
    request: Request,
    known: Collection[str],
    more: re.Pattern[str] | None = None,
    most: int = MAX_FORM_FIELDS,
) -> Mapping[str, str]:
    """The fields of a submitted form, at most `most`; line breaks are bare line feeds.

    Its names are `known` or match `more`.

    Raises:
        UnsupportedTypeError: The body is not declared as a form.
        TooLargeError: The body is over the limit.
        InvalidRequestError: It is not a form in UTF-8, or has a field twice or an unknown one.
    """
    fields = await read_fields(request, known, most, more)
    form = dict(fields)
    if len(form) < len(fields):
        raise InvalidRequestError("The form holds a field twice")
    return form


async def read_fields(
    request: Request,
    known: Collection[str],
    most: int = MAX_FORM_FIELDS,
    more: re.Pattern[str] | None = None,
) -> list[tuple[str, str]]:
    """The fields of a submitted form as pairs; unlike in `read_form`, a name may occur twice.

    Raises:
        UnsupportedTypeError: The body is not declared as a form.
        TooLargeError: The body is over the limit.
        InvalidRequestError: It is not a form in UTF-8, or has an unknown or too many fields.
    """
    body = await _read(request, "application/x-www-form-urlencoded")
    try:
        pairs = parse_qsl(
            body.decode(), keep_blank_values=True, max_num_fields=most, errors="strict"
        )
    except ValueError:
        raise InvalidRequestError("The form cannot be read") from None
    for name in sorted({name for name, _ in pairs} - set(known)):
        if not (more and more.fullmatch(name)):
            raise InvalidRequestError(f"{name[:100]} is not a known field")
    return [(name, value.replace("\r\n", "\n")) for name, value in pairs]


async def _read(request: Request, media_type: str) -> bytes:
    declared = _value_of(request, b"content-type").partition(";")[0].strip().lower()
    if declared != media_type:
        raise UnsupportedTypeError(f"The body must be sent as Content-Type: {media_type}")
    too_large = TooLargeError(f"The body must be at most {MAX_BODY_BYTES} bytes")
    length = _value_of(request, b"content-length")
    if length.isascii() and length.isdigit() and int(length[:18]) > MAX_BODY_BYTES:
        raise too_large
    body, is_whole = b"", False
    while not is_whole:
        message = await request.receive()
        if message["type"] == "http.disconnect":
            raise InvalidRequestError("The body was cut short")
        body += message.get("body", b"")
        if len(body) > MAX_BODY_BYTES:
            raise too_large
        is_whole = not message.get("more_body", False)
    return body


def _value_of(request: Request, header: bytes) -> str:
    return next(iter(values_of(request.scope, header)), "")


def interrupt_id_of(request: Request) -> str:
    """The id in the path, decoded.

    Raises:
        NotFoundError: It has a character that no id has and databases refuse, such as NUL.
    """
    interrupt_id = decoded(request.path_params["interrupt_id"])
    if not interrupt_id.isprintable():
        raise NotFoundError("Interrupt not found")
    return interrupt_id


async def until_gone(request: Request) -> None:
    """Return once the client has closed its connection."""
    while (await request.receive())["type"] != "http.disconnect":
        pass


def decoded(segment: str) -> str:
    """A segment of the path, decoded; invalid UTF-8 becomes surrogates, which no id has."""
    return unquote(segment, errors="surrogateescape")
