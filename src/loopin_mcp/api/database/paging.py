"""Pages of lists: their SQL, bounded in rows and bytes, and their cursors."""

import re
from collections.abc import Sequence

from loopin_mcp.api.database.steps import Row
from loopin_mcp.errors import InvalidRequestError

# How many characters of JSON the interrupts of one page hold together; the last may exceed it.
PAGE_CHARACTERS = 512 * 1024

# What `cursor_at` makes, or nothing.
CURSOR = r"^([0-9]{1,18}\.[0-9]{1,18})?$"


def page_of(columns: str, condition: str, order: str, limit: str = ":limit") -> str:
    """The statement for the first `limit` interrupts that meet a condition, or fewer large ones.

    `next_cursor` reads from its rows whether there are more.
    """
    return f"""
        SELECT {columns}, ordinal, found FROM interrupts JOIN (
            SELECT interrupt_id AS id, COUNT(*) OVER () AS found,
                SUM(size) OVER (ORDER BY {order} ROWS UNBOUNDED PRECEDING) - size AS size_before
            FROM (
                SELECT interrupt_id, urgency, created_ms, expires_ms, settled_ms, ordinal,
                    LENGTH(context) + COALESCE(LENGTH(modified_params), 0) AS size
                FROM interrupts WHERE {condition} ORDER BY {order} LIMIT {limit} + 1
            ) AS matching
        ) AS sized ON interrupt_id = id
        WHERE size_before < {PAGE_CHARACTERS} ORDER BY {order} LIMIT {limit}
        """  # noqa: S608 - only constants


def next_cursor(rows: Sequence[Row], by: str = "created_ms") -> str | None:
    """The cursor of the page after the one with these rows, or None if that is the last."""
    is_last = not rows or int(rows[0]["found"] or 0) <= len(rows)
    return None if is_last else cursor_at(rows[-1], by)


def cursor_at(row: Row, by: str = "created_ms") -> str:
    """The position of a row in a list sorted by a column, as opaque text."""
    return f"{row[by]}.{row['ordinal']}"


def position_of(cursor: str) -> tuple[int, int]:
    """The two numbers in a cursor that `cursor_at` made.

    Raises:
        InvalidRequestError: `cursor_at` cannot have made it.
    """
    if not re.fullmatch(CURSOR, cursor):
        raise InvalidRequestError("cursor is not one that this API gave: start again without it")
    place, _, ordinal = cursor.partition(".")
    return int(place), int(ordinal)
