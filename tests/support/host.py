"""An MCP host that drives the stdio server: a real process, raw lines, both protocol eras."""

import contextlib
import json
import os
import queue
import subprocess
import sys
import threading
from typing import Any

from tests.support import PATIENCE_S, START_TIMEOUT_S, clean_environment

MODERN = "2026-07-28"
LEGACY = "2025-11-25"
ENVELOPE = {
    "io.modelcontextprotocol/protocolVersion": MODERN,
    "io.modelcontextprotocol/clientInfo": {"name": "raw-host", "version": "1"},
    "io.modelcontextprotocol/clientCapabilities": {},
}
Message = dict[str, Any]


class Host:
    """An MCP host that writes and reads raw lines; it starts `python` with these arguments."""

    def __init__(self, *arguments: str, **environment: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, *(arguments or ("-m", "loopin_mcp"))],
            env=clean_environment(**environment),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            encoding="utf-8",
        )
        self._lines: queue.SimpleQueue[str] = queue.SimpleQueue()
        # The first is 0, as in many clients.
        self._ids = iter(range(1000))
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        # A program has to import all of itself before it says anything.
        self._patience_s: float = START_TIMEOUT_S

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self._lines.put(line)

    def write(self, line: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def write_bytes(self, data: bytes) -> None:
        assert self.process.stdin is not None
        os.write(self.process.stdin.fileno(), data)

    def read(self) -> Message:
        """The next line; every line on stdout has to be JSON-RPC."""
        message: Message = json.loads(self._lines.get(timeout=self._patience_s))
        self._patience_s = PATIENCE_S
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
        """End the process as a host does, or kill it if it does not end."""
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
            # If the process has ended, the rest cannot be sent.
            with contextlib.suppress(BrokenPipeError):
                pipe.close()

    def end(self) -> tuple[str, str]:
        """Close stdin and wait; returns the rest of stdout, and stderr."""
        assert self.process.stdin is not None
        assert self.process.stderr is not None
        self.process.stdin.close()
        self.process.wait(timeout=PATIENCE_S)
        self._reader.join(timeout=PATIENCE_S)
        rest = []
        while not self._lines.empty():
            rest.append(self._lines.get())
        return "".join(rest), self.process.stderr.read()


def initialize(host: Host, capabilities: Message | None = None) -> Message:
    params = {
        "protocolVersion": LEGACY,
        "capabilities": capabilities or {},
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
        "arguments": {"interruptId": created["interruptId"], "waitSeconds": 0},
        **meta,
    }
    status: Message = host.ask("tools/call", read)["result"]["structuredContent"]
    assert status["status"] == "pending"
    return status
