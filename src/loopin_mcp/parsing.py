"""Reads JSON of others: exactly what was sent, or not at all."""

import json
from collections import Counter

from pydantic import JsonValue
from pydantic_core import from_json

_SHOWN_CHARACTERS = 100


def parse_json(text: str | bytes) -> JsonValue:
    """The value of a JSON text in UTF-8 (RFC 8259); integers keep all their digits, others some 16.

    Raises:
        ValueError: It is not JSON, or has a number too small to be kept, or an object in it names
            something twice. Of the two values the RFC lets each reader take another, and a human
            has to see the one that is acted on.
    """
    try:
        value: JsonValue = from_json(text, allow_inf_nan=False)
    except ValueError as error:
        raise ValueError(f"is not valid JSON: {error}") from None
    json.loads(text, object_pairs_hook=_refuse_repeats, parse_float=_refuse_vanishing)
    return value


def _refuse_vanishing(literal: str) -> None:
    """Let no number become zero, as those do that are too small for a double."""
    if not float(literal) and literal.lower().partition("e")[0].strip("-0."):
        raise ValueError(f"has the number {literal[:_SHOWN_CHARACTERS]}, which is too small")


def _refuse_repeats(pairs: list[tuple[str, object]]) -> None:
    if len(dict(pairs)) < len(pairs):
        [(repeated, _)] = Counter(name for name, _ in pairs).most_common(1)
        shown = json.dumps(repeated[:_SHOWN_CHARACTERS], ensure_ascii=False)
        raise ValueError(f"names {shown} twice in one object: send each name once")
