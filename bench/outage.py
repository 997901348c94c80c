"""Takes PostgreSQL away from two copies of the API under load, and measures what clients see.

python bench/outage.py [stopped|stuck] [seconds]

`stopped` stops the server at once, as a crash does, and starts it again; `stuck` suspends its
processes, so that connections stay open and nothing answers.
"""

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import time
import uuid
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import httpx
from processes import ENVIRONMENT, share
from servers import KillableAPI, PostgreSQLServer

BEFORE_S = 5.0
LIMIT_S = 120.0
WAIT_S = 20
USER = "outage"


@dataclass
class Seen:
    """The answers to one kind of call: when they were asked for, how long it took, the status."""

    answers: list[tuple[float, float, int]] = field(default_factory=list)
    lacking: int = 0

    def during(self, begun: float, ended: float) -> list[tuple[float, int]]:
        """The answers that were asked for, or came, in this time."""
        return [
            (took, status)
            for asked, took, status in self.answers
            if asked + took > begun and asked < ended
        ]

    def recovered_s(self, ended: float) -> float:
        """How long after the outage the last failure came."""
        failed = [asked + took - ended for asked, took, status in self.answers if status >= 500]
        return max(0.0, *failed, 0.0)


class Outage:
    """A load on two copies, an outage of their database, and its consequences."""

    def __init__(self, urls: list[str]) -> None:
        self.seen: dict[str, Seen] = {}
        self.created: dict[str, str] = {}
        self.decided: dict[str, str] = {}
        self.doubtful: set[str] = set()
        self.stops = False
        self._urls = urls

    async def load(self) -> None:
        """Use both copies in every way until `stops` is set."""
        async with httpx.AsyncClient(timeout=LIMIT_S) as http, asyncio.TaskGroup() as tasks:
            for url in self._urls:
                tasks.create_task(self._probe(http, url))
                for _ in range(4):
                    tasks.create_task(self._ask(http, url))
                for _ in range(10):
                    tasks.create_task(self._wait(http, url))

    async def _call(
        self, kind: str, request: httpx.Request, http: httpx.AsyncClient
    ) -> httpx.Response | None:
        asked = time.monotonic()
        seen = self.seen.setdefault(kind, Seen())
        try:
            answer = await http.send(request)
        except httpx.HTTPError:
            seen.answers.append((asked, time.monotonic() - asked, 599))
            return None
        seen.answers.append((asked, time.monotonic() - asked, answer.status_code))
        seen.lacking += answer.status_code == 503 and "retry-after" not in answer.headers
        return answer

    async def _probe(self, http: httpx.AsyncClient, url: str) -> None:
        while not self.stops:
            for path in ("health", "ready", f"interrupts/pending/{USER}"):
                kind = path.partition("/")[0]
                await self._call(kind, http.build_request("GET", f"{url}/{path}"), http)
            await asyncio.sleep(0.2)

    async def _ask(self, http: httpx.AsyncClient, url: str) -> None:
        while not self.stops:
            key = str(uuid.uuid4())
            new = {"agentId": "a", "userId": USER, "action": "Pay", "context": {"key": key}}
            once = {"Idempotency-Key": f'"{key}"'}
            create = http.build_request("POST", f"{url}/interrupts", json=new, headers=once)
            answer = await self._call("create", create, http)
            if answer is None or answer.status_code != 201:
                self.doubtful.add(key)
                await asyncio.sleep(0.1)
                continue
            interrupt_id = self.created[key] = str(answer.json()["interruptId"])
            path = f"{url}/interrupts/{interrupt_id}/decide"
            decide = http.build_request("POST", path, json={"decision": "approved"})
            answer = await self._call("decide", decide, http)
            if answer is not None and answer.status_code == 200:
                self.decided[interrupt_id] = "approved"
            await asyncio.sleep(0.05)

    async def _wait(self, http: httpx.AsyncClient, url: str) -> None:
        new = {"agentId": "a", "userId": "waits", "action": "Pay", "context": {}}
        created = await http.post(f"{url}/interrupts", json=new)
        path = f"{url}/interrupts/{created.json()['interruptId']}"
        held = {"Prefer": f"wait={WAIT_S}"}
        while not self.stops:
            answer = await self._call("wait", http.build_request("GET", path, headers=held), http)
            if answer is None or answer.status_code != 200:
                await asyncio.sleep(1)

    async def check(self) -> tuple[int, int, int]:
        """How many acknowledged creates and decisions are lost, and creates stored twice."""
        lost = undone = 0
        async with httpx.AsyncClient(base_url=self._urls[0], timeout=LIMIT_S) as api:
            for interrupt_id in self.created.values():
                answer = await api.get(f"/interrupts/{interrupt_id}")
                lost += answer.status_code != 200
                known = self.decided.get(interrupt_id)
                undone += known is not None and answer.json().get("status") != known
            count = (await api.get(f"/analytics/{USER}")).json()["totalInterrupts"]
            for key in self.doubtful:
                new = {"agentId": "a", "userId": USER, "action": "Pay", "context": {"key": key}}
                once = {"Idempotency-Key": f'"{key}"'}
                (await api.post("/interrupts", json=new, headers=once)).raise_for_status()
            at_end = (await api.get(f"/analytics/{USER}")).json()["totalInterrupts"]
        print(f"stored although not acknowledged: {count - len(self.created)}")
        return lost, undone, at_end - len(self.created) - len(self.doubtful)


@contextlib.contextmanager
def suspended(home: Path) -> Iterator[None]:
    """The server's processes do nothing in this block."""
    main = int((home / "data" / "postmaster.pid").read_text().split()[0])
    children = Path(f"/proc/{main}/task/{main}/children").read_text()
    pids = [main, *map(int, children.split())]
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)


async def take_away(
    server: PostgreSQLServer, kind: str, seconds: float, home: Path
) -> tuple[float, float]:
    """Let the server be away for so long; returns when that began and when it ended."""
    begun = time.monotonic()
    if kind == "stuck":
        with suspended(home / "server"):
            await asyncio.sleep(seconds)
    else:
        await asyncio.to_thread(server.stop_at_once)
        await asyncio.sleep(seconds)
        await asyncio.to_thread(server.start)
    return begun, time.monotonic()


async def run(kind: str, seconds: float, server: PostgreSQLServer, home: Path) -> None:
    """Measure one outage, and print what was seen."""
    settings = {"LOOPIN_DATA_DIR": str(home), "DATABASE_URL": server.url, "RATE_LIMIT": "999999999"}
    apis = [KillableAPI(settings, home / f"{name}.log") for name in ("a", "b")]
    outage = Outage([api.url for api in apis])
    try:
        load = asyncio.create_task(outage.load())
        await asyncio.sleep(BEFORE_S)
        begun, ended = await take_away(server, kind, seconds, home)
        await asyncio.sleep(WAIT_S + 10)
        outage.stops = True
        await load
        report(outage, begun, ended)
        lost, undone, twice = await outage.check()
        print(f"creates lost: {lost}, decisions lost: {undone}, creates stored twice: {twice}")
        if lost or undone or twice:
            sys.exit(1)
    finally:
        for api in apis:
            api.kill()
        print((home / "a.log").read_text())


def report(outage: Outage, begun: float, ended: float) -> None:
    """Print what each kind of call got during the outage, and when it was over for it."""
    print(f"outage of {ended - begun:.1f} s")
    for kind, seen in outage.seen.items():
        during = seen.during(begun, ended)
        took = [took for took, _ in during] or [0.0]
        statuses = dict(Counter(status for _, status in during))
        print(
            f"{kind:>10}: {len(during):>5} calls {statuses}, half within {share(took, 0.5):.2f} s, "
            f"all within {max(took):.2f} s, without Retry-After {seen.lacking}, "
            f"last failure {seen.recovered_s(ended):.2f} s after its end"
        )


def main() -> None:
    """Measure the outage that the command line names."""
    kind, seconds = [*sys.argv[1:], *["stopped", "60"][len(sys.argv) - 1 :]][:2]
    if kind not in ("stopped", "stuck"):
        sys.exit(__doc__)
    with tempfile.TemporaryDirectory() as place:
        home = Path(place)
        home.chmod(0o755)
        (home / "server").mkdir()
        server = PostgreSQLServer(home / "server")
        try:
            asyncio.run(run(kind, float(seconds), server, home))
            audit = [sys.executable, "-m", "loopin_mcp", "audit", "verify"]
            subprocess.run(audit, env=ENVIRONMENT | {"DATABASE_URL": server.url}, check=True)
        finally:
            server.stop_at_once()


if __name__ == "__main__":
    main()
