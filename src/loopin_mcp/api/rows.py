"""Reads the columns of a row, and the place of a row in a list."""

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from pydantic_core import from_json

from loopin_mcp.api.clock import moment
from loopin_mcp.api.statements import Row, Value
from loopin_mcp.errors import InvalidRequestError, UnavailableError
from loopin_mcp.fields import JSONObject
from loopin_mcp.models import Interrupt

# From expires_ms on every read says expired, whether or not a sweep has stored it.
STATUS = "CASE WHEN status = 'pending' AND expires_ms <= :now THEN 'expired' ELSE status END"
# The columns that `interrupt_of` reads, and those that tell of its digest and trail besides.
INTERRUPT = f"""interrupt_id, agent_id, user_id, action, context, urgency, {STATUS} AS status,
    created_ms, expires_ms, decided_ms, decided_by, decided_via, reason, modified_params"""
WHOLE = f"{INTERRUPT}, payload_digest, events_head, event_count"

# What `cursor_at` makes; an empty one is none.
CURSOR = r"^([0-9]{1,18}\.[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})?$"

_STATUSES = {"pending", "approved", "rejected", "expired", "cancelled"}


def review_url(public_url: str, interrupt_id: Value) -> str:
    """Where a human decides."""
    return f"{public_url}/review/{interrupt_id}"


def interrupt_of(row: Row, public_url: str) -> Interrupt:
    """The interrupt that the columns of `INTERRUPT` or `WHOLE` hold.

    Raises:
        UnavailableError: What is stored of it is damaged.
    """
    decided_ms, modified_params = row["decided_ms"], row["modified_params"]
    with whole(row):
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
def whole(row: Row) -> Iterator[None]:
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


def tally(groups: list[Row], column: str) -> dict[str, int]:
    """The counts of grouped rows, summed by one column and sorted by it."""
    counts: Counter[str] = Counter()
    for group in groups:
        counts[str(group[column])] += number(group["count"])
    return dict(sorted(counts.items()))


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
