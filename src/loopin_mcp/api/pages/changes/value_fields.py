"""The fields of a form for the values of a context: which values have one, and of which kind."""

import json
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Literal

from pydantic import JsonValue

from loopin_mcp.api.audit.digests import canonical
from loopin_mcp.wire.misleading import pieces
from loopin_mcp.wire.models import Interrupt
from loopin_mcp.wire.plain_text import plain_text
from loopin_mcp.wire.validation import parse_json

# More values, and longer ones, are changed as JSON: a page and its form stay quick, and in bounds.
MOST_FIELDS = 50
MOST_BYTES = 32 * 1024
LONGEST_KEY = 200
# By the place of a value in the context, since a key may be any text.
NAME = re.compile(r"value\.[0-9]{1,4}")
# A longer text has a field of several lines.
LONGEST_LINE = 80
MOST_ROWS = 12

Kind = Literal["text", "long", "number", "date", "datetime-local", "choice"]

_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_TIME = re.compile(
    r"(?P<date>[0-9]{4}-[0-9]{2}-[0-9]{2})(?P<between>[T ])"
    r"(?P<minutes>(?:[01][0-9]|2[0-3]):[0-5][0-9])(?P<seconds>:[0-5][0-9])?"
    r"(?P<zone>Z|[+-][0-9]{2}:?[0-9]{2})?"
)


@dataclass(frozen=True)
class ValueField:
    """A field for one value of a context; `proposed` is that value as the field holds it."""

    name: str
    key: str
    kind: Kind
    value: JsonValue
    proposed: str
    choices: tuple[JsonValue, ...] = ()

    def read(self, typed: str) -> JsonValue:
        """The value that was typed, of the kind of the proposed one.

        Raises:
            ValueError: It is not of that kind; the message follows the key.
        """
        if typed == self.proposed:
            return self.value
        match self.kind:
            case "choice":
                return self._choice(typed)
            case "number":
                return _number(typed)
            case "date":
                return _date(typed)
            case "datetime-local":
                return self._time(typed)
            case _:
                has_returns = isinstance(self.value, str) and "\r\n" in self.value
                return typed.replace("\n", "\r\n") if has_returns else typed

    @property
    def labels(self) -> Mapping[str, str]:
        """The choices by what the form sends; as JSON unless all are distinct texts."""
        texts = [choice if isinstance(choice, str) else None for choice in self.choices]
        are_texts = all(text is not None and text.strip() == text != "" for text in texts)
        shown = [
            plain_text(choice if isinstance(choice, str) and are_texts else _json(choice))
            for choice in self.choices
        ]
        if len(set(shown)) < len(shown):
            # The signs for line breaks and blanks may also be in a choice.
            shown = [plain_text(json.dumps(choice)) for choice in self.choices]
        return {str(number): label for number, label in enumerate(shown)}

    @property
    def was(self) -> str:
        """The proposed value in words."""
        return self.labels[self.proposed] if self.choices else self.proposed

    @property
    def zone(self) -> str:
        """The zone of a time, which stays as it is; empty if it has none."""
        found = _TIME.fullmatch(str(self.value)) if self.kind == "datetime-local" else None
        zone = found["zone"] or "" if found else ""
        return "UTC" if zone == "Z" else zone

    @property
    def rows(self) -> int:
        """How many lines a field of several lines shows."""
        lines = sum(1 + len(line) // LONGEST_LINE for line in self.proposed.split("\n"))
        return min(max(lines, 2), MOST_ROWS)

    def _choice(self, typed: str) -> JsonValue:
        if typed not in self.labels:
            raise ValueError("must be one of the choices")
        return self.choices[int(typed)]

    def _time(self, typed: str) -> str:
        proposed, found = _TIME.fullmatch(str(self.value)), _TIME.fullmatch(typed.strip())
        if not found or found["zone"] or not _is_date(found["date"]):
            raise ValueError("must be a date and time such as 2026-03-07T14:05")
        assert proposed is not None
        seconds = found["seconds"] or (":00" if proposed["seconds"] else "")
        zone = proposed["zone"] or ""
        return f"{found['date']}{proposed['between']}{found['minutes']}{seconds}{zone}"


def value_fields(interrupt: Interrupt) -> tuple[ValueField, ...]:
    """The fields for those values of a context that may be changed and fit into one."""
    return tuple(_fitting(interrupt))


def _fitting(interrupt: Interrupt) -> Iterator[ValueField]:
    context, options = interrupt.context or {}, interrupt.options or {}
    may_change = set(context if interrupt.editable is None else interrupt.editable)
    count, left = 0, MOST_BYTES
    for place, (key, value) in enumerate(context.items()):
        if key not in may_change or len(key) > LONGEST_KEY or count == MOST_FIELDS:
            continue
        field = _field(f"value.{place}", key, value, options.get(key))
        if field and len(field.proposed.encode()) <= left:
            count, left = count + 1, left - len(field.proposed.encode())
            yield field


def _field(name: str, key: str, value: JsonValue, options: JsonValue) -> ValueField | None:
    """The field for a value, or None if it is changed as JSON."""
    if isinstance(options, list) and options:
        choices = tuple(options)
        alike = [str(place) for place, choice in enumerate(choices) if _is_same(choice, value)]
        return ValueField(name, key, "choice", value, alike[0], choices) if alike else None
    if isinstance(value, bool):
        return ValueField(name, key, "choice", value, str(int(not value)), (True, False))
    if isinstance(value, int | float):
        return ValueField(name, key, "number", value, _json(value))
    if isinstance(value, str) and _is_kept(value):
        return _field_of_text(name, key, value)
    return None


def _field_of_text(name: str, key: str, value: str) -> ValueField:
    if _DATE.fullmatch(value) and _is_date(value):
        return ValueField(name, key, "date", value, value)
    time = _TIME.fullmatch(value)
    if time and _is_date(time["date"]):
        # Browsers leave out seconds that are zero.
        seconds = "" if time["seconds"] in (None, ":00") else time["seconds"]
        proposed = f"{time['date']}T{time['minutes']}{seconds}"
        return ValueField(name, key, "datetime-local", value, proposed)
    shown = value.replace("\r\n", "\n")
    is_long = "\n" in shown or len(shown) > LONGEST_LINE
    return ValueField(name, key, "long" if is_long else "text", value, shown)


def _is_kept(text: str) -> bool:
    """Whether a field gives back this text as it is, and shows all of it."""
    has_one_kind_of_break = "\r\n" not in text or "\n" not in text.replace("\r\n", "")
    return has_one_kind_of_break and all(piece.kind != "coded" for piece in pieces(text))


def _number(typed: str) -> JsonValue:
    text = typed.strip()
    try:
        value = parse_json(text)
    except ValueError as error:
        if "would be rounded" in str(error):
            raise
        value = None
    is_finite = isinstance(value, int) or (isinstance(value, float) and math.isfinite(value))
    if isinstance(value, bool) or not is_finite:
        raise ValueError(
            "must be a number such as 4200 or 0.5: digits only, and a point before decimals"
        )
    return value


def _date(typed: str) -> str:
    text = typed.strip()
    if not _DATE.fullmatch(text) or not _is_date(text):
        raise ValueError("must be a date such as 2026-03-07")
    return text


def _is_date(text: str) -> bool:
    try:
        date.fromisoformat(text)
    except ValueError:
        return False
    return True


def _is_same(one: JsonValue, other: JsonValue) -> bool:
    return canonical(one) == canonical(other)


def _json(value: JsonValue) -> str:
    return json.dumps(value, ensure_ascii=False)
