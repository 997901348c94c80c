"""Reads untrusted JSON, and explains in plain words what is wrong with it."""

from pydantic import JsonValue, ValidationError
from pydantic.alias_generators import to_camel
from pydantic_core import ErrorDetails, from_json

from loopin_mcp.wire.strict_json import read_strictly

_SAYINGS = {
    "missing": "is required",
    "extra_forbidden": "is not a known field",
    "string_type": "must be a string",
    "string_unicode": "must be text in UTF-8",
    "string_too_short": "must not be empty",
    "string_too_long": "must be at most {max_length} characters",
    "string_pattern_mismatch": "must not be blank and must not contain NUL",
    "int_type": "must be an integer",
    "int_parsing": "must be an integer",
    "int_parsing_size": "must be an integer of fewer digits",
    "int_from_float": "must be an integer",
    "greater_than_equal": "must be at least {ge}",
    "less_than_equal": "must be at most {le}",
    "literal_error": "must be {expected}",
    "dict_type": "must be a JSON object",
    "model_type": "must be a JSON object",
    "value_error": "{error}",
}


def parse_json(text: str | bytes) -> JsonValue:
    """The value of a JSON text in UTF-8 (RFC 8259), in which integers keep all their digits.

    Raises:
        ValueError: It is not JSON, a number in it would be rounded, or an object in it has a name
            twice. Of two values, or of a number and its rounded form, readers may choose either
            (RFC 8259), and the human has to see the one that the agent acts on.
    """
    try:
        value: JsonValue = from_json(text, allow_inf_nan=False)
    except ValueError as error:
        raise ValueError(f"is not valid JSON: {error}") from None
    read_strictly(text if isinstance(text, str) else text.decode())
    return value


def faults(error: ValidationError) -> dict[str, str]:
    """What is wrong with each field, by its wire name."""
    found: dict[str, str] = {}
    for fault in error.errors(include_url=False, include_input=False):
        field = ".".join(map(str, fault["loc"]))[:100] or "the body"
        if "_" in field and fault["type"] != "extra_forbidden":
            field = to_camel(field)
        found.setdefault(field, saying(fault))
    return found


def saying(fault: ErrorDetails) -> str:
    """What is wrong with a field, to follow its name."""
    known = _SAYINGS.get(fault["type"])
    return known.format(**fault.get("ctx", {})) if known else fault["msg"]


def explain(error: ValidationError) -> str:
    """One sentence that names each invalid field, and why."""
    return "; ".join(f"{field} {saying}" for field, saying in faults(error).items())
