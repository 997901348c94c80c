"""The log of a loop that fails: two lines, however long it lasts."""

import logging

import pytest

from loopin_mcp.api.database.outages import Outage
from loopin_mcp.errors import UnavailableError


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
        "Callbacks wait: The database is away",
        "Callbacks no longer wait",
        "Callbacks wait: The database is away",
    ]


def test_fault_in_a_round_is_no_end_of_the_loop_and_its_text_is_kept_out_of_the_log(
    caplog: pytest.LogCaptureFixture,
) -> None:
    outage = Outage(logging.getLogger("loopin_mcp.test"), "Callbacks")

    with outage.watched():
        raise ValueError("a row of the database")

    assert caplog.messages == ["Callbacks wait: ValueError"]
