"""Notifications from real processes: the API, the stdio server and `loopin-mcp notify`."""

import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support import PATIENCE_S, START_TIMEOUT_S, ServedAPI, clean_environment, web
from tests.support.host import Host, create, initialize
from tests.support.receiver import SECRETS, receiving

pytestmark = pytest.mark.subprocess

NEW = {"agentId": "a", "userId": "u", "action": "Pay", "context": {}}


def notify(**environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "loopin_mcp", "notify"],
        env=clean_environment(**environment),
        capture_output=True,
        text=True,
        timeout=START_TIMEOUT_S,
        check=False,
    )


def assert_no_secret(*texts: str) -> None:
    assert not [secret for secret in SECRETS if secret in "".join(texts)]


def test_command_tells_where_its_test_arrived(free_port: int) -> None:
    gone = f"json://127.0.0.1:{free_port}"
    with receiving() as steady, receiving(500) as broken, receiving() as high:
        tried = notify(
            LOOPIN_NOTIFY=f"{steady.url}, {broken.url}, {gone}", LOOPIN_NOTIFY_HIGH=high.url
        )

        assert [message["title"] for message in steady.messages] == ["LoopIn: test"]
        assert len(high.messages) == 1
    assert (tried.returncode, tried.stderr) == (1, "")
    assert sorted(tried.stdout.splitlines()) == [
        "Arrived: entry 1 of LOOPIN_NOTIFY (JSON)",
        "Arrived: entry 1 of LOOPIN_NOTIFY_HIGH (JSON)",
        "Did not arrive: entry 2 of LOOPIN_NOTIFY (JSON): it answered 500",
        "Did not arrive: entry 3 of LOOPIN_NOTIFY (JSON): it refused the message or cannot be "
        "reached",
    ]


def test_command_succeeds_where_all_have_its_test() -> None:
    with receiving() as receiver:
        tried = notify(LOOPIN_NOTIFY=receiver.url)

    assert (tried.returncode, tried.stderr) == (0, "")
    assert tried.stdout == "Arrived: entry 1 of LOOPIN_NOTIFY (JSON)\n"


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("", "Error: Set LOOPIN_NOTIFY first, "),
        ("nonsense://password-marker", "Error: LOOPIN_NOTIFY: entry 1 is not a valid Apprise URL"),
    ],
)
def test_command_says_what_to_set(value: str, message: str) -> None:
    tried = notify(LOOPIN_NOTIFY=value)

    assert tried.returncode == 1
    assert tried.stderr.startswith(message)
    assert_no_secret(tried.stdout, tried.stderr)


def test_api_tells_at_once_and_answers_though_the_place_hangs(serve: Callable[..., str]) -> None:
    with receiving("hang") as receiver:
        url = serve(LOOPIN_NOTIFY=receiver.url)
        links = []
        for _ in range(5):
            answer = web.post(f"{url}/interrupts", json=NEW)
            links.append(answer.raise_for_status().json()["reviewUrl"])

        told = [receiver.next()["message"].splitlines()[-1] for _ in range(2)]
    assert sorted(told) == sorted(links[:2])


def test_nothing_of_the_urls_is_logged_or_served(tmp_path: Path) -> None:
    with receiving(500) as receiver:
        served = ServedAPI(tmp_path, {"LOOPIN_NOTIFY": receiver.url})
        created = web.post(f"{served.url}/interrupts", json=NEW).json()
        receiver.next()
        pages = [
            web.get(f"{served.url}{path}").text
            for path in ("/", "/openapi.json", "/health", f"/interrupts/{created['interruptId']}")
        ]
        pages.append(web.get(created["reviewUrl"]).text)
        assert served.process.stderr is not None
        logged = next(line for line in served.process.stderr if "loopin_mcp" in line)
        served.process.terminate()
        _, rest = served.process.communicate(timeout=PATIENCE_S)

    assert logged.endswith(
        f" INFO loopin_mcp: Notification of {created['interruptId'][:8]}... to entry 1 of "
        "LOOPIN_NOTIFY (JSON) will be tried again: it answered 500\n"
    )
    assert_no_secret(logged, rest, *pages)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such signals")
@pytest.mark.parametrize("answer", ["hang", "drip"])
def test_api_ends_in_time_though_a_place_hangs(tmp_path: Path, answer: str) -> None:
    with receiving(answer) as receiver:
        served = ServedAPI(tmp_path, {"LOOPIN_NOTIFY": receiver.url})
        web.post(f"{served.url}/interrupts", json=NEW).raise_for_status()
        receiver.next()

        served.process.send_signal(signal.SIGTERM)
        _, stderr = served.process.communicate(timeout=PATIENCE_S)

    assert (served.process.returncode, stderr) == (0, "Stopped.\n")


def test_what_could_not_be_told_before_is_told_after_a_restart(tmp_path: Path) -> None:
    first = ServedAPI(tmp_path, {})
    web.post(f"{first.url}/interrupts", json=NEW).raise_for_status()
    first.process.kill()
    first.process.communicate(timeout=PATIENCE_S)

    with receiving() as receiver:
        second = ServedAPI(tmp_path, {"LOOPIN_NOTIFY": receiver.url})
        message = receiver.next()
        second.stop()

    assert message["message"].startswith("`Pay`\n")


def test_entry_that_cannot_be_used_stops_the_api_and_is_told_to_every_caller_of_a_tool(
    tmp_path: Path, start: Callable[..., Host]
) -> None:
    environment = {"LOOPIN_NOTIFY_HIGH": "nonsense://x"}
    refused = subprocess.run(
        [sys.executable, "-m", "loopin_mcp", "api"],
        env=clean_environment(LOOPIN_DATA_DIR=str(tmp_path), LOOPIN_PORT="0", **environment),
        capture_output=True,
        text=True,
        timeout=START_TIMEOUT_S,
        check=False,
    )
    host = start(**environment)
    initialize(host)
    arguments = {"name": "cancel_interrupt", "arguments": {"interruptId": "x"}}
    result = host.ask("tools/call", arguments)["result"]

    assert result["isError"] is True
    text = result["content"][0]["text"]
    assert text.startswith("LOOPIN_NOTIFY_HIGH: entry 1 is not a valid Apprise URL")
    assert (refused.returncode, refused.stderr) == (1, f"Error: {text}\n")


def test_agent_sees_nothing_of_the_urls(start: Callable[..., Host]) -> None:
    with receiving(500) as receiver:
        host = start(LOOPIN_NOTIFY=receiver.url)
        initialize(host)
        status = create(host, None)
        receiver.next()
        rest, stderr = host.end()

    assert_no_secret(str(status), rest, stderr)


def test_stdio_server_ends_in_time_though_a_place_hangs(start: Callable[..., Host]) -> None:
    with receiving("drip") as receiver:
        host = start(LOOPIN_NOTIFY=receiver.url)
        initialize(host)
        create(host, None)
        receiver.next()

        rest, stderr = host.end()

    assert (rest, stderr) == ("", "")
