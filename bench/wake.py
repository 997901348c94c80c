"""How soon a waiting tool call returns after the decision, over stdio.

Compared in the same run with an API that ignores `Prefer: wait`, and so is polled.

    python bench/wake.py [samples]
"""

import json
import random
import subprocess
import sys
import threading
import time
from typing import Any

import httpx
from processes import API, ENVIRONMENT, PLAIN_API, Served, serving, share

POLLED_SAMPLES = 30
PAUSE_S = (0.02, 0.06)
# Long enough to find a poll at any point between two looks.
POLLED_PAUSE_S = (0.2, 6.0)


class Agent:
    """An MCP host with one stdio server, that writes and reads raw lines."""

    def __init__(self, api: Served) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "loopin_mcp"],
            env=ENVIRONMENT | {"LOOPIN_API_URL": api.url, "LOOPIN_USER_ID": "bench"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        client = {"name": "bench", "version": "1"}
        params = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": client}
        self._send({"id": 0, "method": "initialize", "params": params})
        self.read()
        self._send({"method": "notifications/initialized"})

    def call(self, name: str, **arguments: Any) -> None:  # noqa: ANN401 - JSON
        """Call a tool; `read` gives its answer."""
        params = {"name": name, "arguments": arguments}
        self._send({"id": 1, "method": "tools/call", "params": params})

    def read(self) -> tuple[Any, float]:
        """The next answer, and when it came."""
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        return json.loads(line)["result"], time.perf_counter()

    def close(self) -> None:
        """End the server."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()

    def _send(self, message: dict[str, Any]) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"jsonrpc": "2.0", **message}) + "\n")
        self._process.stdin.flush()


def wake(agent: Agent, human: httpx.Client, pause_s: float) -> float:
    """Milliseconds from the decision's answer to the answer of the call that waited for it."""
    agent.call("create_interrupt", action="Pay", context={"amount": 1})
    interrupt_id = agent.read()[0]["structuredContent"]["interruptId"]
    agent.call("get_interrupt_status", interruptId=interrupt_id, waitSeconds=45)
    decided_at = 0.0

    def decide() -> None:
        nonlocal decided_at
        time.sleep(pause_s)
        path = f"/interrupts/{interrupt_id}/decide"
        human.post(path, json={"decision": "approved"}).raise_for_status()
        decided_at = time.perf_counter()

    reviewer = threading.Thread(target=decide)
    reviewer.start()
    result, answered_at = agent.read()
    reviewer.join()
    assert result["structuredContent"]["approved"] is True
    return (answered_at - decided_at) * 1000


def measure(program: str, samples: int, pause_s: tuple[float, float]) -> list[float]:
    """The milliseconds of so many decisions."""
    with serving(program) as api, httpx.Client(base_url=api.url) as human:
        agent = Agent(api)
        try:
            return [wake(agent, human, random.uniform(*pause_s)) for _ in range(samples)]
        finally:
            agent.close()


def main() -> None:
    """Measure and print."""
    samples = int(sys.argv[1]) if len(sys.argv) > 1 else 500
    held = measure(API, samples, PAUSE_S)
    polled = measure(PLAIN_API, POLLED_SAMPLES, POLLED_PAUSE_S)
    print("From the decision's answer to the waiting tool call's answer, over stdio, in ms:")
    for name, found in (("held", held), ("polled (LoopIn 1.0)", polled)):
        figures = ", ".join(
            f"p{part * 100:.0f} {share(found, part):.1f}" for part in (0.5, 0.95, 0.99)
        )
        print(f"  {name:20} {figures}, most {max(found):.1f}  ({len(found)} decisions)")
    print(f"  polled / held at p50: {share(polled, 0.5) / max(share(held, 0.5), 0.1):.0f}")


main()
