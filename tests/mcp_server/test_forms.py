"""The lifetime of a form: it ends when either of two clocks says so."""

import pytest

from loopin_mcp.mcp_server import forms
from loopin_mcp.mcp_server.forms import CarriedForms, Forms, Question
from loopin_mcp.wire.models import Decision

QUESTION = Question("i", Decision(decision="approved"))


class Clocks:
    """The two clocks of the module `time`."""

    def __init__(self) -> None:
        self.steady, self.wall = 1000.0, 2_000_000_000.0

    def monotonic(self) -> float:
        return self.steady

    def time(self) -> float:
        return self.wall


@pytest.mark.parametrize(
    ("steady_s", "wall_s", "counts"),
    [(44, 44, True), (45, 45, False), (0, 45, False), (45, -3600, False), (44, -3600, True)],
    ids=["in time", "late", "the machine slept", "wall set back and late", "wall set back"],
)
def test_form_counts_as_long_as_neither_clock_has_passed_its_time(
    monkeypatch: pytest.MonkeyPatch, steady_s: float, wall_s: float, *, counts: bool
) -> None:
    clocks = Clocks()
    monkeypatch.setattr(forms, "time", clocks)
    issued = Forms(45)
    token = issued.issue(QUESTION, 45)

    clocks.steady += steady_s
    clocks.wall += wall_s

    assert issued.redeem(token, QUESTION) == counts


def test_oldest_of_very_many_open_forms_counts_no_longer() -> None:
    issued = Forms()
    tokens = [issued.issue(QUESTION, 2_592_000) for _ in range(1001)]

    assert not issued.redeem(tokens[0], QUESTION)
    assert issued.redeem(tokens[1], QUESTION)
    assert issued.redeem(tokens[-1], QUESTION)


@pytest.mark.parametrize(("wall_s", "counts"), [(44, True), (45, False)])
def test_form_that_another_copy_opened_counts_as_long(
    monkeypatch: pytest.MonkeyPatch, wall_s: float, *, counts: bool
) -> None:
    clocks = Clocks()
    monkeypatch.setattr(forms, "time", clocks)
    token = CarriedForms().issue(QUESTION, 45)

    clocks.wall += wall_s

    assert CarriedForms().redeem(token, QUESTION) == counts


def test_form_of_another_copy_counts_only_for_its_question() -> None:
    token = CarriedForms().issue(QUESTION, 45)
    others = [
        Question("j", QUESTION.decision),
        Question("i", Decision(decision="rejected")),
        Question("i", Decision(decision="approved", payload_digest="0" * 64)),
    ]

    assert not any(CarriedForms().redeem(token, other) for other in others)


def test_copy_remembers_the_latest_thousand_answers() -> None:
    copy = CarriedForms()
    tokens = [copy.issue(QUESTION, 45) for _ in range(1001)]
    assert all(copy.redeem(token, QUESTION) for token in tokens)

    assert not copy.redeem(tokens[1], QUESTION)
    assert not copy.redeem(tokens[-1], QUESTION)
