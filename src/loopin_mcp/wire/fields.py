"""The types of the fields of wire models and tools, with bounds and descriptions."""

import json
import math
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    GetPydanticSchema,
    JsonValue,
    PlainSerializer,
    WithJsonSchema,
)
from pydantic_core import to_json

from loopin_mcp.settings.values import LONGEST_NAME
from loopin_mcp.wire.plain_text import UNSEEN, is_blank

LONGEST_EXPIRY_S = 2_592_000
MAX_OBJECT_BYTES = 64 * 1024
MAX_OBJECT_DEPTH = 32
MAX_OBJECT_VALUES = 10_000
_LONGEST_SHOWN = 100

# At least one character that is not white space, and no NUL: PostgreSQL cannot store one.
_NOT_BLANK = r"^[^\x00]*[^\s\x00][^\x00]*$"
# The exact rule, which is too long for the schemas of the tools.
NOT_BLANK_EXACTLY = rf"^[^\x00]*[^{UNSEEN}][^\x00]*$"
NAME_EXACTLY = rf"^(?!\.\.?$)[^\x00]*[^{UNSEEN}][^\x00]*$"
_DIGEST = r"^[0-9a-f]{64}$"

# As tuples, since a union would be made anew at each use.
_PLAIN = (str, int, float, type(None))
_LISTS = (list, tuple)
_NESTED = (dict, *_LISTS)


def _plain_object(value: Any) -> Any:  # noqa: ANN401 - this is the JSON edge
    """Refuse an object that is nested too deep, too large, or not JSON."""
    depth, values = _extent(value)
    if depth > MAX_OBJECT_DEPTH:
        raise ValueError(f"must not be nested more than {MAX_OBJECT_DEPTH} levels deep")
    if values > MAX_OBJECT_VALUES:
        raise ValueError(f"must hold at most {MAX_OBJECT_VALUES:,} values (holds {values:,})")
    try:
        size = len(to_json(value))
    except ValueError as error:
        raise ValueError("must be representable as JSON in UTF-8") from error
    if size > MAX_OBJECT_BYTES:
        raise ValueError(f"must be at most {MAX_OBJECT_BYTES} bytes as JSON (is {size})")
    return value


def _extent(value: Any) -> tuple[int, int]:  # noqa: ANN401 - this is the JSON edge
    """How deep a JSON value is nested, and how many values it holds at any level.

    It is found without recursion, and not beyond the limit: an object may contain itself. Infinity,
    NaN and whatever is not JSON are refused.
    """
    depth = values = 0
    level = [value]
    while level and depth <= MAX_OBJECT_DEPTH:
        inner: list[Any] = []
        for item in level:
            if isinstance(item, dict):
                if not all(isinstance(name, str) for name in item):
                    raise ValueError("must have names that are strings")
                inner.extend(item.values())
            elif isinstance(item, _LISTS):
                inner.extend(item)
            elif isinstance(item, float) and not math.isfinite(item):
                raise ValueError("must hold finite numbers only")
            elif not isinstance(item, _PLAIN):
                raise ValueError("must be representable as JSON in UTF-8")
        depth += any(isinstance(item, _NESTED) for item in level)
        values += len(inner)
        level = inner
    return depth, values


def _whole_number(value: Any) -> Any:  # noqa: ANN401 - this is the JSON edge
    """Read 60.0 as 60, since JSON does not distinguish them."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _web_address(value: str) -> str:
    try:
        parts = urlsplit(value)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable or any(ord(character) <= 32 for character in value):
        raise ValueError("must be an http or https URL with a host")
    return value


def _seen(value: str) -> str:
    if is_blank(value):
        raise ValueError("must not be blank: no character of it would be seen")
    return value


def _name(value: str) -> str:
    if value in (".", ".."):
        raise ValueError("must not be . or .., which no URL can contain")
    return _seen(value)


def _without_nul(value: str) -> str:
    if "\0" in value:
        raise ValueError("must not contain NUL")
    return value


def _digest(value: str) -> str:
    if not re.fullmatch(_DIGEST, value):
        raise ValueError("must be 64 lower-case hexadecimal digits")
    return value


def _as_object(value: Any) -> Any:  # noqa: ANN401 - this is the JSON edge
    """Read a value that a LoopIn 1.0 server stored, which may be a string, as an object."""
    _extent(value)
    return value if isinstance(value, dict | None) else {"value": value}


def _names(value: Any) -> Any:  # noqa: ANN401 - this is the JSON edge
    if not isinstance(value, _LISTS) or not all(isinstance(name, str) for name in value):
        raise ValueError("must be a list of keys of the context")
    if len(set(value)) < len(value):
        raise ValueError("must name each key once")
    return tuple(value)


def _choices(value: Any) -> Any:  # noqa: ANN401 - this is the JSON edge
    if not isinstance(value, dict):
        raise ValueError("must be an object: keys of the context, each with a list of values")
    for name, choices in _plain_object(value).items():
        if not isinstance(choices, _LISTS) or not 1 <= len(choices) <= MOST_OPTIONS:
            raise ValueError(f"must have a list of 1 to {MOST_OPTIONS} values for {shown(name)}")
        if not all(isinstance(choice, Scalar) for choice in choices):
            raise ValueError(f"must have only texts, numbers, true or false for {shown(name)}")
        if len({(isinstance(choice, bool), choice) for choice in choices}) < len(choices):
            raise ValueError(f"must have each value for {shown(name)} once")
    return {name: list(choices) for name, choices in value.items()}


def is_same(one: JsonValue, other: JsonValue) -> bool:
    """Whether two texts, numbers or booleans are the same JSON value; in Python, True equals 1."""
    return isinstance(one, bool) == isinstance(other, bool) and one == other


def shown(name: JsonValue) -> str:
    """A key or value in an error: as JSON, cut if it is long."""
    text = json.dumps(name, ensure_ascii=False)
    return text if len(text) <= _LONGEST_SHOWN else f"{text[:_LONGEST_SHOWN]}…"


def _as_utc(value: datetime) -> datetime:
    try:
        return value.astimezone(UTC) if value.tzinfo else value.replace(tzinfo=UTC)
    except OverflowError as error:
        raise ValueError("must be between the years 1 and 9999 in UTC") from error


def _text(longest: int, description: str) -> Any:  # noqa: ANN401 - what Field returns
    """The bounds of a text that must not be blank."""
    return Field(min_length=1, max_length=longest, pattern=_NOT_BLANK, description=description)


def format_time(value: datetime) -> str:
    """RFC 3339 in UTC with milliseconds and `Z`."""
    return value.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


AgentId = Annotated[str, _text(LONGEST_NAME, "Agent that asks"), AfterValidator(_name)]
UserId = Annotated[str, _text(LONGEST_NAME, "Human asked"), AfterValidator(_name)]
Action = Annotated[
    str, _text(2000, "One sentence: exactly what happens if approved"), AfterValidator(_seen)
]
# Pydantic would take a hundred times as long to check each value as to read it.
JSONObject = Annotated[
    dict[str, JsonValue],
    GetPydanticSchema(lambda _kind, schema_of: schema_of(dict[str, Any])),
    WithJsonSchema({"type": "object"}),
]
ForeignObject = Annotated[JSONObject | None, BeforeValidator(_as_object)]
PlainObject = Annotated[JSONObject, BeforeValidator(_plain_object)]
# A value of a field on a page: no list and no object.
Scalar = str | int | float | bool
MOST_OPTIONS = 50
Editable = Annotated[
    Sequence[str],
    BeforeValidator(_names),
    WithJsonSchema(
        {
            "type": "array",
            "items": {"type": "string"},
            "description": "Context keys a human may change; default: all",
        }
    ),
]
Options = Annotated[
    Mapping[str, Sequence[Scalar]],
    GetPydanticSchema(lambda _kind, schema_of: schema_of(dict[str, Any])),
    BeforeValidator(_choices),
    WithJsonSchema(
        {
            "type": "object",
            "additionalProperties": {
                "type": "array",
                "items": {"type": ["string", "number", "boolean"]},
            },
            "description": "Allowed values by context key",
        }
    ),
]
Context = Annotated[
    PlainObject,
    Field(description="All facts the human needs to decide (at most 64 KiB)"),
]
# In an optional field, pydantic loses a description that is given by Field.
ModifiedParams = Annotated[
    PlainObject, WithJsonSchema({"type": "object", "description": "Values the human changed"})
]
Urgency = Annotated[Literal["low", "medium", "high"], Field(description="How urgent")]
Verdict = Annotated[Literal["approved", "rejected"], Field(description="What the human decided")]
ExpiresIn = Annotated[
    int,
    Field(strict=True, ge=1, le=LONGEST_EXPIRY_S, description="Seconds until it expires"),
    BeforeValidator(_whole_number),
]
UseWithin = Annotated[
    int,
    Field(
        strict=True,
        ge=1,
        le=LONGEST_EXPIRY_S,
        description="Seconds after the decision in which it may be used",
    ),
    BeforeValidator(_whole_number),
]
CallName = Annotated[str, _text(LONGEST_NAME, "Session or tool of the call"), AfterValidator(_seen)]
CallDigest = Annotated[
    str,
    AfterValidator(_digest),
    WithJsonSchema({"type": "string", "pattern": _DIGEST, "description": "SHA-256 of the call"}),
]
Scope = Literal["call", "tool"]
StandingScope = Annotated[
    Scope,
    Field(description="This very call, or calls of this tool in this session"),
]
CallbackUrl = Annotated[
    str,
    Field(max_length=2000, description="http(s) URL that gets the outcome by POST"),
    AfterValidator(_web_address),
]
Reason = Annotated[
    str,
    Field(max_length=4000, description="Why, in the human's words"),
    AfterValidator(_without_nul),
]
Digest = Annotated[
    str,
    Field(description="payloadDigest of what the human was shown"),
    AfterValidator(_without_nul),
]
DEFAULT_PAGE = 50
LARGEST_PAGE = 200
PageLimit = Annotated[
    int,
    Field(strict=True, ge=1, le=LARGEST_PAGE, description="How many at most"),
    BeforeValidator(_whole_number),
]
Cursor = Annotated[str, Field(description="nextCursor of the page before")]
WaitSeconds = Annotated[
    int,
    Field(strict=True, ge=0, description="How long to wait for a decision"),
    BeforeValidator(_whole_number),
]
InterruptId = Annotated[str, Field(description="From create_interrupt")]
Status = Annotated[str, Field(description="pending, approved, rejected, expired or cancelled")]
Timestamp = Annotated[
    datetime,
    AfterValidator(_as_utc),
    PlainSerializer(format_time, return_type=str),
    WithJsonSchema({"type": "string", "format": "date-time"}),
]
