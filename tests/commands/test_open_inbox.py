"""`loopin-mcp inbox` opens the inbox, signed in, and only the human gets its link."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from loopin_mcp.commands.open_inbox import open_inbox
from loopin_mcp.settings.settings import Settings
from tests.support import PATIENCE_S, START_TIMEOUT_S, clean_environment, web
from tests.support.browser import browser_of
from tests.support.host import Host, create, initialize
from tests.support.receiver import receiving
from tests.support.visitors import ALICES_KEY

LINK = re.compile(r"http://127\.0\.0\.1:\d+/sign-in/[\w-]{43}\n")


def inbox(*options: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "loopin_mcp", "inbox", *options],
        env=clean_environment(**environment),
        capture_output=True,
        text=True,
        timeout=START_TIMEOUT_S,
        check=False,
    )


def test_link_of_a_running_host_signs_in_once_and_shows_what_it_asked(
    tmp_path: Path, start: Callable[..., Host]
) -> None:
    host = start()
    initialize(host)
    created = create(host, None)

    printed = inbox("--no-browser", LOOPIN_DATA_DIR=str(tmp_path / "data"), LOOPIN_PORT="0")

    once = "This link works once, within a minute. `loopin-mcp inbox` gives you a new one.\n"
    assert (printed.returncode, printed.stderr) == (0, once)
    assert LINK.fullmatch(printed.stdout)
    link = printed.stdout.strip()
    with web.browse() as browser:
        page = browser.get(link)
    stranger = web.get(link)
    rest, stderr = host.end()
    assert created["interruptId"] in page.text
    assert stranger.status_code == 404
    assert (rest, stderr) == ("", "")


def test_pages_are_there_while_a_host_runs_that_calls_no_tool(
    free_port: int, start: Callable[..., Host]
) -> None:
    initialize(start(LOOPIN_PORT=str(free_port)))

    patient = httpx.HTTPTransport(retries=6)
    with httpx.Client(transport=patient, base_url=f"http://127.0.0.1:{free_port}") as browser:
        health = browser.get("/health")

    assert health.json()["status"] == "ok"


@pytest.mark.subprocess
@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such signals")
@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGTERM])
def test_without_a_host_it_serves_the_inbox_itself_until_it_is_ended(
    tmp_path: Path, ending: signal.Signals
) -> None:
    with receiving() as receiver:
        environment = clean_environment(
            LOOPIN_DATA_DIR=str(tmp_path / "data"),
            LOOPIN_PORT="0",
            **browser_of(receiver, tmp_path),
        )
        with subprocess.Popen(
            [sys.executable, "-m", "loopin_mcp", "inbox"],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as command:
            link = receiver.next(START_TIMEOUT_S)["url"]
            with web.browse() as browser:
                page = browser.get(link)
            assert command.stderr is not None
            said = [command.stderr.readline(), command.stderr.readline()]
            command.send_signal(ending)
            stdout, rest = command.communicate(timeout=PATIENCE_S)

    assert page.status_code == 200
    assert said == [
        "Opening the inbox in your browser.\n",
        "No MCP host is running LoopIn, so this command serves the inbox. Press Ctrl+C to stop.\n",
    ]
    assert (command.returncode, stdout, rest) == (0, "", "Stopped.\n")


def test_reviewers_sign_in_themselves(tmp_path: Path, start: Callable[..., Host]) -> None:
    reviewers = {"LOOPIN_REVIEWER_KEYS": f"alice={ALICES_KEY}"}
    host = start(**reviewers)
    initialize(host)
    create(host, None)

    printed = inbox(
        "--no-browser", LOOPIN_DATA_DIR=str(tmp_path / "data"), LOOPIN_PORT="0", **reviewers
    )

    assert (printed.returncode, printed.stderr) == (0, "")
    with web.browse() as browser:
        page = browser.get(printed.stdout.strip())
    assert (page.status_code, page.url.path) == (401, "/")


@pytest.mark.subprocess
def test_inbox_of_another_api_is_opened_without_signing_in() -> None:
    printed = inbox("--no-browser", LOOPIN_API_URL="https://loopin.test/base/")

    assert (printed.returncode, printed.stderr) == (0, "")
    assert printed.stdout == "https://loopin.test/base/\n"


@pytest.mark.subprocess
def test_what_cannot_be_used_is_told(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("")

    refused = inbox(LOOPIN_DATA_DIR=str(tmp_path / "data"), LOOPIN_PORT="0")

    assert refused.returncode == 1
    assert refused.stderr.startswith(f"Error: The data directory {tmp_path}{os.sep}data cannot")
    assert "Traceback" not in refused.stderr


async def test_where_no_browser_starts_the_link_is_shown() -> None:
    said: list[str] = []
    shown: list[str] = []

    def start_browser(url: str) -> None:
        raise PermissionError(13, "Permission denied", url)

    settings = Settings(api_url="https://loopin.test")
    await open_inbox(settings, said.append, shown.append, start_browser)

    assert shown == ["https://loopin.test/"]
    assert said == ["Cannot start the browser: Permission denied. Open this link yourself:"]
