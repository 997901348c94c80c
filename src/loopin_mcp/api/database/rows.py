"""Reads the columns of rows, and tells the log of interrupts that are damaged."""

import json
import logging
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import TypeVar

from pydantic_core import from_json

from loopin_mcp.api.clock import moment
from loopin_mcp.api.database.steps import Row, Value
from loopin_mcp.errors import InvalidRequestError, UnavailableError
from loopin_mcp.wire.fields import JSONObject
from loopin_mcp.wire.models import Interrupt

# From expires_ms on every read says expired, whether or not a sweep has stored it.
STATUS = "CASE WHEN status = 'pending' AND expires_ms <= :now THEN 'expired' ELSE status END"
# The columns that `interrupt_of` reads, and those that tell of its digest and trail besides.
INTERRUPT = f"""interrupt_id, agent_id, user_id, action, context, urgency, {STATUS} AS status,
    created_ms, expires_ms, decided_ms, decided_by, decided_via, reason, modified_params"""
ALL_COLUMNS = f"{INTERRUPT}, payload_digest, events_head, event_count"

# What `cursor_at` makes; an empty one is none.
CURSOR = r"^([0-9]{1,18}\.[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})?$"

_STATUSES = {"pending", "approved", "rejected", "expired", "cancelled"}

_T = TypeVar("_T")

logger = logging.getLogger("loopin_mcp")


def review_url(public_url: str, interrupt_id: Value) -> str:
    """Where a human decides."""
    return f"{public_url}/review/{interrupt_id}"


def interrupt_of(row: Row, public_url: str) -> Interrupt:
    """The interrupt that the columns of `INTERRUPT` or `ALL_COLUMNS` hold.

    Raises:
        UnavailableError: What is stored of it is damaged.
    """
    decided_ms, modified_params = row["decided_ms"], row["modified_params"]
    with refuse_damage(row):
        if row["status"] not in _STATUSES:
            raise ValueError("there is no such status")
        return Interrupt.model_validate(
            {
                **row,
                "context": object_of(row["context"]),
                "created_at": moment(row["created_ms"]),
                "expires_at": moment(row["expires_ms"]),
                "review_url": review_url(public_url, row["interrupt_id"]),
                "decision": row["status"] if decided_ms is not None else None,
                "decided_at": moment(decided_ms) if decided_ms is not None else None,
                "modified_params": modified_params and object_of(modified_params),
            }
        )


@contextmanager
def refuse_damage(row: Row) -> Iterator[None]:
    """Read a row of an interrupt in this block.

    Raises:
        UnavailableError: What is stored of the interrupt is damaged.
    """
    try:
        yield
    # Whatever no API has written.
    except (ValueError, TypeError, OverflowError, RecursionError) as error:
        raise UnavailableError(
            f"What the database holds of interrupt {row['interrupt_id']} is damaged"
        ) from error


def number(value: Value) -> int:
    """An integer column or sum; PostgreSQL sums BIGINTs to a decimal."""
    return int(value or 0)


def object_of(text: Value) -> JSONObject:
    """The JSON object that is stored as this text.

    Raises:
        ValueError: It is no JSON.
        TypeError: It is another value.
    """
    value = from_json(str(text), allow_inf_nan=False)
    if not isinstance(value, dict):
        raise TypeError("it is no object")
    return value


def json_text(value: Mapping[str, object] | None) -> str | None:
    """An object as it is stored."""
    return None if value is None else json.dumps(value)


def cursor_at(row: Row, by: str = "created_ms") -> str:
    """The place of a row in a list that is sorted by a column, as opaque text."""
    return f"{row[by]}.{row['interrupt_id']}"


def position_of(cursor: str) -> tuple[int, str]:
    """The number and the id that `cursor_at` put into a cursor.

    Raises:
        InvalidRequestError: It is not one of those.
    """
    if not re.fullmatch(CURSOR, cursor):
        raise InvalidRequestError("cursor is not one that this API gave: start again without it")
    place, _, last_id = cursor.partition(".")
    return int(place), last_id


class RowReader:
    """Interrupts whose links begin with `public_url`. The log tells of each damaged one once."""

    def __init__(self, public_url: str) -> None:
        self._public_url = public_url
        self._logged: set[Value] = set()

    def interrupt(self, row: Row) -> Interrupt:
        """The interrupt that a row holds.

        Raises:
            UnavailableError: What is stored of it is damaged.
        """
        return interrupt_of(row, self._public_url)

    def interrupts(self, rows: Iterable[Row]) -> list[Interrupt]:
        """The interrupts that rows hold, without those that are damaged."""
        return self.undamaged(rows, self.interrupt)

    def undamaged(self, rows: Iterable[Row], read: Callable[[Row], _T]) -> list[_T]:
        """What is read of the rows of interrupts, without those that are damaged."""
        found = []
        for row in rows:
            try:
                found.append(read(row))
            except UnavailableError as error:
                self.log_damage(row, error)
        return found

    def log_damage(self, row: Row, error: UnavailableError) -> None:
        """Have the log tell that an interrupt is damaged, unless it has."""
        if row["interrupt_id"] not in self._logged:
            self._logged.add(row["interrupt_id"])
            logger.error("%s, and is left out: see loopin-mcp audit verify", error)
