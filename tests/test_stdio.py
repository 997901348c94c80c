"""The stdio server as hosts drive it: a real process and raw lines."""

import contextlib
import json
import os
import queue
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support import PATIENCE_S, clean_environment, free_port

MODERN = "2026-07-28"
LEGACY = "2025-11-25"
ENVELOPE = {
    "io.modelcontextprotocol/protocolVersion": MODERN,
    "io.modelcontextprotocol/clientInfo": {"name": "raw-host", "version": "1"},
    "io.modelcontextprotocol/clientCapabilities": {},
}
Message = dict[str, Any]


class Host:
    """An MCP host that writes and reads raw lines."""

    def __init__(self, **environment: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "loopin_mcp"],
            env=clean_environment(**environment),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            encoding="utf-8",
        )
        self._lines: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._ids = iter(range(1, 1000))
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self._lines.put(line)

    def write(self, line: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def read(self) -> Message:
        """The next line; every line on stdout has to be JSON-RPC."""
        message: Message = json.loads(self._lines.get(timeout=3 * PATIENCE_S))
        assert message["jsonrpc"] == "2.0"
        return message

    def send(self, method: str, params: Message | None = None) -> int:
        request_id = next(self._ids)
        message = {"jsonrpc": "2.0", "id": request_id, "method": method, "params": params or {}}
        self.write(json.dumps(message))
        return request_id

    def ask(self, method: str, params: Message | None = None) -> Message:
        request_id = self.send(method, params)
        answer = self.read()
        assert answer["id"] == request_id
        return answer

    def close(self) -> None:
        """End the process as a host does, or by force if it does not end."""
        assert self.process.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.close()
        try:
            self.process.wait(timeout=PATIENCE_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise
        self._reader.join(timeout=PATIENCE_S)
        for pipe in (self.process.stdin, self.process.stdout, self.process.stderr):
            assert pipe is not None
            # What was not sent before the process ended cannot be sent.
            with contextlib.suppress(BrokenPipeError):
                pipe.close()

    def end(self) -> tuple[str, str]:
        """Close stdin and wait; gives what else came on stdout, and stderr."""
        assert self.process.stdin is not None
        assert self.process.stderr is not None
        self.process.stdin.close()
        self.process.wait(timeout=PATIENCE_S)
        self._reader.join(timeout=PATIENCE_S)
        rest = []
        while not self._lines.empty():
            rest.append(self._lines.get())
        return "".join(rest), self.process.stderr.read()


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Host]]:
    hosts: list[Host] = []

    def start(**environment: str) -> Host:
        defaults = {"LOOPIN_DATA_DIR": str(tmp_path / "data"), "PORT": "0"}
        hosts.append(Host(**(defaults | environment)))
        return hosts[-1]

    yield start
    for host in hosts:
        host.close()


@pytest.fixture
def silent_url() -> Iterator[str]:
    """A server that takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"


def initialize(host: Host) -> Message:
    params = {
        "protocolVersion": LEGACY,
        "capabilities": {},
        "clientInfo": {"name": "raw-host", "version": "1"},
    }
    answer = host.ask("initialize", params)
    host.write('{"jsonrpc":"2.0","method":"notifications/initialized"}')
    assert answer["result"]["protocolVersion"] == LEGACY, answer
    return answer


def discover(host: Host) -> None:
    answer = host.ask("server/discover", {"_meta": ENVELOPE})
    assert MODERN in answer["result"]["supportedVersions"], answer


def call_modern(host: Host) -> None:
    listed = host.ask("tools/list", {"_meta": ENVELOPE})
    assert len(listed["result"]["tools"]) == 6, listed
    assert create(host, ENVELOPE)["agentId"] == "raw-host"


def call_legacy(host: Host) -> None:
    listed = host.ask("tools/list")
    assert len(listed["result"]["tools"]) == 6, listed
    assert create(host, None)["agentId"] == "raw-host"


def create(host: Host, envelope: Message | None) -> Message:
    """Create an interrupt and read it back."""
    meta = {"_meta": envelope} if envelope else {}
    arguments = {"action": "Pay", "context": {"amount": 1}, "userId": "u"}
    new = {"name": "create_interrupt", "arguments": arguments, **meta}
    created = host.ask("tools/call", new)["result"]["structuredContent"]
    read = {
        "name": "get_interrupt_status",
        "arguments": {"interruptId": created["interruptId"]},
        **meta,
    }
    status: Message = host.ask("tools/call", read)["result"]["structuredContent"]
    assert status["status"] == "pending"
    return status


ORDERS: dict[str, list[Callable[[Host], object]]] = {
    "initialize": [initialize, call_legacy],
    "discover, modern calls": [discover, call_modern],
    "discover, initialize": [discover, initialize, call_legacy],
    "discover twice, initialize": [discover, discover, initialize, call_legacy],
    "modern call at once": [call_modern],
    "initialize, modern calls": [initialize, call_modern, call_legacy],
    "discover, modern calls, initialize": [discover, call_modern, initialize, call_legacy],
}


@pytest.mark.parametrize("order", ORDERS)
def test_both_eras_are_served_in_any_order(start: Callable[..., Host], order: str) -> None:
    host = start()

    for step in ORDERS[order]:
        step(host)

    assert host.end() == ("", "")
    assert host.process.returncode == 0


def test_unenveloped_discover_is_refused_and_initialize_still_works(
    start: Callable[..., Host],
) -> None:
    host = start()

    refused = host.ask("server/discover")
    initialize(host)

    assert refused["error"]["code"] == -32601
    call_legacy(host)


def test_server_tells_who_it_is(start: Callable[..., Host]) -> None:
    result = initialize(start())["result"]

    assert result["serverInfo"]["name"] == "loopin-mcp"
    assert result["serverInfo"]["title"] == "LoopIn"
    assert result["serverInfo"]["websiteUrl"].startswith("https://")
    assert result["serverInfo"]["version"]
    assert len(result["instructions"].encode()) <= 2048


def test_requests_written_before_stdin_ends_are_answered(start: Callable[..., Host]) -> None:
    host = start()
    initialize(host)
    request_id = host.send("tools/call", {"name": "get_interrupt_analytics", "arguments": {}})

    stdout, _ = host.end()

    answer = json.loads(stdout)
    assert (answer["id"], answer["result"]["isError"]) == (request_id, False)


def test_lines_that_are_no_message_are_passed_over(start: Callable[..., Host]) -> None:
    host = start()

    lines = [
        "",
        "nonsense",
        "[]",
        "\ufeff",
        "\x00",
        "[" * 100_000,
        '{"jsonrpc":"2.0"}',
        '{"jsonrpc":"2.0","id":true,"method":"tools/list"}',
        '{"jsonrpc":"2.0","id":null,"method":"\\ud800"}',
        '{"jsonrpc":"2.0","id":1,"result":{}}',
        '{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":[1]}}',
    ]
    for line in lines:
        host.write(line)

    initialize(host)


def test_cancelled_call_closes_its_request_at_once_and_is_not_answered(
    start: Callable[..., Host],
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(3 * PATIENCE_S)
        host = start(LOOPIN_API_URL=f"http://127.0.0.1:{listener.getsockname()[1]}")
        initialize(host)
        arguments = {"name": "cancel_interrupt", "arguments": {"interruptId": "x"}}
        request_id = host.send("tools/call", arguments)
        connection, _ = listener.accept()
        with connection:
            connection.settimeout(PATIENCE_S)
            assert connection.recv(65536).startswith(b"DELETE /interrupts/x ")

            cancelled = {"requestId": request_id}
            note = {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": cancelled}
            host.write(json.dumps(note))

            assert connection.recv(1) == b""
    assert host.ask("ping")["result"] == {}


def test_modern_subscription_is_acknowledged_on_the_shared_pipe(
    start: Callable[..., Host],
) -> None:
    host = start()
    listen = {"_meta": ENVELOPE, "notifications": {"toolsListChanged": True}}

    host.send("subscriptions/listen", listen)

    assert host.read()["method"].startswith("notifications/")


def test_request_that_cannot_be_parsed_is_answered_by_its_id(start: Callable[..., Host]) -> None:
    host = start()
    initialize(host)
    deep = '{"a":' * 300 + "1" + "}" * 300

    host.write('{"jsonrpc":"2.0","id":"s","method":"tools/call","params":{"name":"\\ud800"}}')
    surrogate = host.read()
    host.write(f'{{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{{"arguments":{deep}}}}}')
    nested = host.read()
    host.write('{"jsonrpc":"2.0","id":8,"method":"tools/call","params":[]}')
    array = host.read()

    assert [answer["id"] for answer in (surrogate, nested, array)] == ["s", 7, 8]
    assert {answer["error"]["code"] for answer in (surrogate, nested, array)} == {-32600}


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


@pytest.mark.skipif(sys.platform == "win32", reason="pipes there have other sizes")
def test_end_comes_also_when_nobody_reads_stdout(tmp_path: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "loopin_mcp"],
        env=clean_environment(LOOPIN_DATA_DIR=str(tmp_path)),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    line = json.dumps(
        {"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {"_meta": ENVELOPE}}
    )

    # Forty lists of tools are more than a pipe holds.
    assert process.stdin is not None
    process.stdin.write((line + "\n").encode() * 40)
    process.stdin.close()

    process.wait(timeout=3 * PATIENCE_S)
    assert process.stdout is not None
    process.stdout.close()


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such signals")
def test_interrupt_key_ends_the_server_without_a_trace(start: Callable[..., Host]) -> None:
    host = start()
    initialize(host)

    host.process.send_signal(signal.SIGINT)

    host.process.wait(timeout=PATIENCE_S)
    assert host.process.stderr is not None
    assert host.process.stderr.read() == ""


def test_wrong_setting_does_not_stop_the_server_and_every_tool_says_what_to_mend(
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

    assert texts == {
        "LOOPIN_API_URL must be an http or https URL. Set it to the address of the LoopIn API, "
        "such as https://loopin.example.com."
    }


def test_copies_share_one_api_and_take_it_over_from_one_that_was_killed(
    start: Callable[..., Host],
) -> None:
    port = str(free_port())
    hosts = [start(PORT=port) for _ in range(3)]
    for host in hosts:
        initialize(host)
    created = create(hosts[0], None)

    read = {"name": "get_interrupt_status", "arguments": {"interruptId": created["interruptId"]}}
    before = [host.ask("tools/call", read)["result"]["structuredContent"] for host in hosts]
    hosts[0].process.kill()
    hosts[0].process.wait(timeout=PATIENCE_S)
    after = [host.ask("tools/call", read)["result"]["structuredContent"] for host in hosts[1:]]

    assert created["reviewUrl"].startswith(f"http://127.0.0.1:{port}/review/")
    assert [*before, *after] == [created] * 5


def test_unset_and_empty_variables_are_the_same(start: Callable[..., Host]) -> None:
    host = start(LOOPIN_API_URL="", LOOPIN_API_KEY=" ", LOOPIN_TOOLS="")

    initialize(host)

    call_legacy(host)


def test_no_file_in_the_working_directory_is_read(
    start: Callable[..., Host], silent_url: str, tmp_path: Path
) -> None:
    (tmp_path / ".env").write_text(f"LOOPIN_API_URL={silent_url}\n")
    before = Path.cwd()
    os.chdir(tmp_path)
    try:
        host = start()
    finally:
        os.chdir(before)

    initialize(host)

    call_legacy(host)
