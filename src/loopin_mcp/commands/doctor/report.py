"""What the doctor prints: one line for each finding and each remedy, or one JSON document."""

import json
import platform
from collections.abc import Sequence

from loopin_mcp.commands.doctor.checks import Finding, Status
from loopin_mcp.version import __version__
from loopin_mcp.wire.plain_text import plain_text

_ORDER: tuple[Status, ...] = ("pass", "warning", "failure")
_MARKS: dict[Status, str] = {"pass": "ok", "warning": "warning", "failure": "failure"}
_WIDTH = 9
_LONGEST = 500


def worst_of(findings: Sequence[Finding]) -> Status:
    """The status of all findings together."""
    return max((finding.status for finding in findings), key=_ORDER.index, default="pass")


def exit_code_of(findings: Sequence[Finding]) -> int:
    """0 if all is well, 1 if the worst is a warning, 2 if something failed."""
    return _ORDER.index(worst_of(findings))


def lines_of(findings: Sequence[Finding]) -> list[str]:
    """The findings for people."""
    lines = []
    for finding in findings:
        mark = f"{_MARKS[finding.status]:<{_WIDTH}}"
        lines.append(f"{mark}{_shown(finding.name)}: {_shown(finding.found)}")
        if finding.remedy:
            lines.append(f"{'':<{_WIDTH}}-> {_shown(finding.remedy)}")
    return lines


def summary_of(findings: Sequence[Finding]) -> str:
    """How many findings there are of each kind."""
    counts = [sum(each.status == status for each in findings) for status in _ORDER]
    passed, warnings, failures = counts
    return f"{passed} ok, warnings: {warnings}, failures: {failures}"


def json_of(findings: Sequence[Finding]) -> str:
    """The findings for programs."""
    checks = [
        {
            "name": _shown(finding.name),
            "status": finding.status,
            "found": _shown(finding.found),
            "remedy": _shown(finding.remedy),
        }
        for finding in findings
    ]
    document = {
        "version": __version__,
        "python": platform.python_version(),
        "checks": checks,
        "status": worst_of(findings),
    }
    return json.dumps(document, indent=2)


def _shown(text: str) -> str:
    """A text on one line: files of hosts may hold anything."""
    plain = plain_text(text)
    return plain if len(plain) <= _LONGEST else f"{plain[:_LONGEST]} …"
