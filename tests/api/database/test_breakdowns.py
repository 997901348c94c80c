"""What the log says of a database that fails, and when; of damage it tells once."""

import logging
import sqlite3
from collections.abc import Iterable

import pytest

from loopin_mcp.api.database.outages import Breakdown
from loopin_mcp.api.database.sqlite_file import fault_of
from loopin_mcp.errors import UnavailableError


def use(breakdown: Breakdown, codes: Iterable[int | None]) -> None:
    for code in codes:
        error = sqlite3.OperationalError("odd")
        if code is not None:
            error.sqlite_errorcode = code
        try:
            with breakdown.watched():
                if code is not None:
                    raise error
        except UnavailableError:
            pass


def test_fault_that_ends_is_told_each_time(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)

    use(Breakdown("It", "be read", fault_of), [sqlite3.SQLITE_FULL, sqlite3.SQLITE_FULL, None] * 2)

    begun = "It cannot be read: its disk is full (odd). Make room there."
    assert caplog.messages == [begun, "It can be read again"] * 2


def test_damage_is_told_once_whatever_else_is_read_in_between(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)

    use(Breakdown("It", "be read", fault_of), [sqlite3.SQLITE_CORRUPT, None] * 3)

    [told] = caplog.messages
    assert told.startswith("It cannot be read: it is damaged (odd).")
