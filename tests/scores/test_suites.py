"""How what each suite prints is read."""

import json
from typing import Any

import pytest

from tests.scores import baseline
from tests.scores.baseline import unexpected
from tests.scores.runs import Output
from tests.scores.suites import (
    read_conformance,
    read_mcpscore,
    read_scanner,
    read_tdqs,
    read_tests,
)

JSON = dict[str, Any]

CHECKS = json.dumps(
    [{"status": status} for status in ["SUCCESS", "SUCCESS", "FAILURE", "WARNING", "SKIPPED"]]
)
EXPECTED = """
=== SUMMARY ===
✓ ping: 2 passed, 0 failed
✗ tools-call-image: 1 passed, 1 failed

\x1b[33mExpected failures (in baseline):\x1b[0m
  ~ tools-call-image:tools-call-image
"""
SURPRISES = """
\x1b[31mStale baseline entries (now passing - remove from baseline):\x1b[0m
  ✓ ping:ping

\x1b[31mUnexpected failures (not in baseline):\x1b[0m
  ✗ tools-list
"""


def test_conformance_meets_its_goal_with_failures_of_its_baseline() -> None:
    found = read_conformance(Output(0, EXPECTED, ""), [CHECKS, CHECKS])

    assert found == ("4 checks passed, 1 in the baseline", [])


def test_conformance_names_new_failures_and_entries_that_pass() -> None:
    _, faults = read_conformance(Output(1, EXPECTED + SURPRISES, ""), [CHECKS])

    assert faults == ["tools-list fails", "ping:ping passes, so its baseline is out of date"]


@pytest.mark.parametrize(("code", "scenarios"), [(2, [CHECKS]), (0, [])])
def test_conformance_that_did_not_run_misses_its_goal(code: int, scenarios: list[str]) -> None:
    _, faults = read_conformance(Output(code, "", "fetch failed"), scenarios)

    assert faults


def rule(name: str, points: int, *, passed: bool) -> JSON:
    message = f"{name} {'passes' if passed else 'fails'}"
    return {"rule_id": name, "severity_value": points, "passed": passed, "message": message}


def scored(*rules: JSON, code: int = 0, partial: str | None = None) -> Output:
    readiness = {"results": [rule("modern", 5, passed=True)], "counted_in_main": True}
    report = {"results": rules, "readiness": readiness, "score": 1, "max_score": 2}
    report |= {"partial": partial is not None, "partial_reason": partial}
    report |= {"skipped_rules": [{"rule_id": "tls", "reason": "not-applicable"}]}
    return Output(code, json.dumps(report), "")


def test_mcpscore_counts_the_points_of_all_rules_but_those_of_the_baseline() -> None:
    output = scored(rule("large", 95, passed=True), rule("sdk", 3, passed=False))

    assert read_mcpscore(output, {"sdk": "why", "tls": "why"}) == (
        "100 of 100 points (100.0%), 1 of 2 by all rules",
        [],
    )


@pytest.mark.parametrize(("points", "faults"), [(2, []), (3, ["small fails"])])
def test_mcpscore_needs_98_of_100_points(points: int, faults: list[str]) -> None:
    output = scored(rule("large", 95 - points, passed=True), rule("small", points, passed=False))

    assert read_mcpscore(output, {})[1] == faults


@pytest.mark.parametrize("name", ["passing", "unknown"])
def test_mcpscore_misses_its_goal_if_a_rule_of_the_baseline_does_not_fail(name: str) -> None:
    output = scored(rule("passing", 3, passed=True))

    assert read_mcpscore(output, {name: "why"})[1] == [
        f"{name} does not fail, so its baseline is out of date"
    ]


def test_mcpscore_that_assessed_nothing_misses_its_goal() -> None:
    found = read_mcpscore(scored(rule("sdk", 3, passed=False)), {"sdk": "why", "modern": "why"})

    assert "read nothing" in found[1]


@pytest.mark.parametrize("output", [scored(code=4), scored(partial="no token")])
def test_mcpscore_misses_its_goal_if_a_call_fails_or_a_part_was_not_seen(output: Output) -> None:
    assert read_mcpscore(output, {})[1]


def test_every_finding_of_tdqs_is_a_fault() -> None:
    clean = {"name": "create", "findings": []}
    unclear = {"name": "cancel", "findings": ["no verb"]}

    assert read_tdqs({"tools": [clean], "findings": []}) == ("1 tools, 0 findings", [])
    assert read_tdqs({"tools": [clean, unclear], "findings": ["alike"]})[1] == [
        "the list: alike",
        "cancel: no verb",
    ]
    assert read_tdqs({"tools": [], "findings": []})[1] == ["read nothing"]


def scanned(*, is_safe: bool, check: str) -> JSON:
    return {
        "tools": [{"tool_name": "create", "is_safe": True}],
        "prompts": [{"prompt_name": "review", "is_safe": is_safe}],
        "instructions": [{"is_safe": True}],
        "protocol": {"findings": [{"details": {"check_id": check}}]},
    }


def test_scanner_meets_its_goal_with_findings_of_its_baseline() -> None:
    reports = scanned(is_safe=False, check="MCPS-001")

    assert read_scanner(reports, {"review": "why", "MCPS-001": "why"}) == (
        "3 items and the protocol, 2 findings",
        [],
    )


def test_scanner_names_new_findings_and_entries_that_it_no_longer_needs() -> None:
    _, faults = read_scanner(scanned(is_safe=True, check="MCPS-002"), {"review": "why"})

    assert faults == ["complains about MCPS-002", "no longer complains about review"]


def test_test_that_fails_or_is_skipped_is_a_fault() -> None:
    report = """<testsuites><testsuite><testcase name="good"/>
        <testcase name="bad"><failure message="no"/></testcase>
        <testcase name="left"><skipped message="no browser"/></testcase></testsuite></testsuites>"""

    assert read_tests(report) == ("3 tests, 2 not passed", ["bad: no", "left: no browser"])
    assert read_tests("<testsuites/>")[1] == ["read nothing"]


def test_baseline_holds_both_ways() -> None:
    assert unexpected({"known"}, {"known": "why"}) == []
    assert unexpected({"new"}, {"old": "why"}) == [
        "complains about new",
        "no longer complains about old",
    ]


@pytest.mark.parametrize("suite", ["mcpscore", "inspector", "scanner"])
def test_every_entry_of_the_baseline_has_its_reason(suite: str) -> None:
    entries = baseline.expected(suite)

    assert entries
    assert all(reason.endswith(".") for reason in entries.values())
