"""`loopin-mcp gate` as a process: whatever happens to it, a host does not run the tool."""

import json
import logging
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import anyio.to_thread
import pytest

from loopin_mcp import Decision, LoopinClient
from loopin_mcp.telemetry.logs import JSONLines
from tests.support import KEY, PATIENCE_S, START_TIMEOUT_S, clean_environment, web
from tests.support.browser import browser_of
from tests.support.over_http import api_server, serving
from tests.support.receiver import receiving

pytestmark = pytest.mark.subprocess

GATE = (sys.executable, "-m", "loopin_mcp", "gate")
DEAD = "http://127.0.0.1:9"
EVENT = {
    "session_id": "0123456789",
    "cwd": "/project",
    "hook_event_name": "PreToolUse",
    "tool_name": "Bash",
    "tool_input": {"command": "ls"},
}
OWN = EVENT | {"tool_name": "mcp__loopin__create_interrupt"}
BLOCKED = 2
on_posix = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such thing")


def gate(
    event: object,
    *options: str,
    command: tuple[str, ...] = GATE,
    environment: dict[str, str] | None = None,
) -> subprocess.CompletedProcess[str]:
    """Run the gate as the hook of a host that writes this."""
    return subprocess.run(
        [*command, *options],
        env=clean_environment(LOOPIN_API_URL=DEAD, LOOPIN_USER_ID="alice") | (environment or {}),
        input=event if isinstance(event, str) else json.dumps(event),
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=START_TIMEOUT_S,
        check=False,
    )


def assert_blocked(ended: subprocess.CompletedProcess[str], reason: str) -> None:
    """It said nothing on stdout, and one line with this on stderr."""
    assert (ended.returncode, ended.stdout) == (BLOCKED, "")
    [line] = ended.stderr.splitlines()
    assert line.startswith("LoopIn: ")
    assert reason in line


async def decide(url: str, decision: str, **more: Any) -> None:  # noqa: ANN401 - JSON
    async with LoopinClient(url, KEY) as human:
        [interrupt] = (await human.list_pending_interrupts("alice")).interrupts
        decided = Decision.model_validate({"decision": decision, **more})
        await human.decide_interrupt(interrupt.interrupt_id, decided)


@pytest.fixture
def api(serve: Callable[..., str]) -> dict[str, str]:
    """The settings for a real API."""
    url = serve(API_KEY_SECRET=KEY)
    return {"LOOPIN_API_URL": url, "LOOPIN_API_KEY": KEY}


@contextmanager
def waiting_gate(environment: dict[str, str]) -> Iterator[subprocess.Popen[str]]:
    """A gate that has read what the host writes."""
    with subprocess.Popen(
        GATE,
        env=clean_environment(LOOPIN_USER_ID="alice") | environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as waiting:
        assert waiting.stdin is not None
        waiting.stdin.write(json.dumps(EVENT))
        waiting.stdin.close()
        # What is closed, `communicate` would write to.
        waiting.stdin = None
        yield waiting


async def ask_and_stop(api: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """Stop a gate once its request waits for a human."""
    with waiting_gate(api) as waiting:
        async with LoopinClient(api["LOOPIN_API_URL"], KEY) as human:
            while not (await human.list_pending_interrupts("alice")).count:
                assert waiting.poll() is None
        waiting.terminate()
        stdout, stderr = waiting.communicate(timeout=PATIENCE_S)
    return subprocess.CompletedProcess(GATE, waiting.returncode, stdout, stderr)


async def test_approved_call_is_allowed_once(api: dict[str, str]) -> None:
    await ask_and_stop(api)
    await decide(api["LOOPIN_API_URL"], "approved", modifiedParams={"command": "pwd"})
    second = gate(EVENT, environment=api)
    await ask_and_stop(api)

    assert (second.returncode, second.stderr) == (0, "")
    answer = json.loads(second.stdout)["hookSpecificOutput"]
    assert answer["permissionDecision"] == "allow"
    assert answer["updatedInput"] == {"command": "pwd"}


@pytest.mark.slow
def test_call_that_no_human_decides_in_time_is_blocked(api: dict[str, str]) -> None:
    program = (
        "import sys, loopin_mcp.cli, loopin_mcp.client.client, loopin_mcp.gate.approval; "
        "loopin_mcp.cli.main(sys.argv[1:])"
    )

    ended = gate(
        EVENT, "gate", "--timeout", "5", command=(sys.executable, "-c", program), environment=api
    )

    assert_blocked(ended, "try the same call again later, and it finds the same request")


@pytest.mark.parametrize(("pattern", "code"), [("^(?!Bash$)", 0), ("^Ba", BLOCKED), ("(", BLOCKED)])
def test_only_tools_that_the_pattern_finds_are_asked_about(pattern: str, code: int) -> None:
    ended = gate(EVENT, "--match", pattern)

    assert (ended.returncode, ended.stdout.strip()) == (code, "" if code else "{}")


async def test_rejected_call_is_denied_with_the_reason(api: dict[str, str]) -> None:
    await ask_and_stop(api)
    await decide(api["LOOPIN_API_URL"], "rejected", reason="No way")

    denied = gate(EVENT, environment=api)

    assert (denied.returncode, denied.stderr) == (0, "")
    answer = json.loads(denied.stdout)["hookSpecificOutput"]
    assert answer["permissionDecision"] == "deny"
    assert answer["permissionDecisionReason"].endswith("No way")


async def test_human_who_decides_meanwhile_ends_the_wait(api: dict[str, str]) -> None:
    with waiting_gate(api) as waiting:
        async with LoopinClient(api["LOOPIN_API_URL"], KEY) as human:
            while not (await human.list_pending_interrupts("alice")).count:
                assert waiting.poll() is None
        await decide(api["LOOPIN_API_URL"], "approved")
        stdout, _ = waiting.communicate(timeout=PATIENCE_S)

    assert waiting.returncode == 0
    assert json.loads(stdout)["hookSpecificOutput"]["permissionDecision"] == "allow"


async def test_headless_run_is_deferred_and_resumed(api: dict[str, str]) -> None:
    deferred = gate(EVENT, "--defer", environment=api)
    await decide(api["LOOPIN_API_URL"], "approved")
    resumed = gate(EVENT, "--defer", environment=api)

    decisions = [
        json.loads(ended.stdout)["hookSpecificOutput"]["permissionDecision"]
        for ended in (deferred, resumed)
    ]
    assert decisions == ["defer", "allow"]


async def test_requests_of_one_run_share_a_trace(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.handler.setFormatter(JSONLines())

    async def trace_of_run(url: str, *routes: str) -> str:
        """The trace of all requests of a run, which are to these routes."""
        caplog.clear()
        run = partial(gate, EVENT, "--defer", environment={"LOOPIN_API_URL": url})
        await anyio.to_thread.run_sync(run)
        requests = [json.loads(line) for line in caplog.text.splitlines()]
        assert [line["route"] for line in requests] == [*routes]
        [trace] = {line["requestId"] for line in requests}
        return str(trace)

    create, one = "/interrupts", "/interrupts/{interrupt_id}"
    with caplog.at_level(logging.DEBUG, "loopin_mcp"):
        async with serving(api_server(tmp_path)) as url:
            first = await trace_of_run(url, create, one, create)
            await decide(url, "approved")
            second = await trace_of_run(url, create, one, f"{one}/use")

    assert first != second


@on_posix
def test_embedded_api_is_served_while_it_waits(tmp_path: Path) -> None:
    here = {"LOOPIN_API_URL": "", "LOOPIN_DATA_DIR": str(tmp_path / "data"), "LOOPIN_PORT": "0"}

    with receiving() as receiver:
        here |= browser_of(receiver, tmp_path) | {"LOOPIN_OPEN_REVIEW": "on"}
        with waiting_gate(here) as waiting:
            link = receiver.next(START_TIMEOUT_S)["url"]
            with web.browse() as browser:
                inbox = browser.get(link)
                [review] = set(re.findall(r'href="(/[^"?]*/review/[^"?]+)', inbox.text))
                answer = {"decision": "approved", "confirmed": "true"}
                browser.post(str(inbox.url.join(review)), data=answer).raise_for_status()
            stdout, _ = waiting.communicate(timeout=PATIENCE_S)

    assert json.loads(stdout)["hookSpecificOutput"]["permissionDecision"] == "allow"


def test_own_tool_needs_no_api_and_no_settings() -> None:
    ended = gate(OWN, environment={"LOOPIN_API_URL": "nonsense", "LOOPIN_USER_ID": ""})

    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "{}", "")


@pytest.mark.parametrize(
    ("environment", "reason"),
    [
        ({}, "No connection to the LoopIn API at http://127.0.0.1:9"),
        ({"LOOPIN_API_URL": "nonsense"}, "LOOPIN_API_URL must be"),
        ({"LOOPIN_USER_ID": ""}, "LOOPIN_USER_ID is not set"),
        ({"LOOPIN_API_URL": "", "LOOPIN_DATA_DIR": "/dev/null/x"}, "LOOPIN_DATA_DIR"),
    ],
)
def test_api_that_cannot_be_asked_blocks(environment: dict[str, str], reason: str) -> None:
    assert_blocked(gate(EVENT, environment=environment), reason)


@pytest.mark.parametrize(
    "event",
    ["", "{", "[]", "null", "\ufeff", json.dumps(EVENT)[:-1], EVENT | {"hook_event_name": "Stop"}],
)
def test_what_cannot_be_read_blocks(event: object) -> None:
    assert_blocked(gate(event), "cannot read what the host wrote")


def test_bytes_that_are_not_text_block() -> None:
    ended = subprocess.run(
        GATE, input=b"\xff\xfe{", capture_output=True, timeout=START_TIMEOUT_S, check=False
    )

    assert (ended.returncode, ended.stdout) == (BLOCKED, b"")
    assert b"not UTF-8" in ended.stderr


def test_more_than_any_call_has_blocks() -> None:
    assert_blocked(gate(" " * 33 * 1024 * 1024), "too long")


def test_mark_of_utf_8_is_read_over() -> None:
    assert gate("\ufeff" + json.dumps(OWN)).returncode == 0


@pytest.mark.parametrize(
    "options",
    [
        ["--timeout", "x"],
        ["--timeout", "0"],
        ["--timeout", "nan"],
        ["--timeout", "1.5"],
        ["--later"],
        ["x"],
    ],
)
def test_wrong_options_block(options: list[str]) -> None:
    ended = gate(OWN, *options)

    assert (ended.returncode, ended.stdout) == (BLOCKED, "")
    assert ended.stderr


def test_host_that_never_closes_stdin_is_answered_at_the_deadline() -> None:
    reader, writer = os.pipe()
    ended = subprocess.run(
        [*GATE, "--timeout", "1"],
        stdin=reader,
        capture_output=True,
        text=True,
        timeout=START_TIMEOUT_S,
        check=False,
    )
    os.close(reader)
    os.close(writer)

    assert_blocked(ended, "has no answer within 1 seconds")


def test_api_that_never_answers_blocks_at_the_deadline(silent_url: str) -> None:
    ended = gate(EVENT, "--timeout", "1", environment={"LOOPIN_API_URL": silent_url})

    assert_blocked(ended, "within 1 seconds")


@on_posix
def test_on_a_terminal_the_gate_says_what_it_waits_for() -> None:
    ours, terminal = os.openpty()
    with subprocess.Popen(
        GATE, env=clean_environment(), stdin=terminal, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stderr is not None
        line = process.stderr.readline()
        os.write(ours, b"\x04")
    os.close(ours)
    os.close(terminal)

    assert line.startswith("`loopin-mcp gate` is the command of a host's hook.")
    assert process.returncode == BLOCKED


@on_posix
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_signal_blocks(number: signal.Signals) -> None:
    program = (
        "import os, signal, sys; from loopin_mcp.commands import gate; "
        f"gate._read_stdin = lambda: os.kill(os.getpid(), {int(number)}); "
        "gate.Gate(60, defer=False).run(None)"
    )

    assert_blocked(gate(EVENT, command=(sys.executable, "-c", program)), "The gate was stopped")


@on_posix
@pytest.mark.parametrize("redirected", [">&-", "<&-", ">/dev/full"])
def test_stream_that_cannot_be_used_blocks(redirected: str) -> None:
    ended = gate(OWN, command=("sh", "-c", f'exec "$@" {redirected}', "sh", *GATE))

    assert (ended.returncode, ended.stdout) == (BLOCKED, "")
    assert ended.stderr.count("\n") == 1


@on_posix
def test_closed_stderr_blocks_without_a_word() -> None:
    ended = gate("{", command=("sh", "-c", 'exec "$@" 2>&-', "sh", *GATE))

    assert (ended.returncode, ended.stdout, ended.stderr) == (BLOCKED, "", "")


@on_posix
def test_host_that_does_not_read_any_more_blocks() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    ended = subprocess.run(
        GATE,
        input=json.dumps(OWN),
        stdout=writer,
        stderr=subprocess.PIPE,
        text=True,
        timeout=START_TIMEOUT_S,
        check=False,
    )
    os.close(writer)

    assert ended.returncode == BLOCKED
    assert "BrokenPipeError" in ended.stderr


@on_posix
def test_host_that_stops_reading_in_the_middle_is_left_at_the_deadline() -> None:
    program = (
        "from loopin_mcp.commands import gate; "
        "gate.Gate._answer = lambda *_: 'x' * 1_000_000; "
        "gate.Gate(1, defer=False).run(None)"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as stuck:
        assert stuck.wait(START_TIMEOUT_S) == BLOCKED


def test_crash_blocks_and_says_where() -> None:
    program = (
        "from loopin_mcp.commands import gate; gate._read_stdin = lambda: 1 / 0; "
        "gate.Gate(60, defer=False).run(None)"
    )

    ended = gate(EVENT, command=(sys.executable, "-c", program))

    assert_blocked(ended, "Unexpected ZeroDivisionError at <string>:1")


def test_part_that_cannot_be_loaded_blocks() -> None:
    for missing in ("loopin_mcp.commands.gate", "loopin_mcp.gate.dialects", "anyio._backends"):
        program = (
            f"import sys; import loopin_mcp.cli; sys.modules[{missing!r}] = None; "
            "loopin_mcp.cli.main(['gate'])"
        )

        ended = gate(EVENT, command=(sys.executable, "-c", program))

        assert_blocked(ended, "Error")


def test_own_tool_loads_nothing_that_takes_long() -> None:
    ended = gate(OWN, command=(sys.executable, "-X", "importtime", *GATE[1:]))

    loaded = {line.rpartition("|")[2].strip() for line in ended.stderr.splitlines()}
    assert "loopin_mcp.gate.dialects" in loaded
    assert not {"pydantic", "httpx", "asyncio", "mcp", "starlette"} & loaded
