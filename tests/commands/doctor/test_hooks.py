"""What the doctor says about the gate's hooks."""

import json
import os
import shlex
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from loopin_mcp.commands.doctor.checks import Finding
from loopin_mcp.commands.doctor.hooks import check_hooks
from loopin_mcp.install.hosts import HOSTS
from loopin_mcp.install.machine import Machine
from tests.support.secrets import LONG, shows_secret

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="the lines are for other shells")

FILES = {
    "claude-code": ".claude/settings.json",
    "codex": ".codex/hooks.json",
    "gemini": ".gemini/settings.json",
    "cursor": ".cursor/hooks.json",
}


def line(
    program: str = "/bin/loopin-mcp", options: str = "--timeout 590", end: str = "exit 2"
) -> str:
    return f"{program} gate {options} || {end}"


@pytest.fixture
def launcher(tmp_path: Path) -> str:
    """A program that exists, with a blank in its path."""
    program = tmp_path / "my bin" / "loopin-mcp"
    program.parent.mkdir()
    program.touch(0o755)
    return shlex.quote(str(program))


def check(home: Path, host: str, hooks: object, *, is_needed: bool = True) -> list[Finding]:
    file = home / FILES[host]
    file.parent.mkdir(exist_ok=True)
    file.write_text(json.dumps(hooks))
    machine = Machine(sys.platform, home, {"PATH": str(home / "bin")})
    return check_hooks(HOSTS[host], machine, is_needed=is_needed)


def nested(command: str, timeout: float | None = 600, event: str = "PreToolUse") -> Any:  # noqa: ANN401
    limit = {} if timeout is None else {"timeout": timeout}
    handler = {"type": "command", "command": command, **limit}
    return {"hooks": {event: [{"matcher": "Bash", "hooks": [handler]}]}}


def test_good_hook_passes(tmp_path: Path, launcher: str) -> None:
    found = check(tmp_path, "claude-code", nested(line(launcher)))

    assert found == [Finding("Claude Code gate", "pass", "asks at PreToolUse")]


@pytest.mark.parametrize("is_needed", [True, False])
def test_missing_gate_is_a_warning_where_loopin_is_installed(
    tmp_path: Path, *, is_needed: bool
) -> None:
    found = check(tmp_path, "claude-code", {"hooks": {}}, is_needed=is_needed)

    assert [each.status for each in found] == (["warning"] if is_needed else [])


def test_host_without_hooks_has_no_finding(tmp_path: Path) -> None:
    machine = Machine(sys.platform, tmp_path, {})

    assert check_hooks(HOSTS["zed"], machine, is_needed=True) == []


@pytest.mark.parametrize(
    ("options", "timeout", "host", "is_good"),
    [
        ("--timeout 590", 600, "claude-code", True),
        ("--timeout 600", 600, "claude-code", False),
        ("--timeout 598", 600, "claude-code", False),
        ("--timeout 590", None, "claude-code", False),
        ("", None, "claude-code", True),
        ("", 20, "claude-code", False),
        ("--timeout 590", 600_000, "gemini", True),
        ("--timeout 590", 600, "gemini", False),
    ],
)
def test_gate_has_to_end_before_the_host_ends_it(
    tmp_path: Path, launcher: str, options: str, timeout: float | None, host: str, is_good: bool
) -> None:
    event = "BeforeTool" if host == "gemini" else "PreToolUse"
    found = check(tmp_path, host, nested(line(launcher, options), timeout, event))

    assert [each.status for each in found] == ["pass" if is_good else "failure"]
    assert ("run the call" in found[0].found) != is_good


def test_hook_that_fails_open_is_a_failure(tmp_path: Path, launcher: str) -> None:
    [found] = check(tmp_path, "claude-code", nested(line(launcher, end="true")))

    assert found.status == "failure"
    assert found.found.startswith("a call runs if the gate is killed or missing")
    assert found.remedy == "Run `loopin-mcp install claude-code`."


@pytest.mark.parametrize(
    ("program", "status", "said"),
    [
        (
            "/nowhere/loopin-mcp",
            "failure",
            "the hook's command does not exist: /nowhere/loopin-mcp",
        ),
        ("loopin-mcp", "warning", "the hook's command is not an absolute path: loopin-mcp"),
    ],
)
def test_command_of_a_hook_has_to_exist(
    tmp_path: Path, program: str, status: str, said: str
) -> None:
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "loopin-mcp").touch(0o755)

    [found] = check(tmp_path, "claude-code", nested(line(program)))

    assert (found.status, found.found) == (status, said)


def test_line_with_an_open_quote_is_read_all_the_same(tmp_path: Path) -> None:
    command = line("/nowhere/loopin-mcp", end="exit 2 'oops")

    [found] = check(tmp_path, "claude-code", nested(command))

    assert found.found == "the hook's command does not exist: /nowhere/loopin-mcp"


def test_hooks_that_are_turned_off_are_a_failure(tmp_path: Path, launcher: str) -> None:
    hooks = nested(line(launcher)) | {"disableAllHooks": True}

    [found] = check(tmp_path, "claude-code", hooks)

    assert (found.status, found.remedy) == ("failure", "Take disableAllHooks out.")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("LOOPIN_TIMEOUT=10\n", None),
        (f"LOOPIN_TIMEOUT=soon\nLOOPIN_API_KEY={LONG}\n", "LOOPIN_TIMEOUT must be"),
        ("LOOPIN_API_URL=http://127.0.0.1:1\n", "is set without LOOPIN_USER_ID"),
        ("nonsense\n", "line 1: write NAME=value"),
        (None, "the settings of the gate, is not a file"),
    ],
)
def test_settings_of_the_gate_are_checked(
    tmp_path: Path, launcher: str, content: str | None, said: str | None
) -> None:
    file = tmp_path / "gate.env"
    if content is not None:
        file.write_text(content)
        file.chmod(0o600)
    program = f"{launcher} --env-file {file}"

    [found] = check(tmp_path, "claude-code", nested(line(program)))

    assert found.status == ("failure" if said else "pass")
    assert (said or "") in found.found
    assert bool(found.remedy) == bool(said)
    assert not shows_secret(repr(found))


@pytest.mark.parametrize("is_own", [True, False])
def test_channels_of_the_gate_are_checked_if_it_is_this_program(
    tmp_path: Path, launcher: str, monkeypatch: pytest.MonkeyPatch, *, is_own: bool
) -> None:
    file = tmp_path / "gate.env"
    file.write_text(f"LOOPIN_NOTIFY=nonsense://{LONG}\n")
    file.chmod(0o600)
    if is_own:
        monkeypatch.setattr(sys, "executable", str(tmp_path / "my bin" / "python"))

    [found] = check(tmp_path, "claude-code", nested(line(f"{launcher} --env-file {file}")))

    assert found.status == ("failure" if is_own else "pass")
    assert is_own == ("entry 1 is not a valid Apprise URL" in found.found)
    assert not shows_secret(repr(found))


@pytest.mark.parametrize("make", [os.mkfifo, Path.mkdir, lambda path: path.write_text("{")])
def test_file_that_cannot_be_read_is_a_failure(
    tmp_path: Path, make: Callable[[Path], object]
) -> None:
    (tmp_path / ".cursor").mkdir()
    make(tmp_path / ".cursor/hooks.json")

    [found] = check_hooks(HOSTS["cursor"], Machine(sys.platform, tmp_path, {}), is_needed=True)

    assert (found.name, found.status) == ("Cursor gate", "failure")


def test_codex_has_to_trust_the_gate(tmp_path: Path, launcher: str) -> None:
    [found] = check(tmp_path, "codex", nested(line(launcher)))

    assert (found.name, found.status) == ("Codex gate", "failure")
    assert found.found == "Codex skips the gate: it is not trusted yet"
    assert "/hooks" in found.remedy
