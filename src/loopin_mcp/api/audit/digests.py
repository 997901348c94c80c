"""Digests of JSON values in canonical form, and of what a human is asked."""

import json
import re
from collections.abc import Mapping
from decimal import Decimal
from hashlib import sha256
from typing import Any

from loopin_mcp.wire.models import Interrupt, NewInterrupt

# Outside of this range ECMAScript writes an exponent.
_LARGE = 1e21
# Doubles hold all integers up to this one.
_EXACT_INTEGERS = 2.0**53
_SMALL = 1e-6
# In a list or an object. Text in a string may look like one, too; times do not.
_MAYBE_FLOAT = re.compile(r"[:,\[](?<![0-9]:)-?[0-9]+[.e]")
_ASKED = ("agentId", "userId", "action", "context", "urgency")
# For all values but floats. json.dumps would make a new encoder for each.
_text = json.JSONEncoder(ensure_ascii=False).encode
_sorted_text = json.JSONEncoder(
    ensure_ascii=False, sort_keys=True, separators=(",", ":"), check_circular=False
).encode


def payload_digest(interrupt: NewInterrupt | Interrupt) -> str:
    """The SHA-256 of the RFC 8785 form of the fields that ask a human for a decision."""
    return digest_of_asked(
        {
            "agentId": interrupt.agent_id,
            "userId": interrupt.user_id,
            "action": interrupt.action,
            "context": interrupt.context,
            "urgency": interrupt.urgency,
        }
    )


def digest_of_asked(fields: Mapping[str, Any]) -> str:
    """The payload digest of an interrupt's fields, by their names on the wire."""
    return digest({name: fields[name] for name in _ASKED})


def digest(value: Any) -> str:  # noqa: ANN401 - this is the JSON edge
    """The SHA-256 of a value's canonical form, as 64 lower-case hexadecimal digits."""
    return sha256(canonical(value).encode()).hexdigest()


def canonical(value: Any) -> str:  # noqa: ANN401 - this is the JSON edge
    """A JSON value in the form of RFC 8785.

    Integers beyond ±2⁵³, for which the RFC has no form, keep all digits, so that long account
    numbers stay distinct: from each other, and from a fraction that the RFC writes like them.
    """
    if isinstance(value, float):
        return _number(value)
    text = _sorted_text(value)
    # The RFC sorts by UTF-16 code units, which differ from code points above U+FFFF.
    is_in_order = text.isascii() or len(text.encode("utf-16-le")) == 2 * len(text)
    return text if is_in_order and not _MAYBE_FLOAT.search(text) else _canonical(value)


def _canonical(value: Any) -> str:  # noqa: ANN401 - this is the JSON edge
    if isinstance(value, dict):
        names = sorted(value, key=lambda name: name.encode("utf-16-be"))
        return "{" + ",".join(f"{_text(name)}:{_canonical(value[name])}" for name in names) + "}"
    if isinstance(value, list | tuple):
        return "[" + ",".join(map(_canonical, value)) + "]"
    if isinstance(value, float):
        return _number(value)
    return _text(value)


def _number(value: float) -> str:
    """A finite number as ECMAScript writes it, or exactly if integers of its digits are, too."""
    if value == 0:
        return "0"
    if _EXACT_INTEGERS <= abs(value) < _LARGE:
        return str(int(value))
    if _SMALL <= abs(value) < _LARGE:
        return f"{Decimal(repr(value)):f}".removesuffix(".0")
    digits, _, exponent = repr(value).partition("e")
    return f"{digits}e{int(exponent):+d}"
