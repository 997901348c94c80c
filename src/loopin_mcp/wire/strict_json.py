"""Reads JSON whose every reader finds the same values in it, and compares such values.

Nothing here takes long to load.

Of two values of one name, or of a number and its rounded form, readers may choose either (RFC
8259), and the human has to see the one that the agent acts on.
"""

import json
import math
from collections import Counter
from decimal import Decimal
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from pydantic import JsonValue

    Object = dict[str, JsonValue]

_SHOWN_CHARACTERS = 100
# Doubles hold all integers up to this one.
_EXACT_INTEGERS = 2.0**53


def read_strictly(text: str) -> "JsonValue":
    """The value of a JSON text.

    Raises:
        ValueError: It is not JSON, a number in it would be rounded, or an object in it has a name
            twice.
        RecursionError: It is nested too deep.
    """
    value: JsonValue = _STRICT.decode(text)
    return value


def canonical(value: object) -> str:
    """A value as JSON that is the same for the same value, and differs for 1, 1.0 and true."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"))


def changes_to(before: "Object", after: "Object") -> "Object":
    """The values of an object that another one does not have under the same name."""
    return {
        name: value
        for name, value in after.items()
        if name not in before or canonical(value) != canonical(before[name])
    }


def _unrounded(literal: str) -> float:
    """A number with a fraction or exponent, which its double must not change.

    Fractions keep the 15 to 17 digits of a double. Larger numbers have to be the double, as it is
    or in its shortest form. What is too large for a double is left to the fields.
    """
    double = float(literal)
    if double == 0:
        is_changed = not _is_zero(literal)
    elif _EXACT_INTEGERS <= abs(double) < math.inf:
        is_changed = Decimal(literal) not in (Decimal(double), Decimal(repr(double)))
    else:
        is_changed = False
    if is_changed:
        raise ValueError(
            f"has the number {literal[:_SHOWN_CHARACTERS]}, which would be rounded: send it as an "
            "integer, with fewer digits, or as text"
        )
    return double


def _is_zero(literal: str) -> bool:
    return not literal.lower().partition("e")[0].strip("-0.")


def _without_repeats(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) < len(pairs):
        [(repeated, _)] = Counter(name for name, _ in pairs).most_common(1)
        shown = json.dumps(repeated[:_SHOWN_CHARACTERS], ensure_ascii=False)
        raise ValueError(f"names {shown} twice in one object: send each name once")
    return found


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"has {name}, which is not JSON")


_STRICT = json.JSONDecoder(
    object_pairs_hook=_without_repeats, parse_float=_unrounded, parse_constant=_refuse_constant
)
