"""What a human changed: the parameters they gave beside what was asked, field by field."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from pydantic import JsonValue

from loopin_mcp.api.canonical import canonical
from loopin_mcp.fields import JSONObject
from loopin_mcp.models import Interrupt

KINDS = ("changed", "added", "unchanged")


@dataclass(frozen=True)
class Difference:
    """A field that the human gave, of one of the `KINDS`, beside what was asked."""

    name: str
    kind: str
    asked: JsonValue
    decided: JsonValue


def differences(interrupt: Interrupt) -> tuple[Difference, ...]:
    """Every field of the modified parameters of an interrupt beside its context."""
    asked, decided = interrupt.context or {}, interrupt.modified_params or {}
    return tuple(
        Difference(name, _kind(asked, name, value), asked.get(name), value)
        for name, value in decided.items()
    )


def summed_up(fields: Iterable[Difference]) -> str:
    """How many fields are of each kind, in words."""
    counts = Counter(field.kind for field in fields)
    found = [f"{counts[kind]} {kind}" for kind in KINDS if counts[kind]]
    return ", ".join(found) or "an empty object"


def _kind(asked: JSONObject, name: str, value: JsonValue) -> str:
    if name not in asked:
        return "added"
    # In Python a truth equals a one.
    return "unchanged" if canonical(asked[name]) == canonical(value) else "changed"
