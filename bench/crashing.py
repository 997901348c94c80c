"""Agents, reviewers and a receiver while the API crashes, and what was acknowledged to them."""

import asyncio
import contextlib
import json
import random
import uuid
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

import httpx

from loopin_mcp.api.audit.trail import chain_fault
from loopin_mcp.wire.models import Event

AT_ONCE = 16
HOST = "127.0.0.1"


class LostError(Exception):
    """Something acknowledged is missing, or something happened twice."""


@dataclass
class Question:
    """A create with a key: its id and outcome, as far as they were acknowledged."""

    user: str
    key: str = field(default_factory=lambda: str(uuid.uuid4()))
    interrupt_id: str = ""
    wanted: str = ""
    is_settled: bool = False
    is_used: bool = False
    status: str = ""
    # The number of callbacks that had arrived when the success of this one was found recorded.
    told_at: int | None = None


class Receiver:
    """Receives callbacks and records them; refuses one in ten."""

    def __init__(self, chance: random.Random) -> None:
        self.arrivals: list[tuple[str, int]] = []
        self.bodies: list[bytes] = []
        self.epoch = 0
        self.refuses = 0.1
        self._chance = chance
        self._taken: Counter[tuple[str, int]] = Counter()
        self._refused: Counter[str] = Counter()
        self._excused: Counter[str] = Counter()

    async def serve(self) -> str:
        """Start to listen; returns the URL."""
        server = await asyncio.start_server(self._answer, HOST, 0)
        return f"http://{HOST}:{server.sockets[0].getsockname()[1]}/"

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            head = await reader.readuntil(b"\r\n\r\n")
            length = int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0])
            status = self._status_for(await reader.readexactly(length))
            writer.write(
                f"HTTP/1.1 {status} -\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".encode()
            )
            await writer.drain()
        writer.close()

    def _status_for(self, body: bytes) -> int:
        interrupt_id = json.loads(body)["interruptId"]
        self.arrivals.append((interrupt_id, self.epoch))
        if self._chance.random() < self.refuses:
            self._refused[interrupt_id] += 1
            return 500
        self.bodies.append(body)
        self._taken[interrupt_id, self.epoch] += 1
        return 200

    def excuse(self, interrupt_id: str, tries: int) -> None:
        """Allow one more arrival of a callback that was taken from an API that was sending it.

        If all tries were refused, none is under way any more.
        """
        self._excused[interrupt_id] += tries > self._refused[interrupt_id]

    @property
    def repeated(self) -> int:
        """How many callbacks arrived again after a crash."""
        return self._taken.total() - len({interrupt_id for interrupt_id, _ in self._taken})

    def check(self, questions: Iterable[Question]) -> None:
        """Check that every outcome arrived, and did not arrive again once that was recorded.

        Raises:
            LostError: One was not, or was.
        """
        arrived = {interrupt_id for interrupt_id, _ in self._taken}
        last = {interrupt_id: place for place, (interrupt_id, _) in enumerate(self.arrivals)}
        for question in questions:
            if question.status in ("approved", "rejected") and question.interrupt_id not in arrived:
                raise LostError(f"no callback came of {question}")
            if question.told_at is not None and last[question.interrupt_id] >= question.told_at:
                raise LostError(f"a callback came again after its success was recorded: {question}")
        excused = self._excused
        if twice := [taken for taken, n in self._taken.items() if n > 1 + excused[taken[0]]]:
            raise LostError(f"callbacks came twice without a crash in between: {twice}")


class Agents:
    """Create and decide as fast as possible until `stops` is set; record what is acknowledged."""

    def __init__(self, user: str, callback_url: str, chance: random.Random) -> None:
        self.questions: list[Question] = []
        self.begun = asyncio.Event()
        self.stops = False
        self._user = user
        self._callback_url = callback_url
        self._chance = chance

    async def work(self, url: str) -> None:
        """Be one agent, and one human who decides."""
        async with httpx.AsyncClient(base_url=url) as api:
            while not self.stops:
                question = Question(self._user)
                self.questions.append(question)
                try:
                    await self._ask_and_decide(api, question)
                except httpx.HTTPError:
                    await asyncio.sleep(0.02)

    async def ask(self, api: httpx.AsyncClient, question: Question) -> httpx.Response:
        """Send a create, for the first time or again."""
        new = {
            "agentId": "agent",
            "userId": question.user,
            "action": "Pay",
            "context": {"key": question.key},
            "callbackUrl": self._callback_url,
        }
        return await api.post(
            "/interrupts", json=new, headers={"Idempotency-Key": f'"{question.key}"'}
        )

    async def _ask_and_decide(self, api: httpx.AsyncClient, question: Question) -> None:
        answer = await self.ask(api, question)
        if answer.status_code != 201:
            return
        question.interrupt_id = answer.json()["interruptId"]
        self.begun.set()
        path = f"/interrupts/{question.interrupt_id}"
        question.wanted = self._chance.choice(["approved", "rejected", "cancelled", ""])
        if question.wanted == "cancelled":
            answer = await api.delete(path)
        elif question.wanted:
            answer = await api.post(f"{path}/decide", json={"decision": question.wanted})
        question.is_settled = bool(question.wanted) and answer.status_code == 200
        if question.is_settled and question.wanted == "approved":
            question.is_used = (await api.post(f"{path}/use")).status_code == 200

    async def check(self, api: httpx.AsyncClient, question: Question, receiver: Receiver) -> bool:
        """Whether a create whose answer was lost had been stored; all others must exist.

        Raises:
            LostError: It is not as it was acknowledged.
        """
        was_stored = True
        if not question.interrupt_id:
            answer = await self.ask(api, question)
            question.interrupt_id = answer.json()["interruptId"]
            was_stored = "Idempotency-Replayed" in answer.headers
        path = f"/interrupts/{question.interrupt_id}"
        answer, events = await api.get(path), await api.get(f"{path}/events")
        if (answer.status_code, events.status_code) != (200, 200):
            raise LostError(f"{question}: {answer.text} {events.text}")
        chain = [Event.model_validate(event) for event in events.json()]
        question.status = answer.json()["status"]
        known = {question.wanted} if question.is_settled else {question.wanted, "pending"}
        if question.status not in known or chain_fault(chain, None):
            raise LostError(f"{question} should be {known}: {chain_fault(chain, None)}")
        if any(event.type == "callback-delivered" for event in chain):
            question.told_at = len(receiver.arrivals)
        if question.status == "approved":
            await self._check_use(api, question)
        return was_stored

    async def _check_use(self, api: httpx.AsyncClient, question: Question) -> None:
        """Check that an approval can be used now if nobody has used it, and not again."""
        path = f"/interrupts/{question.interrupt_id}"
        was_used = "usedAt" in (await api.get(path)).json()
        uses = [(await api.post(f"{path}/use")).status_code for _ in range(2)]
        if uses != [409 if was_used else 200, 409] or (question.is_used and not was_used):
            raise LostError(f"{question} was used before ({was_used}), and then got {uses}")
