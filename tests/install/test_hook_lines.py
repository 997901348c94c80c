"""The command lines of hooks fail closed in the shells that run them."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from loopin_mcp.install.hook_lines import (
    cmd,
    fails_closed,
    gate_timeout_s,
    posix,
    powershell,
    runs_gate,
)

REFUSAL = "LoopIn did not approve this call.\n"
OPTIONS = ["gate", "--timeout", "590"]
LINES = [line(["/R&D; it's/loopin-mcp", *OPTIONS]) for line in (posix, powershell, cmd)]


@pytest.mark.subprocess
@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such shells")
@pytest.mark.parametrize("shell", ["sh", "bash", "zsh", "fish"])
@pytest.mark.parametrize(
    ("script", "code", "stderr"),
    [
        ("#!/bin/sh\ncat; echo $1 $3", 0, ""),
        ("#!/bin/sh\nexit 1", 2, REFUSAL),
        ("#!/bin/sh\necho rejected >&2; exit 2", 2, "rejected\n" + REFUSAL),
        ("#!/bin/sh\nkill -9 $$", 2, REFUSAL),
        (None, 2, REFUSAL),
    ],
)
def test_any_failure_of_the_gate_blocks_the_call(
    tmp_path: Path, shell: str, script: str | None, code: int, stderr: str
) -> None:
    if shutil.which(shell) is None:
        shell = "sh"
    gate = tmp_path / "it's $HOME" / "loopin-mcp"
    gate.parent.mkdir()
    if script:
        gate.write_text(script)
        gate.chmod(0o755)

    done = subprocess.run(
        [shell, "-c", posix([str(gate), *OPTIONS])],
        input="{}",
        capture_output=True,
        text=True,
        check=False,
    )

    assert (done.returncode, done.stdout) == (code, "" if code else "{}gate 590\n")
    assert done.stderr.endswith(stderr)


def test_lines_of_windows_quote_paths_and_fail_closed() -> None:
    program = r"C:\Users\Ana's\loopin-mcp.exe"

    assert powershell([program, *OPTIONS]) == (
        r"& 'C:\Users\Ana''s\loopin-mcp.exe' gate --timeout 590; if ($LASTEXITCODE -ne 0) "
        "{ [Console]::Error.WriteLine('LoopIn did not approve this call.'); exit 2 }"
    )
    assert cmd([r"C:\My Tools\loopin-mcp.exe", *OPTIONS]) == (
        r'"C:\My Tools\loopin-mcp.exe" gate --timeout 590 '
        "|| (echo LoopIn did not approve this call. 1>&2 & exit /b 2)"
    )


@pytest.mark.parametrize("line", LINES)
def test_lines_of_the_gate_are_recognised(line: str) -> None:
    assert runs_gate(line)
    assert fails_closed(line)
    assert gate_timeout_s(line) == 590


def test_other_lines_are_not_taken_for_the_gate() -> None:
    assert runs_gate("python3 -m loopin_mcp gate")
    assert not fails_closed("loopin-mcp gate")
    assert gate_timeout_s("loopin-mcp gate") is None
    for line in ("loopin-mcp inbox", "echo x; loopin-mcp gate", "gate loopin-mcp", "my-gate"):
        assert not runs_gate(line)
