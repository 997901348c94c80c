"""The log lines at the beginning and the end of an outage."""

import logging
import sqlite3
from collections.abc import Iterable

import pytest

from loopin_mcp.api.database.outages import Breakdown, Outage
from loopin_mcp.api.database.sqlite_faults import fault_of
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


def test_outage_is_logged_when_it_begins_and_when_it_is_over(
    caplog: pytest.LogCaptureFixture,
) -> None:
    outage = Outage(logging.getLogger("loopin_mcp.test"), "Callbacks")
    rounds = [None, "is away", "is away", "is slow", None, None, "is away"]
    lasted: list[bool] = []

    with caplog.at_level(logging.INFO):
        for fault in rounds:
            with outage.watched():
                if fault:
                    raise UnavailableError(f"The database {fault}")
            lasted.append(outage.lasts)

    assert lasted == [False, True, True, True, False, False, True]
    assert caplog.messages == [
        "Callbacks are delayed: The database is away",
        "Callbacks are no longer delayed",
        "Callbacks are delayed: The database is away",
    ]


def test_fault_in_a_round_is_no_end_of_the_loop_and_its_text_is_kept_out_of_the_log(
    caplog: pytest.LogCaptureFixture,
) -> None:
    outage = Outage(logging.getLogger("loopin_mcp.test"), "Callbacks")

    with outage.watched():
        raise ValueError("a row of the database")

    assert caplog.messages == ["Callbacks are delayed: ValueError"]
