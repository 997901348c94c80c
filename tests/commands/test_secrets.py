"""Secrets in the environment: no program passes them on or logs them."""

import json
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.support import PATIENCE_S, START_TIMEOUT_S, clean_environment, web
from tests.support.browser import browser_of
from tests.support.host import Host, Message, initialize
from tests.support.receiver import receiving
from tests.support.secrets import (
    AGENTS_KEY,
    ALICES_KEY,
    CALLBACK_URL,
    DATABASE_URL,
    LONG,
    MARK,
    NOTIFY,
    SECRETS,
    shows_secret,
)

pytestmark = pytest.mark.subprocess

# The command keeps this configuration, so that everything is logged.
TALKATIVE = (
    "import logging; logging.basicConfig(level=logging.DEBUG); "
    "from loopin_mcp.cli import main; main()"
)
NEW = {"agentId": "a", "userId": "u", "action": "Pay", "context": {}}


class Program:
    """A command that logs everything; `written` is its stderr so far."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self.written = ""

    def until(self, pattern: str) -> str:
        """Read up to the line with this text; returns it."""
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.written += line
            if found := re.search(pattern, line):
                return found[0]
        raise AssertionError(self.written)

    def end(self, with_signal: signal.Signals = signal.SIGTERM) -> str:
        """End it; returns its whole output."""
        self.process.send_signal(with_signal)
        stdout, stderr = self.process.communicate(timeout=PATIENCE_S)
        return stdout + self.written + stderr


@contextmanager
def running(directory: Path, *arguments: str, **environment: str) -> Iterator[Program]:
    with subprocess.Popen(
        [sys.executable, "-c", TALKATIVE, *arguments],
        env=clean_environment(LOOPIN_DATA_DIR=str(directory), LOOPIN_PORT="0", **environment),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield Program(process)
        finally:
            process.kill()


def call(host: Host, name: str, **arguments: Any) -> str:  # noqa: ANN401 - any argument
    params: Message = {"name": name, "arguments": arguments}
    return json.dumps(host.ask("tools/call", params))


def test_api_tells_no_secret_though_all_that_it_calls_is_down(tmp_path: Path) -> None:
    with receiving(500) as receiver, ExitStack() as stack:
        here = f":{receiver.server_port}/"
        environment = SECRETS | {
            "LOOPIN_DATABASE_URL": f"sqlite:///{tmp_path}/loopin.db",
            "LOOPIN_CALLBACK_ALLOW": "127.0.0.0/8",
            "LOOPIN_NOTIFY": NOTIFY.replace(":1/", here),
        }
        program = stack.enter_context(running(tmp_path, "api", **environment))
        url = program.until(r"http://\S+")
        hook = CALLBACK_URL.replace(":1/", here)
        key = {"X-API-Key": AGENTS_KEY, "Idempotency-Key": f'"{LONG}"'}
        new = NEW | {"callbackUrl": hook}
        created = web.post(f"{url}/interrupts", json=new, headers=key).json()
        program.until("Notification of .* will be tried again")
        wrong = web.get(f"{url}/interrupts/x", headers={"X-API-Key": f"wrong-{LONG}"})
        decided = web.post(
            f"{url}/interrupts/{created['interruptId']}/decide",
            json={"decision": "approved"},
            headers={"X-API-Key": ALICES_KEY},
        )
        program.until("Callback of .* will be tried again")
        told = receiver.received
        written = program.end()
    for task in ("export", "verify"):
        with running(tmp_path, "audit", task, **environment) as audit:
            written += "".join(audit.process.communicate(timeout=START_TIMEOUT_S))

    assert (wrong.status_code, decided.json()["status"]) == (401, "resolved")
    assert {message.path for message in told} == {f"/{LONG}?key={LONG}", f"/{LONG}?token={LONG}"}
    assert [message.body for message in told if shows_secret(message.body.decode())] == []
    assert "DEBUG" in written
    assert '"decided"' in written
    assert not shows_secret(written)


def test_mcp_server_tells_no_secret_in_tools_and_logs(tmp_path: Path) -> None:
    environment = SECRETS | {"LOOPIN_DATA_DIR": str(tmp_path), "LOOPIN_PORT": "0"}
    with closing(Host("-c", TALKATIVE, **environment)) as host:
        initialize(host)
        told = [call(host, "create_interrupt", **NEW, callbackUrl=CALLBACK_URL)]
        interrupt_id = json.loads(told[0])["result"]["structuredContent"]["interruptId"]
        told += [
            call(host, "create_interrupt", **NEW, callbackUrl=f"ftp://{MARK}:{LONG}@x"),
            call(host, "get_interrupt_status", interruptId=interrupt_id, waitSeconds=0),
            call(host, "list_pending_interrupts", userId="u"),
            call(host, "decide_interrupt", interruptId=interrupt_id, decision="approved"),
            call(host, "cancel_interrupt", interruptId=interrupt_id),
            call(host, "get_interrupt_analytics", userId="u"),
        ]
        rest, stderr = host.end()

    assert "reviewer" in told[4]
    assert [index for index, text in enumerate(told) if '"isError": true' in text] == [1, 4]
    assert "DEBUG" in stderr
    assert [text for text in (*told, rest, stderr) if shows_secret(text)] == []


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("LOOPIN_API_KEY", f"{LONG} {LONG}"),
        ("LOOPIN_REVIEWER_KEYS", f"{LONG},alice={MARK}"),
        ("LOOPIN_CALLBACK_SECRET", LONG),
        ("LOOPIN_NOTIFY", f"nonsense://{LONG}"),
    ],
)
def test_mcp_server_with_a_wrong_secret_tells_which_and_not_what(
    tmp_path: Path, variable: str, value: str
) -> None:
    environment = SECRETS | {"LOOPIN_DATA_DIR": str(tmp_path), "LOOPIN_PORT": "0", variable: value}
    with closing(Host("-c", TALKATIVE, **environment)) as host:
        initialize(host)
        told = call(host, "get_interrupt_analytics", userId="u")
        rest, stderr = host.end()

    assert variable in told
    assert not shows_secret(told + rest + stderr)


@pytest.mark.parametrize(
    ("command", "variable", "value"),
    [
        ("api", "LOOPIN_DATABASE_URL", DATABASE_URL),
        ("api", "LOOPIN_DATABASE_URL", f"postgresql://loopin:{MARK}/{MARK}@127.0.0.1:1/loopin"),
        ("api", "LOOPIN_REVIEWER_KEYS", f"{LONG}=="),
        ("notify", "LOOPIN_NOTIFY", f"nonsense://{LONG}"),
        ("notify", "LOOPIN_NOTIFY", NOTIFY),
        ("demo", "LOOPIN_API_KEY", f"{LONG} {LONG}"),
    ],
)
def test_command_with_a_wrong_secret_tells_which_and_not_what(
    tmp_path: Path, command: str, variable: str, value: str
) -> None:
    with running(tmp_path, command, **{**SECRETS, variable: value}) as program:
        stdout, stderr = program.process.communicate(timeout=START_TIMEOUT_S)

    assert program.process.returncode == 1
    assert variable.replace("LOOPIN_DATABASE", "DATABASE") in stdout + stderr
    assert not shows_secret(stdout + stderr)


@pytest.mark.skipif(sys.platform == "win32", reason="BROWSER is of no use there")
@pytest.mark.parametrize("command", ["inbox", "demo"])
def test_browser_that_is_started_gets_no_secret(tmp_path: Path, command: str) -> None:
    with receiving() as receiver:
        environment = SECRETS | browser_of(receiver, tmp_path)
        with running(tmp_path, command, **environment) as program:
            started = json.dumps(receiver.next(START_TIMEOUT_S))
            program.end(signal.SIGINT)

    assert not shows_secret(started)
