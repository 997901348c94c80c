"""The inbox opens in the browser by itself, from real processes."""

import re
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import anyio
import anyio.to_thread
import pytest

from loopin_mcp.desktop import start_browser
from tests.support import KEY, PATIENCE_S, START_TIMEOUT_S, ServedAPI, clean_environment, web
from tests.support.browser import browser_of
from tests.support.host import Host, create, initialize
from tests.support.receiver import receiving

pytestmark = [
    pytest.mark.subprocess,
    pytest.mark.skipif(sys.platform == "win32", reason="BROWSER is of no use there"),
]

NEW = {"agentId": "a", "userId": "u", "action": "Pay", "context": {}}


def test_inbox_opens_signed_in_and_the_browser_inherits_no_secret(tmp_path: Path) -> None:
    with receiving() as receiver:
        desktop = browser_of(receiver, tmp_path)
        secrets = {"API_KEY_SECRET": KEY, "LOOPIN_NOTIFY_HIGH": "json://127.0.0.1/path-marker"}
        served = ServedAPI(tmp_path, {"LOOPIN_OPEN_REVIEW": "on"} | secrets | desktop)
        created = web.post(f"{served.url}/interrupts", json=NEW, headers={"X-API-Key": KEY})
        opened = receiver.next(START_TIMEOUT_S)
        link = opened["url"]
        with web.browse() as browser:
            inbox = browser.get(link)
        again = web.get(link)
        served.process.terminate()
        _, stderr = served.process.communicate(timeout=PATIENCE_S)

    assert created.status_code == 201
    assert link.startswith(f"{served.url}/sign-in/")
    assert inbox.status_code == 200
    assert str(inbox.url).startswith(f"{served.url}/~")
    assert again.status_code == 404
    assert not {*secrets, "LOOPIN_API_KEY"} & opened["environment"].keys()
    assert stderr == "Stopped.\n"


def test_link_shows_in_no_list_of_processes_and_to_no_other_user(tmp_path: Path) -> None:
    with receiving() as receiver:
        desktop = browser_of(receiver, tmp_path)
        served = ServedAPI(tmp_path / "data", {"LOOPIN_OPEN_REVIEW": "on"} | desktop)
        web.post(f"{served.url}/interrupts", json=NEW).raise_for_status()
        opened = receiver.next(START_TIMEOUT_S)
        served.stop()

    token = opened["url"].rpartition("/")[2]
    assert len(token) == 43
    assert token not in str(opened["arguments"])
    assert opened["mode"] == "-rw-------"
    assert Path(opened["file"]).parent == tmp_path


async def test_file_that_leads_to_the_link_goes_by_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with receiving() as receiver:
        for variable, value in browser_of(receiver, tmp_path).items():
            monkeypatch.setenv(variable, value)
        link = "https://loopin.test/?a=1&b=\"'<script>"
        start_browser(link, kept_s=0)
        opened = await anyio.to_thread.run_sync(receiver.next, START_TIMEOUT_S)

        with anyio.fail_after(PATIENCE_S):
            while Path(opened["file"]).exists():
                await anyio.lowlevel.checkpoint()
    assert opened["url"] == link


def test_agent_never_gets_a_link_that_signs_in(tmp_path: Path, start: Callable[..., Host]) -> None:
    with receiving() as receiver:
        host = start(LOOPIN_OPEN_REVIEW="auto", **browser_of(receiver, tmp_path))
        initialize(host)
        status = create(host, None)
        link = receiver.next(START_TIMEOUT_S)["url"]
        rest, stderr = host.end()

    assert re.fullmatch(r"http://127\.0\.0\.1:\d+/sign-in/\S+", link)
    assert "sign-in" not in f"{status}{rest}{stderr}"
    assert (rest, stderr) == ("", "")


@pytest.mark.parametrize("setting", ["auto", "off"])
def test_api_of_a_team_opens_nothing_by_itself(tmp_path: Path, setting: str) -> None:
    with receiving() as receiver:
        desktop = browser_of(receiver, tmp_path)
        served = ServedAPI(tmp_path, {"LOOPIN_OPEN_REVIEW": setting} | desktop)
        web.post(f"{served.url}/interrupts", json=NEW).raise_for_status()
        served.stop()

        assert receiver.messages == []


def test_where_no_program_can_be_started_no_file_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("TOO_MUCH_FOR_A_PROGRAM", "x" * 3_000_000)

    with pytest.raises(OSError, match="too long"):
        start_browser("https://loopin.test/")

    assert list(tmp_path.iterdir()) == []


def test_demo_says_where_no_browser_can_be_started(tmp_path: Path) -> None:
    homeless = {"HOME": str(tmp_path / "nowhere"), "DISPLAY": ":9"}
    with subprocess.Popen(
        [sys.executable, "-m", "loopin_mcp", "demo"],
        env=clean_environment(LOOPIN_DATA_DIR=str(tmp_path), LOOPIN_PORT="0", **homeless),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as demo:
        assert demo.stdout is not None
        said = next(line for line in demo.stdout if line.startswith("Cannot start the browser"))
        demo.send_signal(signal.SIGINT)
        demo.communicate(timeout=START_TIMEOUT_S)

    why = "No such file or directory"
    assert said == f"Cannot start the browser: {why}. Open the link yourself.\n"


def test_demo_opens_its_question_and_nothing_else(tmp_path: Path) -> None:
    with receiving() as receiver:
        environment = {"LOOPIN_OPEN_REVIEW": "on"} | browser_of(receiver, tmp_path)
        with subprocess.Popen(
            [sys.executable, "-m", "loopin_mcp", "demo"],
            env=clean_environment(LOOPIN_DATA_DIR=str(tmp_path), LOOPIN_PORT="0", **environment),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as demo:
            opened = receiver.next(START_TIMEOUT_S)["url"]
            demo.send_signal(signal.SIGINT)
            demo.communicate(timeout=START_TIMEOUT_S)

        assert "/review/" in opened
        assert receiver.messages == []
