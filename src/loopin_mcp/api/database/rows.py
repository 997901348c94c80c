"""Reads interrupts from rows, and logs the damaged ones."""

import logging
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import TypeVar

from pydantic_core import from_json

from loopin_mcp.api.clock import moment
from loopin_mcp.api.database.steps import Row, Value
from loopin_mcp.errors import UnavailableError
from loopin_mcp.wire.fields import JSONObject
from loopin_mcp.wire.models import Interrupt

# From expires_ms on, every read says expired, whether or not the expiry is stored yet.
STATUS = "CASE WHEN status = 'pending' AND expires_ms <= :now THEN 'expired' ELSE status END"
SETTLED = "CASE WHEN status = 'pending' AND expires_ms <= :now THEN expires_ms ELSE settled_ms END"
# The columns that `interrupt_of` needs; ALL_COLUMNS adds the digest and the trail's head.
INTERRUPT = f"""interrupt_id, agent_id, user_id, action, context, urgency, {STATUS} AS status,
    created_ms, expires_ms, {SETTLED} AS settled_ms, decided_ms, decided_by, decided_via,
    reason, modified_params"""
ALL_COLUMNS = f"{INTERRUPT}, payload_digest, events_head, event_count"

# As many characters as a UUID has before its first hyphen.
SHORT = 8
CUT = "..."

_STATUSES = {"pending", "approved", "rejected", "expired", "cancelled"}

_T = TypeVar("_T")

logger = logging.getLogger("loopin_mcp")


def interrupt_of(row: Row, public_url: str) -> Interrupt:
    """The interrupt in a row with the columns of `INTERRUPT` or `ALL_COLUMNS`.

    Raises:
        UnavailableError: The row is damaged.
    """
    decided_ms, modified_params = row["decided_ms"], row["modified_params"]
    with refuse_damage(row):
        if row["status"] not in _STATUSES:
            raise ValueError("there is no such status")
        interrupt = Interrupt.model_validate(
            {
                **row,
                "context": None,
                "created_at": moment(row["created_ms"]),
                "expires_at": moment(row["expires_ms"]),
                "review_url": f"{public_url}/review/{row['interrupt_id']}",
                "settled_at": _moment(row["settled_ms"]),
                "decision": row["status"] if decided_ms is not None else None,
                "decided_at": _moment(decided_ms),
                "modified_params": None,
            }
        )
        # The values in them were checked before they were stored.
        stored = {
            "context": object_of(row["context"]),
            "modified_params": modified_params and object_of(modified_params),
        }
        return interrupt.model_copy(update=stored)


def _moment(at_ms: Value) -> datetime | None:
    return None if at_ms is None else moment(at_ms)


@contextmanager
def refuse_damage(row: Row) -> Iterator[None]:
    """Read an interrupt's row in this block.

    Raises:
        UnavailableError: The row is damaged.
    """
    try:
        yield
    except (ValueError, TypeError, OverflowError, RecursionError) as error:
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


class RowReader:
    """Reads interrupts, whose links begin with `public_url`. Logs each damaged one once."""

    def __init__(self, public_url: str) -> None:
        self._public_url = public_url
        self._logged: set[Value] = set()

    def interrupt(self, row: Row) -> Interrupt:
        """The interrupt in a row.

        Raises:
            UnavailableError: The row is damaged.
        """
        return interrupt_of(row, self._public_url)

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
