"""The `loopin-mcp` command, as a process."""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import anyio
import pytest

from loopin_mcp.commands import demo
from tests.support import KEY, PATIENCE_S, START_TIMEOUT_S, ServedAPI, clean_environment, web
from tests.support.commands import run

pytestmark = pytest.mark.subprocess

LONG_S = 30


def test_version_and_help_are_printed(tmp_path: Path) -> None:
    version = run(tmp_path, "--version")
    overview = run(tmp_path, "--help")

    assert re.fullmatch(r"loopin-mcp, version \d+\.\d+\.\d+\S*\n", version.stdout)
    for word in ("api", "demo", "LOOPIN_API_URL", "MCP server"):
        assert word in overview.stdout


def test_unknown_command_is_refused(tmp_path: Path) -> None:
    assert run(tmp_path, "serve").returncode == 2


@pytest.mark.parametrize("decision", ["approved", "rejected"])
def test_demo_runs_the_whole_loop(tmp_path: Path, decision: str) -> None:
    demo = run(tmp_path, "demo", "--decide", decision)

    assert (demo.returncode, demo.stderr) == (0, "")
    assert re.search(r"^A human decides at: http://127\.0\.0\.1:\d+/review/\S+$", demo.stdout, re.M)
    assert f'"status": "{decision}"' in demo.stdout
    assert ("The agent pays." in demo.stdout) == (decision == "approved")


def test_demo_imports_nothing_of_the_working_directory(tmp_path: Path) -> None:
    project = tmp_path / "project"
    for name in ("mcp/server.py", "loopin_mcp/__init__.py", "httpx.py", "asyncio.py", "click.py"):
        (project / name).parent.mkdir(parents=True, exist_ok=True)
        (project / name).write_text("raise SystemExit('a module of the project was imported')")
    own = project / "user"
    own.mkdir()
    (own / "sitecustomize.py").write_text("import os; os.environ['LOOPIN_AGENT_ID'] = 'of-path'")

    demo = subprocess.run(
        [Path(sys.executable).with_name("loopin-mcp"), "demo", "--decide", "approved"],
        cwd=project,
        env=clean_environment(
            LOOPIN_DATA_DIR=str(tmp_path / "data"), LOOPIN_PORT="0", PYTHONPATH=str(own)
        ),
        capture_output=True,
        text=True,
        timeout=START_TIMEOUT_S,
        check=False,
    )

    assert (demo.returncode, demo.stderr) == (0, "")
    # What PYTHONPATH names is the user's own choice.
    assert '"agentId": "of-path"' in demo.stdout


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such signals")
@pytest.mark.parametrize(
    ("display", "last"), [(":9", "Opening it in your browser."), ("", "The agent waits")]
)
def test_demo_cancels_its_request_when_interrupted(tmp_path: Path, display: str, last: str) -> None:
    environment = clean_environment(
        LOOPIN_DATA_DIR=str(tmp_path / "data"), LOOPIN_PORT="0", BROWSER="true", DISPLAY=display
    )
    environment.pop("WAYLAND_DISPLAY", None)
    with subprocess.Popen(
        [sys.executable, "-m", "loopin_mcp", "demo"],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as demo:
        assert demo.stdout is not None
        shown = []
        for line in demo.stdout:
            shown.append(line)
            if line.startswith(last):
                break
        demo.send_signal(signal.SIGINT)
        rest, stderr = demo.communicate(timeout=LONG_S)

    assert "The request was cancelled." in rest
    assert ("Opening it in your browser.\n" in shown) == bool(display)
    assert (demo.returncode, stderr) == (130, "")


def test_demo_tells_that_the_page_cannot_be_reached(tmp_path: Path, free_port: int) -> None:
    elsewhere = f"http://127.0.0.1:{free_port}"
    demo = run(tmp_path, "demo", "--decide", "approved", LOOPIN_BASE_URL=elsewhere)

    assert demo.returncode == 1
    assert demo.stderr.startswith(f"Error: The review page {elsewhere}/review/")
    assert "Traceback" not in demo.stderr


def test_demo_decides_nothing_where_reviewers_do(tmp_path: Path) -> None:
    demo = run(tmp_path, "demo", "--decide", "approved", LOOPIN_REVIEWER_KEYS=f"alice={'a' * 32}")

    assert demo.returncode == 1
    assert "leave out --decide, or unset LOOPIN_REVIEWER_KEYS" in demo.stderr
    assert "Traceback" not in demo.stderr


async def test_demo_asks_again_until_somebody_decides(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    asks_again, be_human = anyio.Event(), demo._be_human
    environment = clean_environment(LOOPIN_DATA_DIR=str(tmp_path / "data"), LOOPIN_PORT="0")

    def say(line: str) -> None:
        if line.startswith("The agent waits") and line in said:
            asks_again.set()
        said.append(line)

    async def think(review_url: str, decide: str, say: demo.Say) -> None:
        await asks_again.wait()
        await be_human(review_url, decide, say)

    monkeypatch.setattr(demo, "_be_human", think)
    await demo.run_demo("rejected", environment, say, wait_s=0)

    assert said[-1] == "The agent does not pay."


def test_demo_tells_what_a_tool_refused(tmp_path: Path) -> None:
    demo = run(tmp_path, "demo", "--decide", "approved", LOOPIN_API_URL="nonsense")

    assert demo.returncode == 1
    assert demo.stderr.splitlines()[-1].startswith("Error: LOOPIN_API_URL must be")
    assert "Traceback" not in demo.stderr


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no pty")
def test_on_a_terminal_the_server_says_what_it_is(tmp_path: Path) -> None:
    import pty

    ours, terminal = pty.openpty()
    with subprocess.Popen(
        [sys.executable, "-m", "loopin_mcp"],
        env=clean_environment(LOOPIN_DATA_DIR=str(tmp_path / "data")),
        stdin=terminal,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as server:
        assert server.stderr is not None
        line = server.stderr.readline()
        os.write(ours, b"\x04")
        stdout, rest = server.communicate(timeout=LONG_S)
    os.close(ours)
    os.close(terminal)

    assert re.match(r"loopin-mcp \S+: an MCP server that waits for an MCP host on stdin\.", line)
    assert (stdout, rest, server.returncode) == ("", "", 0)


def test_api_serves_until_it_is_told_to_end(tmp_path: Path) -> None:
    served = ServedAPI(tmp_path / "data", {"API_KEY_SECRET": KEY})
    health = web.get(f"{served.url}/health").json()
    closed = web.get(f"{served.url}/analytics/u")
    opened = web.get(f"{served.url}/analytics/u", headers={"X-API-Key": KEY})

    served.process.terminate()
    _, stderr = served.process.communicate(timeout=PATIENCE_S)

    assert health["service"] == "loopin-api"
    assert (closed.status_code, opened.status_code) == (401, 200)
    assert (tmp_path / "data" / "api.db").exists()
    if sys.platform != "win32":
        assert (served.process.returncode, stderr.splitlines()[-1]) == (0, "Stopped.")


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such signals")
def test_api_ends_on_sigterm_also_where_a_shell_ignores_ctrl_c_for_it(tmp_path: Path) -> None:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        served = ServedAPI(tmp_path / "data", {})
    finally:
        signal.signal(signal.SIGINT, before)

    served.stop()

    assert served.process.returncode == 0


def test_api_uses_the_database_and_base_url_it_is_given(tmp_path: Path) -> None:
    database = tmp_path / "elsewhere" / "my.db"
    served = ServedAPI(
        tmp_path / "data",
        {
            "DATABASE_URL": f"sqlite:///{database}",
            "LOOPIN_BASE_URL": "https://loopin.example.com/",
        },
    )
    new = {"agentId": "a", "userId": "u", "action": "Pay", "context": {}}
    created = web.post(f"{served.url}/interrupts", json=new).json()
    served.stop()

    assert created["reviewUrl"].startswith("https://loopin.example.com/review/")
    assert database.exists()
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize(
    ("environment", "message"),
    [
        ({"HOST": "0.0.0.0"}, "HOST 0.0.0.0 can be reached .* set API_KEY_SECRET"),  # noqa: S104
        ({"HOST": "192.0.2.1", "API_KEY_SECRET": KEY}, "Cannot listen on 192.0.2.1 port 0: "),
        ({"LOOPIN_PORT": "", "PORT": "http"}, "PORT must be a port number from 0 to 65535: 'http'"),
        ({"DATABASE_URL": "mysql://x"}, "DATABASE_URL must begin with sqlite:/// or postgresql"),
        ({"DATABASE_URL": "sqlite:////proc/x/y.db"}, "y.db cannot be used: "),
        ({"DATABASE_URL": "postgresql://u:s3cret@127.0.0.1:1/x"}, "DATABASE_URL cannot be used. "),
    ],
)
def test_api_refuses_to_start_and_says_why(
    tmp_path: Path, environment: dict[str, str], message: str
) -> None:
    refused = run(tmp_path, "api", **environment)

    assert refused.returncode == 1
    assert re.match(f"Error: .*{message}", refused.stderr), refused.stderr
    assert "Traceback" not in refused.stderr
    assert "s3cret" not in refused.stderr


def test_api_warns_of_a_key_that_could_be_guessed(tmp_path: Path) -> None:
    refused = run(tmp_path, "api", HOST="192.0.2.1", API_KEY_SECRET="swordfish")

    assert re.match(
        r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d[+-]\d{4} WARNING loopin_mcp: API_KEY_SECRET has fewer "
        "than 32 characters, so it could be guessed. python3 -c ",
        refused.stderr,
    )
    assert "swordfish" not in refused.stderr


def test_api_refuses_a_port_that_is_taken(tmp_path: Path) -> None:
    served = ServedAPI(tmp_path / "data", {})
    port = served.url.rpartition(":")[2]
    second = subprocess.run(
        [sys.executable, "-m", "loopin_mcp", "api"],
        env=clean_environment(LOOPIN_DATA_DIR=str(tmp_path / "data"), PORT=port),
        capture_output=True,
        text=True,
        timeout=LONG_S,
        check=False,
    )
    served.stop()

    assert second.returncode == 1
    assert second.stderr.startswith(f"Error: Cannot listen on 127.0.0.1 port {port}: ")


def test_insecure_serves_everybody_when_it_is_asked_to(tmp_path: Path) -> None:
    served = ServedAPI(tmp_path / "data", {"HOST": "0.0.0.0"}, "--insecure")  # noqa: S104
    port = served.url.rpartition(":")[2]
    answer = web.get(f"http://127.0.0.1:{port}/analytics/u")
    served.stop()

    assert answer.status_code == 200
