"""Kills APIs and their database at random moments, many times, and checks that nothing is lost.

python bench/crashes.py sqlite [rounds] [seed]
python bench/crashes.py postgresql [rounds] [seed]

Two APIs share the database; one or both are killed, and with PostgreSQL every third time that.
"""

import asyncio
import contextlib
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import httpx
from crashing import AT_ONCE, Agents, LostError, Question, Receiver
from processes import ENVIRONMENT
from servers import KillableAPI, PostgreSQLServer, postgresql

from loopin_mcp.api.database.steps import execute
from loopin_mcp.api.store.opening import open_database

LONGEST_S = 0.8
PATIENCE_S = 60.0
# A callback in progress usually ends within this time. One with a longer lease was taken by an API
# that was killed, or that is very slow.
UNDER_WAY_MS = 3000
LEASE_MS = 20_000


class Crashes:
    """Rounds of crashes on one database, which must lose nothing."""

    def __init__(
        self, settings: dict[str, str], server: PostgreSQLServer | None, logs: Path, seed: int
    ) -> None:
        self.seen: Counter[str] = Counter()
        self._settings = settings | {
            "CALLBACK_ALLOW": "127.0.0.0/8",
            "RATE_LIMIT": "999999999",
            "LOOPIN_BASE_URL": "http://127.0.0.1:3002",
        }
        self._server = server
        self._chance = random.Random(seed)
        self._receiver = Receiver(self._chance)
        self._questions: list[Question] = []
        self._apis = [KillableAPI(self._settings, logs / name) for name in ("a.log", "b.log")]

    async def run(self, rounds: int) -> None:
        """Crash this many times, and check everything after each crash and at the end.

        Raises:
            LostError: It is not.
        """
        callback_url = await self._receiver.serve()
        try:
            for number in range(rounds):
                agents = Agents(f"user-{number}", callback_url, self._chance)
                await self._crash(agents, of_server=number % 3 == 2)
                await self._check(agents)
                if number % 10 == 9:
                    print(f"{number + 1} rounds: {dict(self.seen)}", flush=True)
            await self._drain()
        finally:
            for api in self._apis:
                api.kill()
        self._receiver.check(self._questions)
        self._audit()
        self.seen["callbacks arrived"] = len(self._receiver.bodies)
        self.seen["of these once more after a crash"] = self._receiver.repeated

    async def _crash(self, agents: Agents, *, of_server: bool) -> None:
        async with asyncio.TaskGroup() as working:
            for place in range(AT_ONCE):
                working.create_task(agents.work(self._apis[place % 2].url))
            await asyncio.wait_for(agents.begun.wait(), PATIENCE_S)
            await asyncio.sleep(self._chance.uniform(0, LONGEST_S))
            if of_server and self._server:
                self._server.stop_at_once()
            else:
                for api in self._chance.sample(self._apis, self._chance.randint(1, 2)):
                    api.kill()
            await asyncio.sleep(0.05)
            agents.stops = True
        # Everything that the killed APIs had sent has arrived by now. The receiver keeps answering.
        self._receiver.epoch += 1
        if of_server and self._server:
            await asyncio.to_thread(self._server.start)
        for api in self._apis:
            if api.is_dead:
                await asyncio.to_thread(api.start)

    async def _check(self, agents: Agents) -> None:
        """Check that everything acknowledged exists, and repeated creates exist once."""
        questions = agents.questions
        self._questions += questions
        async with httpx.AsyncClient(base_url=self._apis[0].url, timeout=PATIENCE_S) as api:
            await self._until_usable(api)
            checks = iter(questions)
            async with asyncio.TaskGroup() as checking:
                for _ in range(AT_ONCE):
                    checking.create_task(self._check_each(api, agents, checks))
            user = questions[0].user
            count = (await api.get(f"/analytics/{user}")).json()["totalInterrupts"]
        if count != len(questions):
            raise LostError(f"{user} was asked {len(questions)} times and has {count}")
        await self._hurry()

    async def _check_each(
        self, api: httpx.AsyncClient, agents: Agents, questions: Iterator[Question]
    ) -> None:
        for question in questions:
            was_known, was_settled = bool(question.interrupt_id), question.is_settled
            was_stored = await agents.check(api, question, self._receiver)
            self.seen["creates acknowledged"] += was_known
            self.seen["creates in doubt"] += not was_known
            self.seen["of these stored"] += not was_known and was_stored
            self.seen["outcomes acknowledged"] += was_settled
            self.seen["uses acknowledged"] += question.is_used

    async def _until_usable(self, api: httpx.AsyncClient) -> None:
        deadline = time.monotonic() + PATIENCE_S
        while (answer := await api.get("/analytics/nobody")).status_code != 200:
            if time.monotonic() > deadline:
                raise LostError(f"the API does not recover: {answer.text}")
            await asyncio.sleep(0.1)

    async def _hurry(self) -> int:
        """Make callbacks due that killed APIs had taken; returns how many are not delivered yet."""
        now = time.time_ns() // 1_000_000
        database = await open_database(
            self._settings.get("DATABASE_URL"), Path(self._settings["LOOPIN_DATA_DIR"])
        )
        sql = """
            UPDATE deliveries SET due_ms = :now
            WHERE kind = 'callback' AND due_ms BETWEEN :now AND :latest
            RETURNING interrupt_id, tries
            """
        latest = now + LEASE_MS - UNDER_WAY_MS
        hurried = await execute(database, sql, now=now, latest=latest)
        for callback in hurried:
            self._receiver.excuse(str(callback["interrupt_id"]), int(str(callback["tries"])))
        [owed] = await database.read(
            "SELECT COUNT(*) AS count FROM deliveries WHERE kind = 'callback'"
        )
        await database.aclose()
        return int(str(owed["count"]))

    async def _drain(self) -> None:
        """Wait until all callbacks are delivered."""
        self._receiver.refuses = 0
        deadline = time.monotonic() + PATIENCE_S
        while owed := await self._hurry():
            if time.monotonic() > deadline:
                raise LostError(f"{owed} callbacks are not delivered")
            await asyncio.sleep(0.5)

    def _audit(self) -> None:
        """Check that every chain is intact and contains the head of each callback."""
        with tempfile.NamedTemporaryFile() as heads:
            Path(heads.name).write_bytes(b"\n".join(self._receiver.bodies))
            command = [sys.executable, "-m", "loopin_mcp", "audit", "verify"]
            audit = subprocess.run(
                [*command, "--heads", heads.name],
                env=ENVIRONMENT | self._settings,
                capture_output=True,
                text=True,
                check=False,
            )
        print(audit.stdout, end="")
        if audit.returncode:
            raise LostError(audit.stderr)


def main() -> None:
    """Run the rounds, and print the results."""
    kind, rounds, seed = (*sys.argv[1:], "100", str(time.time_ns()), "")[:3]
    if kind not in ("sqlite", "postgresql"):
        sys.exit(__doc__)
    with contextlib.ExitStack() as stack:
        place = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        server = stack.enter_context(postgresql()) if kind == "postgresql" else None
        settings = {"LOOPIN_DATA_DIR": str(place)}
        if server:
            settings["DATABASE_URL"] = server.url
        crashes = Crashes(settings, server, place, int(seed))
        try:
            asyncio.run(crashes.run(int(rounds)))
        except LostError:
            print(*(log.read_text() for log in place.glob("*.log")), sep="\n")
            raise
    for what, count in crashes.seen.items():
        print(f"{count:>8,} {what}")
    print(f"{rounds} crashes on {kind}: nothing lost, nothing sent twice without a crash")


if __name__ == "__main__":
    main()
