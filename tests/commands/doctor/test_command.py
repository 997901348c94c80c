"""`loopin-mcp doctor`, as a process."""

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from loopin_mcp.version import __version__
from tests.support import KEY, PATIENCE_S, START_TIMEOUT_S, clean_environment, web
from tests.support.browser import browser_of
from tests.support.commands import run, run_python
from tests.support.host import Host, create, initialize
from tests.support.receiver import receiving
from tests.support.secrets import SECRETS, shows_secret

pytestmark = pytest.mark.subprocess

NAMES = {"Version", "Launcher", "MCP 2025-11-25", "MCP 2026-07-28", "Settings", "Windsurf"} | {
    "Browser",
    "Notifications",
}
API_NAMES = {"API", "API key", "API readiness", "API version", "API clock"}
EMBEDDED_NAMES = API_NAMES | {"Data directory", "Free space", "Port"}


def home_of(tmp_path: Path) -> dict[str, str]:
    """The variables of a user of one host, in which LoopIn is not installed."""
    # No other host is found by its program.
    (tmp_path / "home/.codeium/windsurf").mkdir(parents=True, exist_ok=True)
    home = str(tmp_path / "home")
    return {"HOME": home, "USERPROFILE": home, "PATH": ""}


# A doctor that gives a busy machine twelve times as long.
PATIENT = """
import anyio
from loopin_mcp import cli
from loopin_mcp.commands.doctor import api, self_test
fail_after = anyio.fail_after
anyio.fail_after = lambda limit_s: fail_after(12 * limit_s)
self_test.PATIENCE_S = api.TIMEOUT_S = 60
cli.main()
"""


def doctor(tmp_path: Path, *options: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return run_python(tmp_path, "-c", PATIENT, "doctor", *options, **environment)


def examined(tmp_path: Path, code: int, **environment: str) -> dict[str, dict[str, str]]:
    """The findings of a run that ends with this exit code, by their names."""
    done = doctor(tmp_path, "--json", **home_of(tmp_path) | environment)
    assert (done.returncode, done.stderr) == (code, "")
    document = json.loads(done.stdout)
    assert (document["version"], len(document["python"].split("."))) == (__version__, 3)
    assert document["status"] == ["pass", "warning", "failure"][code]
    assert all(bool(each["remedy"]) == (each["status"] != "pass") for each in document["checks"])
    return {each["name"]: each for each in document["checks"]}


def test_new_installation_has_no_failure_and_each_warning_a_remedy(tmp_path: Path) -> None:
    environment = {"DISPLAY": "", "WAYLAND_DISPLAY": ""}

    done = doctor(tmp_path, **home_of(tmp_path), **environment)

    assert (done.returncode, done.stderr) == (1, "")
    *lines, summary = done.stdout.splitlines()
    assert re.fullmatch(r"\d+ ok, warnings: 1, failures: 0", summary)
    assert lines[0].startswith(f"ok       Version: loopin-mcp {__version__}, Python 3.")
    for line, remedy in zip(lines, [*lines[1:], ""], strict=True):
        assert line.startswith(("ok ", "warning ", " "))
        assert line.startswith("warning ") == remedy.startswith("         -> ")


def test_running_host_is_found_and_nothing_is_started_beside_it(
    tmp_path: Path, start: Callable[..., Host]
) -> None:
    host = start()
    initialize(host)
    create(host, None)
    port = (tmp_path / "data" / "port").read_text()

    found = examined(tmp_path, 1)

    assert found.keys() == NAMES | EMBEDDED_NAMES | {"Database"}
    assert found["API"]["found"] == f"embedded, run by a host, reached at http://127.0.0.1:{port}"
    assert found["Database"]["found"] == "embedded.db opens, and has no damage"
    assert (tmp_path / "data" / "port").read_text() == port


def test_api_of_a_team_is_checked_with_its_key(tmp_path: Path, serve: Callable[..., str]) -> None:
    url = serve(API_KEY_SECRET=KEY)

    found = examined(tmp_path, 0, LOOPIN_API_URL=url, LOOPIN_API_KEY=KEY)
    refused = examined(tmp_path, 2, LOOPIN_API_URL=url, LOOPIN_API_KEY="another")

    assert found.keys() == refused.keys() == NAMES | API_NAMES
    assert found["API"]["found"] == f"reached at {url} (LOOPIN_API_URL)"
    assert found["API key"]["found"] == "accepted"
    assert refused["API key"]["status"] == "failure"
    assert not (tmp_path / "data").exists()


def test_every_bad_setting_is_named(tmp_path: Path) -> None:
    done = doctor(tmp_path, LOOPIN_TIMEOUT="soon", LOOPIN_CONFIRM="maybe")

    assert done.returncode == 2
    failures = [line for line in done.stdout.splitlines() if line.startswith("failure")]
    assert [line.split()[2] for line in failures] == ["LOOPIN_CONFIRM", "LOOPIN_TIMEOUT"]


@pytest.mark.parametrize(
    "changes", [{}, {"LOOPIN_API_URL": "http://127.0.0.1:1"}, {"LOOPIN_TIMEOUT": "soon"}]
)
def test_no_secret_is_printed(tmp_path: Path, changes: dict[str, str]) -> None:
    environment = {**home_of(tmp_path), **SECRETS, **changes}

    done = doctor(tmp_path, "--json", *(["--live"] if changes else []), **environment)

    assert json.loads(done.stdout)["status"] == ("failure" if changes else "pass")
    assert not shows_secret(done.stdout + done.stderr)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no named pipes in directories")
def test_named_pipe_in_the_data_directory_is_found_in_time(tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir(mode=0o700)
    os.mkfifo(data / "port")

    found = examined(tmp_path, 2)

    expected = {"found": f"{data / 'port'} is not a file", "remedy": "Move it away."}
    assert found["Data directory"] == expected | {"name": "Data directory", "status": "failure"}
    assert "API" not in found


def test_key_that_cannot_be_used_fails_after_the_storage(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir(mode=0o700)
    (tmp_path / "data" / "api-key").touch(mode=0o600)

    found = examined(tmp_path, 2)

    assert found["Data directory"]["status"] == "pass"
    assert (found["API"]["status"], "Port" in found) == ("failure", False)
    assert "is empty: delete it" in found["API"]["found"]


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such program")
@pytest.mark.slow
def test_program_that_hangs_in_a_check_keeps_nothing(tmp_path: Path) -> None:
    programs = tmp_path / "bin"
    programs.mkdir()
    # Python asks it for the browser.
    (programs / "xdg-settings").write_text("#!/bin/sh\nexec /bin/sleep 50\n")
    (programs / "xdg-settings").chmod(0o755)

    done = run(tmp_path, "doctor", "--json", PATH=str(programs), DISPLAY=":9")

    assert (done.returncode, done.stderr) == (2, "")
    found = {each["name"]: each for each in json.loads(done.stdout)["checks"]}
    said = "could not be checked: it took more than 10 seconds"
    assert (found["Browser"]["status"], found["Browser"]["found"]) == ("failure", said)


@pytest.mark.skipif(sys.platform == "win32", reason="the files of Windows are elsewhere")
def test_bytes_of_a_host_that_are_not_text_crash_nothing(tmp_path: Path) -> None:
    environment = home_of(tmp_path)
    entry = {"command": "\ud800\x1b[2J\u202e\nok", "args": [], "env": {"\ud800": "\ud800"}}
    file = tmp_path / "home/.codeium/windsurf/mcp_config.json"
    file.write_text(json.dumps({"mcpServers": {"loopin": entry}}))

    done = doctor(tmp_path, **environment, PYTHONIOENCODING="ascii")

    assert (done.returncode, done.stderr) == (2, "")
    [line] = [each for each in done.stdout.splitlines() if "Windsurf" in each]
    assert line.startswith("failure  Windsurf: its command does not exist: ")


def live(tmp_path: Path, **environment: str) -> subprocess.Popen[str]:
    own = {"HOME": str(tmp_path), "LOOPIN_DATA_DIR": str(tmp_path / "data"), "LOOPIN_PORT": "0"}
    return subprocess.Popen(
        [sys.executable, "-m", "loopin_mcp", "doctor", "--live"],
        env=clean_environment(**own | environment),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def link_in(doctor: subprocess.Popen[str]) -> str:
    """The review link, as soon as it is printed."""
    assert doctor.stdout is not None
    lines = (line for line in doctor.stdout if line.startswith("Decide on the test"))
    return next(lines).split()[-1]


def test_decision_of_a_human_arrives(tmp_path: Path) -> None:
    with receiving() as receiver, live(tmp_path, **browser_of(receiver, tmp_path)) as doctor:
        link = link_in(doctor)
        opened = receiver.next(START_TIMEOUT_S)["url"]
        page = web.post(link, data={"decision": "approved"})
        rest, stderr = doctor.communicate(timeout=PATIENCE_S)

    assert opened == link
    assert page.status_code in (200, 303)
    assert stderr == ""
    assert re.search(
        r"^ok       Live test: approved\b.*arrived here, where it could be used once$", rest, re.M
    )


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such signals")
def test_ctrl_c_cancels_the_request(tmp_path: Path, start: Callable[..., Host]) -> None:
    host = start()
    initialize(host)
    create(host, None)
    with live(tmp_path) as doctor:
        link = link_in(doctor)
        doctor.send_signal(signal.SIGINT)
        doctor.communicate(timeout=PATIENCE_S)
    page = web.get(link).text

    assert doctor.returncode == 130
    assert "Cancelled" in page
