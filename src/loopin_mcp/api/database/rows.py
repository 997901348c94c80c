"""Reads interrupts from rows, and logs the damaged ones."""

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

from pydantic import JsonValue
from pydantic_core import from_json

from loopin_mcp.api.clock import text_of
from loopin_mcp.api.database.steps import Row, Value
from loopin_mcp.errors import UnavailableError
from loopin_mcp.wire.fields import JSONObject
from loopin_mcp.wire.models import Interrupt

# From expires_ms on, every read says expired, whether or not the expiry is stored yet.
STATUS = "CASE WHEN status = 'pending' AND expires_ms <= :now THEN 'expired' ELSE status END"
SETTLED = "CASE WHEN status = 'pending' AND expires_ms <= :now THEN expires_ms ELSE settled_ms END"
# The columns that `fields_of` needs; ALL_COLUMNS adds the digest and the trail's head.
INTERRUPT = f"""interrupt_id, agent_id, user_id, action, context, urgency, {STATUS} AS status,
    created_ms, expires_ms, {SETTLED} AS settled_ms, decided_ms, decided_by, decided_via,
    reason, modified_params, call, use_within, used_ms, standing, standing_until_ms, covered_by,
    editable, options"""
ALL_COLUMNS = f"{INTERRUPT}, payload_digest, events_head, event_count"

# As many characters as a UUID has before its first hyphen.
SHORT = 8
CUT = "..."

_STATUSES = {"pending", "approved", "rejected", "expired", "cancelled"}
# The other fields, each of which an interrupt may not have.
_OTHERS = (
    ("useWithin", "use_within"),
    ("reason", "reason"),
    ("decidedBy", "decided_by"),
    ("decidedVia", "decided_via"),
    ("payloadDigest", "payload_digest"),
    ("eventsHead", "events_head"),
)
_DAMAGE = (ValueError, TypeError, OverflowError, RecursionError)

_T = TypeVar("_T")

logger = logging.getLogger("loopin_mcp")


@dataclass(frozen=True, slots=True)
class Stored:
    """An interrupt as the database had it at one moment; `fields` are those of the wire."""

    fields: JSONObject
    expires_ms: int

    @property
    def interrupt_id(self) -> str:
        """Its id."""
        return str(self.fields["interruptId"])

    @property
    def is_pending(self) -> bool:
        """Whether a human may still decide."""
        return self.fields["status"] == "pending"

    def interrupt(self) -> Interrupt:
        """It as a model."""
        model = Interrupt.model_validate({**self.fields, "context": None, "modifiedParams": None})
        # The values in them were checked before they were stored.
        objects = {
            "context": self.fields["context"],
            "modified_params": self.fields.get("modifiedParams"),
        }
        return model.model_copy(update=objects)


def fields_of(row: Row) -> JSONObject:
    """The interrupt in a row with the columns of `INTERRUPT`, in its fields on the wire.

    Raises:
        UnavailableError: The row is damaged.
    """
    try:
        if row["status"] not in _STATUSES:
            raise ValueError("there is no such status")
        fields: JSONObject = {
            "interruptId": row["interrupt_id"],
            "status": row["status"],
            "action": row["action"],
            "agentId": row["agent_id"],
            "userId": row["user_id"],
            "context": object_of(row["context"]),
            "urgency": row["urgency"],
            "createdAt": text_of(row["created_ms"]),
            "expiresAt": text_of(row["expires_ms"]),
        }
        if row["decided_ms"] is not None:
            fields["decision"] = row["status"]
        for name, column, read in _CONVERTED:
            if row[column] is not None:
                fields[name] = read(row[column])
    except _DAMAGE as error:
        raise damage_of(row) from error
    for name, column in _OTHERS:
        if row.get(column) is not None:
            fields[name] = row[column]
    return fields


@contextmanager
def refuse_damage(row: Row) -> Iterator[None]:
    """Read an interrupt's row in this block.

    Raises:
        UnavailableError: The row is damaged.
    """
    try:
        yield
    except _DAMAGE as error:
        raise damage_of(row) from error


def damage_of(row: Row) -> UnavailableError:
    """The error for a damaged row of an interrupt."""
    is_pending = row.get("status", "pending") == "pending"
    about = short_id(row["interrupt_id"]) if is_pending else row["interrupt_id"]
    return UnavailableError(f"What the database holds of interrupt {about} is damaged")


def short_id(interrupt_id: Value) -> str:
    """The beginning of a pending interrupt's id, for logs and exports.

    Without reviewers, anyone who knows the whole id can decide.
    """
    text = str(interrupt_id)
    return text if len(text) <= SHORT else f"{text[:SHORT]}{CUT}"


def object_of(text: Value) -> JSONObject:
    """The JSON object in a text column.

    Raises:
        ValueError: It is not valid JSON.
        TypeError: It is not an object.
    """
    value = from_json(str(text), allow_inf_nan=False)
    if not isinstance(value, dict):
        raise TypeError("it is not an object")
    return value


def names_of(text: Value) -> list[JsonValue]:
    """The JSON list of names in a text column.

    Raises:
        ValueError: It is not valid JSON.
        TypeError: It is not a list of texts.
    """
    value = from_json(str(text), allow_inf_nan=False)
    if not isinstance(value, list) or not all(isinstance(name, str) for name in value):
        raise TypeError("it is not a list of names")
    return [*value]


# Fields that an interrupt may not have, and that differ from their columns.
_CONVERTED: Sequence[tuple[str, str, Callable[[Value], JsonValue]]] = (
    ("settledAt", "settled_ms", text_of),
    ("decidedAt", "decided_ms", text_of),
    ("usedAt", "used_ms", text_of),
    ("modifiedParams", "modified_params", object_of),
    ("call", "call", object_of),
    ("editable", "editable", names_of),
    ("options", "options", object_of),
)


class RowReader:
    """Reads interrupts, whose links begin with `public_url`. Logs each damaged one once."""

    def __init__(self, public_url: str) -> None:
        self._public_url = public_url
        self._logged: set[Value] = set()

    def stored(self, row: Row) -> Stored:
        """The interrupt in a row.

        Raises:
            UnavailableError: The row is damaged.
        """
        fields = fields_of(row)
        fields["reviewUrl"] = self.review_url(row)
        return Stored(fields, int(row["expires_ms"] or 0))

    def review_url(self, row: Row) -> str:
        """The link to the interrupt in a row."""
        return f"{self._public_url}/review/{row['interrupt_id']}"

    def interrupt(self, row: Row) -> Interrupt:
        """The interrupt in a row as a model.

        Raises:
            UnavailableError: The row is damaged.
        """
        with refuse_damage(row):
            return self.stored(row).interrupt()

    def interrupts(self, rows: Iterable[Row]) -> list[Interrupt]:
        """The interrupts in rows, without the damaged ones."""
        return self.undamaged(rows, self.interrupt)

    def undamaged(self, rows: Iterable[Row], read: Callable[[Row], _T]) -> list[_T]:
        """The results of `read` for interrupts' rows, without the damaged ones."""
        found = []
        for row in rows:
            try:
                with refuse_damage(row):
                    found.append(read(row))
            except UnavailableError:
                self.log_damage(row)
        return found

    def log_damage(self, row: Row) -> None:
        """Log that an interrupt is damaged, the first time."""
        if row["interrupt_id"] not in self._logged:
            self._logged.add(row["interrupt_id"])
            logger.error("%s, and is left out: see loopin-mcp audit verify", damage_of(row))
