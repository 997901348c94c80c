"""What the MCP server adds to the API, beside bare servers that do nothing or one HTTP call.

python bench/stdio.py [rounds] [--api URL] [--beside COMMAND]...
"""

import argparse
import json
import shlex
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from statistics import median
from typing import Any

from processes import ENVIRONMENT, Served, share
from rest import served

BARE = Path(__file__).with_name("bare.py")
FLOOR = Path(__file__).with_name("floor.py")
TURNS = 8
STATUSES = 25
CREATES = 100
WARM_UP = 20
NEW = {"action": "Pay", "context": {"amount": 1, "to": "ACME"}}
# The figures of each server.
Round = dict[str, dict[str, float]]
OURS, PLAIN, CALLING = "loopin-mcp", "bare MCPServer", "bare with httpx"


class Server:
    """A stdio MCP server, which gets and sends raw JSON lines."""

    def __init__(self, command: list[str], settings: dict[str, str]) -> None:
        started = time.perf_counter()
        self._process = subprocess.Popen(
            command,
            # With its bytecode, like an installed package.
            env=ENVIRONMENT | settings | {"PYTHONDONTWRITEBYTECODE": ""},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        client = {"name": "bench", "version": "1"}
        params = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": client}
        self.answer("initialize", params)
        self.start_ms = (time.perf_counter() - started) * 1000
        self._write(line("notifications/initialized"))
        self.answer("tools/list", {})
        self.list_ms = (time.perf_counter() - started) * 1000
        self.start_mb = self.memory_mb

    @property
    def memory_mb(self) -> float:
        """Its resident memory."""
        return Served("", self._process.pid).memory_kb / 1024

    def answer(self, method: str, params: dict[str, Any]) -> Any:  # noqa: ANN401 - JSON
        """The result of one request."""
        self._write(line(method, params, 0))
        return self._read()

    def call(self, name: str, **arguments: Any) -> Any:  # noqa: ANN401 - JSON
        """The structured content of one tool call."""
        return self.answer("tools/call", {"name": name, "arguments": arguments})[
            "structuredContent"
        ]

    def statuses(self, count: int) -> list[float]:
        """The milliseconds of so many status calls, one after the other."""
        interrupt_id = self.call("create_interrupt", **NEW)["interruptId"]
        asked = {"interruptId": interrupt_id, "waitSeconds": 0}
        request = line("tools/call", {"name": "get_interrupt_status", "arguments": asked}, 0)
        found = []
        for _ in range(count):
            started = time.perf_counter()
            self._write(request)
            answer = self._line()
            found.append((time.perf_counter() - started) * 1000)
            assert b'"pending"' in answer, answer
        return found

    def creates(self, count: int) -> float:
        """The milliseconds until so many creates, sent at once, are all answered."""
        params = {"name": "create_interrupt", "arguments": NEW}
        requests = b"".join(line("tools/call", params, number) for number in range(count))
        started = time.perf_counter()
        self._write(requests)
        answers = [self._line() for _ in range(count)]
        taken_ms = (time.perf_counter() - started) * 1000
        assert all(b'"pending"' in answer for answer in answers), answers
        return taken_ms

    def close(self) -> None:
        """End the server."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()

    def _write(self, text: bytes) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(text)
        self._process.stdin.flush()

    def _line(self) -> bytes:
        assert self._process.stdout is not None
        return self._process.stdout.readline()

    def _read(self) -> Any:  # noqa: ANN401 - JSON
        """The next result; others than answers, such as log notifications, are skipped."""
        while "id" not in (message := json.loads(self._line())):
            pass
        return message["result"]


def line(method: str, params: dict[str, Any] | None = None, number: int | None = None) -> bytes:
    """A JSON-RPC message."""
    message: dict[str, Any] = {"jsonrpc": "2.0", "method": method, "params": params or {}}
    if number is not None:
        message["id"] = number
    return json.dumps(message).encode() + b"\n"


def measure(commands: dict[str, list[str]], settings: dict[str, str]) -> Round:
    """One round: all servers start, and then are called in turn."""
    servers = {name: Server(command, settings) for name, command in commands.items()}
    status: dict[str, list[float]] = {name: [] for name in servers}
    creates: dict[str, list[float]] = {name: [] for name in servers}
    try:
        for server in servers.values():
            server.statuses(WARM_UP)
        for _ in range(TURNS):
            for name, server in servers.items():
                status[name] += server.statuses(STATUSES)
            for name, server in servers.items():
                creates[name].append(server.creates(CREATES))
        return {
            name: {
                "start, ms": server.start_ms,
                "start to tools/list, ms": server.list_ms,
                "status p50, ms": share(status[name], 0.5),
                "status p99, ms": share(status[name], 0.99),
                f"{CREATES} creates, ms": median(creates[name]),
                "resident after start, MB": server.start_mb,
                "resident after calls, MB": server.memory_mb,
            }
            for name, server in servers.items()
        }
    finally:
        for server in servers.values():
            server.close()


def embedded_mb() -> float:
    """The resident memory of the MCP server with its own API, after some calls."""
    with tempfile.TemporaryDirectory() as data_dir:
        settings = {"LOOPIN_DATA_DIR": data_dir, "LOOPIN_PORT": "0", "LOOPIN_OPEN_REVIEW": "off"}
        server = Server(
            [sys.executable, "-m", "loopin_mcp"], settings | {"LOOPIN_USER_ID": "bench"}
        )
        try:
            server.statuses(1)
            return server.memory_mb
        finally:
            server.close()


def print_table(rounds: list[Round]) -> None:
    """Medians of all rounds, and ours as a multiple of each other's, from least to most."""
    names = list(rounds[0])
    print(f"{'':27}" + "".join(f"{name[:18]:>19}" for name in names))
    for figure in rounds[0][OURS]:
        values = [median(each[name][figure] for each in rounds) for name in names]
        print(f"{figure:27}" + "".join(f"{value:19.2f}" for value in values))
    for name in names[1:]:
        print(f"\n{OURS} / {name}, median (least to most) of {len(rounds)} rounds:")
        for figure in rounds[0][OURS]:
            ratios = sorted(each[OURS][figure] / each[name][figure] for each in rounds)
            print(f"  {figure:27}{median(ratios):6.2f} ({ratios[0]:.2f} to {ratios[-1]:.2f})")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("rounds", nargs="?", type=int, default=7)
    parser.add_argument("--api", help="the URL of a running API, instead of bench/floor.py")
    parser.add_argument("--beside", action="append", default=[], metavar="COMMAND")
    given = parser.parse_args()
    servers = {
        OURS: [sys.executable, "-m", "loopin_mcp"],
        PLAIN: [sys.executable, str(BARE)],
        CALLING: [sys.executable, str(BARE), "httpx"],
    } | {command: shlex.split(command) for command in given.beside}
    with ExitStack() as stack:
        api = given.api or stack.enter_context(served([sys.executable, str(FLOOR)], {}))
        settings = {"LOOPIN_API_URL": api, "LOOPIN_USER_ID": "bench"}
        rounds = [measure(servers, settings) for _ in range(given.rounds)]
    print_table(rounds)
    print(f"\nResident with the embedded API, MB: {embedded_mb():.1f}")


main()
