"""The stdio server with invalid lines, invalid settings, cancelled calls and every ending."""

import json
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from loopin_mcp.mcp_server.stdio.lines import LONGEST_LINE
from tests.support import PATIENCE_S, clean_environment, missing
from tests.support.host import ENVELOPE, Host, create, initialize


def test_lines_that_are_no_message_are_answered_and_the_connection_continues(
    start: Callable[..., Host],
) -> None:
    host = start()
    lines = [
        "nonsense",
        "[]",
        "\x00",
        "[" * 100_000,
        '{"jsonrpc":"2.0"}',
        '{"jsonrpc":"2.0","id":true,"method":"tools/list"}',
        '{"jsonrpc":"2.0","id":null,"method":"\\ud800"}',
        '{"jsonrpc":"2.0","id":"\\ud800","method":"ping"}',
        '{"jsonrpc":"2.0","params":{"id":1},"method":"\\ud800"}',
        '{"jsonrpc":"2.0","id":7,"method":"tools/call","params":"x"}',
        '[{"jsonrpc":"2.0","id":"a","method":"ping"},{"jsonrpc":"2.0","id":8,"method":"ping"}]',
    ]

    for line in lines:
        host.write(line)
    answers = [host.read() for _ in range(len(lines) + 1)]

    assert [answer["id"] for answer in answers] == [None] * 9 + [7, "a", 8]
    assert all(answer["error"]["message"].startswith("This line ") for answer in answers)
    initialize(host)


def test_lines_that_ask_nothing_get_no_answer(start: Callable[..., Host]) -> None:
    host = start()
    lines = [
        "",
        "\r",
        "\ufeff",
        '{"jsonrpc":"2.0","id":1,"result":{}}',
        '{"jsonrpc":"2.0","id":1,"result":5}',
        '{"jsonrpc":"2.0","method":"unknown"}',
        '{"jsonrpc":"2.0","method":"notifications/initialized","params":"x"}',
        '{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":[1]}}',
    ]

    for line in lines:
        host.write(line)

    initialize(host)


def test_request_that_cannot_be_parsed_is_answered_by_its_id(start: Callable[..., Host]) -> None:
    host = start()
    initialize(host)
    deep = '{"a":' * 300 + "1" + "}" * 300
    request = {"jsonrpc": "2.0", "id": 11, "method": "ping"}

    host.write('{"jsonrpc":"2.0","id":"s","method":"tools/call","params":{"name":"\\ud800"}}')
    host.write(f'{{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{{"arguments":{deep}}}}}')
    host.write('{"jsonrpc":"2.0","id":8,"method":"tools/call","params":{"a":1,"a":2}}')
    host.write_bytes('{"jsonrpc":"2.0","id":9,"method":"é"}\n'.encode("latin-1"))
    host.write(json.dumps(request | {"id": 10, "params": {"a": "x" * LONGEST_LINE}}))
    host.write(json.dumps(request, indent=1))
    answers = [host.read() for _ in range(9 + 1)]

    ids = [answer["id"] for answer in answers]
    assert ids == ["s", 7, 8, 9, 10, None, None, None, None, 11]
    codes = {answer["id"]: answer["error"]["code"] for answer in answers}
    assert codes.pop(10) == -32600
    assert set(codes.values()) == {-32700}
    assert host.ask("ping")["result"] == {}


def test_line_that_is_cut_off_at_the_end_of_stdin_is_answered(start: Callable[..., Host]) -> None:
    host = start()
    initialize(host)
    host.write_bytes(b'{"jsonrpc":"2.0","id":5,"method":"ping"')

    rest, stderr = host.end()

    assert json.loads(rest)["id"] == 5
    assert stderr == ""


@pytest.mark.parametrize(
    ("tool", "arguments", "request_line"),
    [
        ("cancel_interrupt", {}, b"DELETE /interrupts/x "),
        ("get_interrupt_status", {"waitSeconds": 45}, b"GET /interrupts/x "),
    ],
)
def test_cancelled_call_closes_its_request_at_once_and_is_not_answered(
    start: Callable[..., Host], tool: str, arguments: dict[str, object], request_line: bytes
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(PATIENCE_S)
        host = start(LOOPIN_API_URL=f"http://127.0.0.1:{listener.getsockname()[1]}")
        initialize(host)
        call = {"name": tool, "arguments": {"interruptId": "x", **arguments}}
        request_id = host.send("tools/call", call)
        connection, _ = listener.accept()
        with connection:
            connection.settimeout(PATIENCE_S)
            assert connection.recv(65536).startswith(request_line)

            cancelled = {"requestId": request_id}
            note = {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": cancelled}
            host.write(json.dumps(note))

            assert connection.recv(1) == b""
    assert host.ask("ping")["result"] == {}


def test_wrong_setting_does_not_stop_the_server_and_every_tool_says_what_to_correct(
    start: Callable[..., Host],
) -> None:
    host = start(LOOPIN_API_URL="localhost:3002")
    initialize(host)
    listed = host.ask("tools/list")["result"]["tools"]

    texts = set()
    for tool in listed:
        arguments = {
            "interruptId": "x",
            "decision": "approved",
            "action": "Pay",
            "context": {},
        }
        given = {
            name: arguments[name]
            for name in tool["inputSchema"]["properties"]
            if name in tool["inputSchema"].get("required", [])
        }
        result = host.ask("tools/call", {"name": tool["name"], "arguments": given})["result"]
        assert result["isError"] is True
        texts.add(result["content"][0]["text"])

    fault = (
        "LOOPIN_API_URL must be an http or https URL. Set it to a base URL, "
        "such as https://loopin.example.com."
    )
    assert texts == {fault, f"{fault} Nothing is approved: do not act."}


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has such namespaces")
def test_machine_without_loopback_is_said_to_be_without_it(start: Callable[..., Host]) -> None:
    apart = ["unshare", "--map-root-user", "--net"]
    if shutil.which("unshare") is None or subprocess.run([*apart, "true"]).returncode:
        missing("unshare")
    command = [*apart, sys.executable, "-m", "loopin_mcp"]
    host = start("-c", f"import os; os.execvp('unshare', {command!r})")
    initialize(host)

    answer = host.ask("tools/call", {"name": "list_pending_interrupts", "arguments": {}})

    [content] = answer["result"]["content"]
    assert content["text"] == (
        "Connections to 127.0.0.1 do not work here (Network is unreachable), and LoopIn's local "
        "API needs them. Allow them in the sandbox or container that runs the MCP server."
    )


@pytest.mark.parametrize("unusable", ["nowhere.pem", "."])
def test_local_api_needs_no_certificates(
    start: Callable[..., Host], tmp_path: Path, unusable: str
) -> None:
    host = start(SSL_CERT_FILE=str(tmp_path / unusable))
    initialize(host)

    # The second call would find that a background task has ended the server.
    created = [create(host, None) for _ in range(2)]
    _, stderr = host.end()

    assert all(created)
    assert "SSL_CERT_FILE cannot be used (" in stderr
    assert "Traceback" not in stderr


def test_certificates_that_a_remote_api_needs_are_named(
    start: Callable[..., Host], tmp_path: Path
) -> None:
    nowhere = str(tmp_path / "nowhere.pem")
    host = start(SSL_CERT_FILE=nowhere, LOOPIN_API_URL="https://127.0.0.1:1")
    initialize(host)

    call = {"name": "cancel_interrupt", "arguments": {"interruptId": "x"}}
    texts = [host.ask("tools/call", call)["result"]["content"][0]["text"] for _ in range(2)]

    assert [text.partition(" (")[0] for text in texts] == ["SSL_CERT_FILE cannot be used"] * 2


@pytest.mark.parametrize("ending", ["stdin", "SIGTERM"])
def test_end_comes_also_during_a_call_that_hangs(
    start: Callable[..., Host], silent_url: str, ending: str
) -> None:
    host = start(LOOPIN_API_URL=silent_url)
    initialize(host)
    host.send("tools/call", {"name": "cancel_interrupt", "arguments": {"interruptId": "x"}})

    if ending == "stdin":
        host.end()
    else:
        host.process.terminate()

    host.process.wait(timeout=PATIENCE_S)


@pytest.mark.subprocess
@pytest.mark.skipif(sys.platform == "win32", reason="pipes there have other sizes")
@pytest.mark.parametrize(
    "line",
    [
        {"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {"_meta": ENVELOPE}},
        {"jsonrpc": "2.0", "id": 1, "method": 5},
    ],
    ids=["long answers", "refusals"],
)
def test_end_comes_also_when_nobody_reads_stdout(tmp_path: Path, line: dict[str, object]) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "loopin_mcp"],
        env=clean_environment(LOOPIN_DATA_DIR=str(tmp_path)),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    assert process.stdin is not None
    assert process.stdout is not None

    # The answers are larger than the buffer of a pipe.
    process.stdin.write((json.dumps(line) + "\n").encode() * 2000)
    process.stdin.close()

    process.wait(timeout=PATIENCE_S)
    process.stdout.close()


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such signals")
def test_interrupt_key_ends_the_server_without_a_trace(start: Callable[..., Host]) -> None:
    host = start()
    initialize(host)

    host.process.send_signal(signal.SIGINT)

    host.process.wait(timeout=PATIENCE_S)
    assert host.process.stderr is not None
    assert host.process.stderr.read() == ""
