"""The pipe to the host: what is on it, and what happens once a side of it is gone."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

import pytest

from tests.support import PATIENCE_S, START_TIMEOUT_S, clean_environment
from tests.support.host import ENVELOPE, LEGACY, MODERN, Host, Message, initialize

NOISY = """
import os, anyio
from mcp.server import MCPServer
from loopin_mcp.mcp_server.stdio.stdio import serve_stdio
server = MCPServer("noisy")
@server.tool()
def noise() -> str:
    print("from a tool", flush=True)
    os.system("echo from a child; cat")
    return "\u2028done\u00e9"
anyio.run(serve_stdio, server)
"""
HANDSHAKE: Message = {
    "protocolVersion": LEGACY,
    "capabilities": {},
    "clientInfo": {"name": "raw-host", "version": "1"},
}
PING = b'{"jsonrpc":"2.0","id":1,"method":"ping"}\n'

in_each_era = pytest.mark.parametrize("era", [LEGACY, MODERN])
on_posix = pytest.mark.skipif(sys.platform == "win32", reason="Windows has other pipes")


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Callable[..., subprocess.Popen[bytes]]]:
    """Start the server with pipes that nobody but the test reads."""
    started: list[subprocess.Popen[bytes]] = []

    def run(stdout: IO[bytes] | int = subprocess.PIPE) -> subprocess.Popen[bytes]:
        process = subprocess.Popen(
            [sys.executable, "-m", "loopin_mcp"],
            env=clean_environment(LOOPIN_DATA_DIR=str(tmp_path), PORT="0"),
            stdin=subprocess.PIPE,
            stdout=stdout,
            stderr=subprocess.PIPE,
        )
        started.append(process)
        return process

    yield run
    for process in started:
        process.kill()
        process.communicate()


def send(process: subprocess.Popen[bytes], method: str, **params: object) -> None:
    assert process.stdin is not None
    line = {"jsonrpc": "2.0", "id": "\u2029", "method": method, "params": params}
    process.stdin.write(json.dumps(line, ensure_ascii=False).encode() + b"\n")
    process.stdin.flush()


def ask(process: subprocess.Popen[bytes], method: str, **params: object) -> bytes:
    """The line that answers a request."""
    assert process.stdout is not None
    send(process, method, **params)
    return process.stdout.readline()


def wait_for_decision(process: subprocess.Popen[bytes], era: str) -> None:
    """Ask a human, and wait for the decision as a host of that era does."""
    meta: Message = {"_meta": ENVELOPE} if era == MODERN else {}
    if era == LEGACY:
        ask(process, "initialize", **HANDSHAKE)
    arguments = {"action": "Pay\u2028 é", "context": {"\U0001f600": 1}, "userId": "u"}
    created = ask(process, "tools/call", name="create_interrupt", arguments=arguments, **meta)
    interrupt_id = json.loads(created)["result"]["structuredContent"]["interruptId"]
    read = {"interruptId": interrupt_id, "waitSeconds": 0}
    status = ask(process, "tools/call", name="get_interrupt_status", arguments=read, **meta)
    assert json.loads(status)["result"]["structuredContent"]["action"] == arguments["action"]
    assert status.isascii()
    read |= {"waitSeconds": 45}
    send(process, "tools/call", name="get_interrupt_status", arguments=read, **meta)


@on_posix
def test_what_tools_and_children_print_stays_off_the_pipe(start: Callable[..., Host]) -> None:
    host = start("-c", NOISY)
    initialize(host)

    result = host.ask("tools/call", {"name": "noise", "arguments": {}})["result"]
    rest, stderr = host.end()

    assert result["content"][0]["text"] == "\u2028done\u00e9"
    assert rest == ""
    assert stderr.splitlines() == ["from a tool", "from a child"]


@in_each_era
@pytest.mark.subprocess
def test_nothing_is_said_after_the_end_of_stdin_during_a_wait(
    run: Callable[..., subprocess.Popen[bytes]], era: str
) -> None:
    process = run()
    wait_for_decision(process, era)

    said = process.communicate(timeout=PATIENCE_S)

    assert (process.returncode, *said) == (0, b"", b"")


@on_posix
@in_each_era
@pytest.mark.subprocess
def test_end_comes_without_a_word_when_the_host_closes_stdout_during_a_wait(
    run: Callable[..., subprocess.Popen[bytes]], era: str
) -> None:
    process = run()
    wait_for_decision(process, era)
    assert process.stdout is not None
    assert process.stderr is not None

    process.stdout.close()

    process.wait(timeout=PATIENCE_S)
    assert (process.returncode, process.stderr.read()) == (0, b"")


@pytest.mark.subprocess
@pytest.mark.skipif(sys.platform != "linux", reason="needs /dev/full")
def test_end_comes_without_a_word_when_an_answer_cannot_be_written(
    run: Callable[..., subprocess.Popen[bytes]],
) -> None:
    with Path("/dev/full").open("wb") as full:
        process = run(full)
    assert process.stderr is not None

    send(process, "ping")
    send(process, "ping")

    process.wait(timeout=START_TIMEOUT_S)
    assert (process.returncode, process.stderr.read()) == (0, b"")


@on_posix
@pytest.mark.subprocess
@pytest.mark.parametrize("closed", ["2>&-", "<&- >&-"])
def test_server_ends_by_itself_without_a_descriptor(tmp_path: Path, closed: str) -> None:
    command = f'"$0" -m loopin_mcp {closed}'

    ended = subprocess.run(
        ["/bin/sh", "-c", command, sys.executable],
        env=clean_environment(LOOPIN_DATA_DIR=str(tmp_path)),
        input=PING,
        capture_output=True,
        timeout=START_TIMEOUT_S,
        check=True,
    )

    assert ended.stderr == b""
    answered = json.dumps({"jsonrpc": "2.0", "id": 1, "result": {}}, separators=(",", ":"))
    assert ended.stdout.decode().strip() == (answered if closed == "2>&-" else "")
