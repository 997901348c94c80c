"""The table of `make scores`, and when it fails."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.scores.__main__ import exit_code, main, rows_of
from tests.scores.rows import Row, table
from tests.scores.runs import Output, Runs, SuiteError
from tests.scores.target import Target

MET = Row("first", "1.0", "tools over stdio", "6 tools, 0 findings")
MISSED = Row("second suite", "2.0.1", "HTTP", "3 of 4 points", ["one rule fails", "another too"])


@pytest.fixture
def runs(tmp_path: Path) -> Runs:
    return Runs(Target("", {}, "", ""), tmp_path, tmp_path)


def test_each_row_says_whether_its_goal_is_met() -> None:
    assert table([MET, MISSED]).splitlines() == [
        "Suite         Version  Run               Result               Goal",
        "first         1.0      tools over stdio  6 tools, 0 findings  met",
        "second suite  2.0.1    HTTP              3 of 4 points        missed",
        "",
        "second suite, HTTP: one rule fails",
        "second suite, HTTP: another too",
    ]


def test_table_ends_after_its_rows_if_all_goals_are_met() -> None:
    assert len(table([MET]).splitlines()) == 2


@pytest.mark.parametrize(("rows", "code"), [([MET], 0), ([MET, MISSED], 1), ([MISSED], 1), ([], 1)])
def test_missed_goal_fails_and_so_does_an_empty_table(rows: list[Row], code: int) -> None:
    assert exit_code(rows) == code


@pytest.mark.parametrize(
    "error", [SuiteError("no JSON"), FileNotFoundError("npm"), KeyError("tools"), ValueError("x")]
)
def test_suite_that_cannot_run_misses_its_goal_and_the_others_run(
    runs: Runs, error: Exception
) -> None:
    def breaking(_: Runs) -> Iterator[Row]:
        yield MISSED
        raise error

    def whole(_: Runs) -> Iterator[Row]:
        yield MET

    first, second, third = rows_of({"breaking": breaking, "whole": whole}, runs)

    assert (first, third) == (MISSED, MET)
    assert (second.suite, second.cells[-1]) == ("breaking", "missed")
    assert type(error).__name__ in second.faults[0]


def test_missing_program_misses_the_goal_of_its_suite(runs: Runs) -> None:
    def without_npm(_: Runs) -> Iterator[Row]:
        pytest.skip("npm is not installed")
        yield MET

    [row] = rows_of({"suite": without_npm}, runs)

    assert "npm is not installed" in row.faults[0]


def test_unknown_suite_is_refused_with_the_names_of_all(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["conformance", "others"]) == 2

    said = capsys.readouterr().err
    assert said.startswith("Unknown: others. ")
    assert "conformance, inspector, mcpscore" in said


def test_output_without_json_names_what_was_printed_instead() -> None:
    with pytest.raises(SuiteError, match="code 3 and no JSON: no server"):
        Output(3, "", "no server\n").json()
