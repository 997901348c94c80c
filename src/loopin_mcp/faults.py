"""Says in plain words what does not fit in a request."""

from pydantic import ValidationError
from pydantic.alias_generators import to_camel

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


def faults(error: ValidationError) -> dict[str, str]:
    """What is wrong, by the field's name as the wire spells it."""
    found: dict[str, str] = {}
    for fault in error.errors(include_url=False, include_input=False):
        field = str(fault["loc"][0])[:100] if fault["loc"] else "the body"
        if "_" in field and fault["type"] != "extra_forbidden":
            field = to_camel(field)
        saying = _SAYINGS.get(fault["type"])
        found.setdefault(field, saying.format(**fault.get("ctx", {})) if saying else fault["msg"])
    return found


def explain(error: ValidationError) -> str:
    """One sentence that names each field that does not fit, and why."""
    return "; ".join(f"{field} {saying}" for field, saying in faults(error).items())
