"""The suites: what each of them runs, and how its output is read."""

import json
import re
import sys
import xml.etree.ElementTree as ET
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.scores.baseline import expected, unexpected
from tests.scores.inspector import inspector
from tests.scores.programs import CONFORMANCE, MCPSCORE, SCANNER, TDQS, on_node, version_of
from tests.scores.rows import Row
from tests.scores.runs import Output, Runs
from tests.scores.target import TOKEN, in_tls
from tests.support.host import LEGACY, MODERN
from tests.support.tls import AUTHORITY

JSON = dict[str, Any]
# What a suite found, in a few words, and what misses its goal.
Found = tuple[str, list[str]]

LEAST_OF_MCPSCORE = 0.98
_HERE = Path(__file__).parent
_PROJECT = _HERE.parents[1]


def conformance(runs: Runs) -> Iterator[Row]:
    """The protocol's own suite, over HTTP in both versions; it can send no token."""
    for version in (LEGACY, MODERN):
        place = runs.outputs / f"conformance-{version}"
        output = runs.run(
            "conformance",
            *on_node(CONFORMANCE, runs.cache),
            "server",
            f"--url={runs.target.open_url}",
            "--suite=all",
            f"--spec-version={version}",
            f"--expected-failures={_HERE / 'conformance.yml'}",
            f"--output-dir={place}",
        )
        scenarios = [each.read_text(encoding="utf-8") for each in place.glob("*/checks.json")]
        found = read_conformance(output, scenarios)
        yield Row("conformance", version_of(CONFORMANCE), f"{version} over HTTP", *found)


def read_conformance(output: Output, scenarios: Iterable[str]) -> Found:
    """Read what it says of its baseline, which it compares itself, and count what passed."""
    passed = sum(check["status"] == "SUCCESS" for text in scenarios for check in json.loads(text))
    marked = re.findall(r"^  ([~✗✓]) (\S+)$", output.stdout, re.MULTILINE)
    faults = [f"{name} fails" for mark, name in marked if mark == "✗"]
    faults += [
        f"{name} passes, so its baseline is out of date" for mark, name in marked if mark == "✓"
    ]
    if (output.code and not faults) or not passed:
        faults.append(f"ended with code {output.code} and {passed} passed checks")
    known = sum(mark == "~" for mark, _ in marked)
    return f"{passed} checks passed, {known} in the baseline", faults


def mcpscore(runs: Runs) -> Iterator[Row]:
    """A score in points, and calls of the tools that only read, over stdio and over HTTP."""
    [program] = MCPSCORE.fetch(runs.cache)
    names = [f"--env={name}" for name in runs.target.variables]
    authority = runs.outputs / "authority.pem"
    AUTHORITY.cert_pem.write_to_path(str(authority))
    variables = {**runs.target.variables, "SSL_CERT_FILE": str(authority)}
    with in_tls(runs.target.open_url) as open_url, in_tls(runs.target.url) as url:
        ways = {
            "stdio": [*names, "--stdio", runs.target.command],
            "HTTPS": [open_url],
            "HTTPS with a token": [f"--token={TOKEN}", url],
        }
        for way, arguments in ways.items():
            options = ["--json", "--no-config", "--smoke", *arguments]
            output = runs.run("mcpscore", program, *options, **variables)
            found = read_mcpscore(output, expected("mcpscore"))
            yield Row("mcpscore", MCPSCORE.version, f"over {way}", *found)


def read_mcpscore(output: Output, not_ours: Mapping[str, str]) -> Found:
    """Count the points of all rules but those that this server cannot meet."""
    report, code = output.json(), output.code
    readiness = report["readiness"]
    rules = report["results"] + readiness["results"] * readiness["counted_in_main"]
    ours = [rule for rule in rules if rule["rule_id"] not in not_ours]
    most = sum(rule["severity_value"] for rule in ours)
    points = sum(rule["severity_value"] for rule in ours if rule["passed"])
    others = [rule for rule in rules + report["skipped_rules"] if not rule.get("passed")]
    stale = {*not_ours} - {rule["rule_id"] for rule in others}
    faults = [f"{name} does not fail, so its baseline is out of date" for name in sorted(stale)]
    faults += _none(ours)
    if report["partial"] or code:
        faults.append(f"ended with code {code}: {report['partial_reason'] or 'a call failed'}")
    if points < LEAST_OF_MCPSCORE * most:
        faults += [rule["message"] for rule in ours if not rule["passed"]]
    whole = f"{report['score']} of {report['max_score']} by all rules"
    return f"{points} of {most} points ({points / max(most, 1):.1%}), {whole}", faults


def tdqs(runs: Runs) -> Iterator[Row]:
    """What is wrong with the definitions of the tools, as far as no model is needed to see it."""
    [program] = TDQS.fetch(runs.cache)
    options = ["lint", "--format=json", f"--command={runs.target.command}"]
    output = runs.run("tdqs", program, *options, **runs.target.variables)
    yield Row("tdqs", TDQS.version, "tools over stdio", *read_tdqs(output.json()))


def read_tdqs(report: JSON) -> Found:
    """Count what it finds in the list of tools and in each tool; all of it is a fault."""
    tools = report["tools"]
    named = [("the list", report), *((tool["name"], tool) for tool in tools)]
    faults = [f"{name}: {finding}" for name, part in named for finding in part["findings"]]
    return f"{len(tools)} tools, {len(faults)} findings", faults or _none(tools)


def scanner(runs: Runs) -> Iterator[Row]:
    """Searches texts and schemas for attacks, by rules that need neither network nor model."""
    [program] = SCANNER.fetch(runs.cache)
    options = ["--analyzers=yara,schema", "--raw"]
    variables = {**runs.target.variables, "LITELLM_LOCAL_MODEL_COST_MAP": "True"}
    url, token = f"--server-url={runs.target.url}", f"--bearer-token={TOKEN}"
    ways = {
        "tools": ["stdio", f"--stdio-command={runs.target.command}"],
        "prompts": ["prompts", url, token],
        "instructions": ["instructions", url, token],
        "protocol": ["protocol", url],
    }
    reports = {
        way: runs.run("scanner", program, *options, *arguments, **variables).json()
        for way, arguments in ways.items()
    }
    found = read_scanner(reports, expected("scanner"))
    run = "tools over stdio, the rest over HTTP"
    yield Row("cisco-ai-mcp-scanner", SCANNER.version, run, *found)


def read_scanner(reports: Mapping[str, Any], known: Mapping[str, str]) -> Found:
    """Compare what it finds in each item, and in the protocol, with the baseline."""
    protocol = reports["protocol"]
    items = [item for way, report in reports.items() if way != "protocol" for item in report]
    found = {f"{_name(item)}" for item in items if not item["is_safe"]}
    found |= {finding["details"]["check_id"] for finding in protocol["findings"]}
    faults = unexpected(found, known)
    return f"{len(items)} items and the protocol, {len(found)} findings", faults or _none(items)


def _name(item: JSON) -> str:
    return str(item.get("tool_name") or item.get("prompt_name") or "instructions")


def _none(items: Sequence[object]) -> list[str]:
    return [] if items else ["read nothing"]


def axe(runs: Runs) -> Iterator[Row]:
    """Looks for barriers on the pages, in the project's own tests."""
    yield _of_tests(runs, "axe", "axe-playwright-python", "api/pages/test_accessibility.py")


def schemathesis(runs: Runs) -> Iterator[Row]:
    """Calls the API by its OpenAPI document, in the project's own tests."""
    yield _of_tests(runs, "schemathesis", "schemathesis", "api/rest/test_openapi_promises.py")


def _of_tests(runs: Runs, suite: str, package: str, tests: str) -> Row:
    report = runs.outputs / f"{suite}.xml"
    path = str(_PROJECT / "tests" / tests)
    runs.run(suite, sys.executable, "-m", "pytest", f"--junitxml={report}", path)
    found = read_tests(report.read_text(encoding="utf-8"))
    return Row(suite, version_of(package), f"tests/{tests}", *found)


def read_tests(report: str) -> Found:
    """Count the tests; one that fails, or is skipped, is a fault."""
    cases = list(ET.fromstring(report).iter("testcase"))  # noqa: S314 - pytest wrote it
    faults = [f"{case.get('name')}: {child.get('message')}" for case in cases for child in case]
    return f"{len(cases)} tests, {len(faults)} not passed", faults or _none(cases)


SUITES: dict[str, Callable[[Runs], Iterator[Row]]] = {
    "conformance": conformance,
    "inspector": inspector,
    "mcpscore": mcpscore,
    "tdqs": tdqs,
    "scanner": scanner,
    "axe": axe,
    "schemathesis": schemathesis,
}
