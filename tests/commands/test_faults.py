"""No command ends in a traceback, whatever goes wrong."""

import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support import START_TIMEOUT_S, clean_environment
from tests.support.commands import run, run_python

pytestmark = pytest.mark.subprocess

COMMANDS = [
    ["api"],
    ["inbox", "--no-browser"],
    ["demo"],
    ["doctor"],
    ["notify"],
    ["audit", "verify"],
    ["audit", "export"],
    [],
]
# The whole program, with this fault wherever it would start to work.
PROGRAM = """\
import sys
import anyio
import loopin_mcp.cli

def fail(*_arguments, **_options):
    raise {fault}

anyio.run = fail
loopin_mcp.cli.main(sys.argv[1:], prog_name="loopin-mcp")
"""


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_unexpected_fault_is_one_line_without_its_text(tmp_path: Path, command: list[str]) -> None:
    fault = "ExceptionGroup('both', [ExceptionGroup('x', [KeyError('secret')]), OSError()])"

    failed = run_python(tmp_path, "-c", PROGRAM.format(fault=fault), *command)

    assert failed.returncode == 1
    assert re.fullmatch(
        r"Error: Unexpected KeyError at \S+. Please report it\.\n", failed.stderr
    ), failed.stderr


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_output_that_nobody_reads_ends_the_command_quietly(
    tmp_path: Path, command: list[str]
) -> None:
    fault = "ExceptionGroup('x', [BrokenPipeError(32, 'Broken pipe')])"

    failed = run_python(tmp_path, "-c", PROGRAM.format(fault=fault), *command)

    assert (failed.returncode, failed.stderr) == (1, "")


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_ctrl_c_at_any_time_is_no_traceback(tmp_path: Path, command: list[str]) -> None:
    failed = run_python(tmp_path, "-c", PROGRAM.format(fault="KeyboardInterrupt"), *command)

    assert failed.returncode in (0, 130)
    assert failed.stderr in ("", "Stopped.\n")


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such shell")
def test_demo_works_without_stderr(tmp_path: Path) -> None:
    demo = run_python(
        tmp_path, "-m", "loopin_mcp", "demo", "--decide", "approved", redirected="2>&-"
    )

    assert demo.returncode == 0
    assert "The agent pays." in demo.stdout


@pytest.mark.parametrize(
    ("command", "said"),
    [(["demo", "--decide", "approved"], "The agent pays."), (["notify"], "LOOPIN_NOTIFY first")],
)
def test_commands_on_this_machine_need_no_certificates(
    tmp_path: Path, command: list[str], said: str
) -> None:
    done = run(tmp_path, *command, SSL_CERT_FILE=str(tmp_path / "nowhere.pem"))

    assert said in done.stdout + done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such signals")
def test_api_serves_without_certificates_and_names_the_variable(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "loopin_mcp", "api"],
        env=clean_environment(
            LOOPIN_DATA_DIR=str(tmp_path / "data"), PORT="0", SSL_CERT_FILE=str(tmp_path)
        ),
        stderr=subprocess.PIPE,
        text=True,
    ) as api:
        assert api.stderr is not None
        found = next(line for line in api.stderr if "SSL_CERT_FILE" in line)
        api.send_signal(signal.SIGTERM)
        rest = api.communicate(timeout=START_TIMEOUT_S)[1]

    assert "SSL_CERT_FILE cannot be used (Is a directory): callbacks to https:// fail" in found
    assert "Traceback" not in rest
    assert api.returncode == 0
