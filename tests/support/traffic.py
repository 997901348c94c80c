"""Agents and reviewers who use any copy of the API that serves, and what was acknowledged."""

import random
from dataclasses import dataclass, field
from typing import Any

import anyio
import httpx

from tests.support import PATIENCE_S

WORKERS = 4
# A load, and not all that the machine can do: everything is checked in the end.
PACE_S = 0.2


@dataclass
class Traffic:
    """Requests and decisions through `copies`, as a load balancer sends them.

    A copy that answers 503 or takes no connection is passed over. `created` has the ids by the key
    of the request, `decided` the decisions by id; what is `doubtful` got no answer.
    """

    copies: list[str]
    created: dict[str, str] = field(default_factory=dict)
    decided: dict[str, str] = field(default_factory=dict)
    doubtful: set[str] = field(default_factory=set)
    stops: bool = False
    _progress: anyio.Event = field(default_factory=anyio.Event)

    async def flow(self) -> None:
        """Ask and decide until `stops` is set."""
        async with httpx.AsyncClient(timeout=PATIENCE_S) as http, anyio.create_task_group() as all_:
            for place in range(WORKERS):
                all_.start_soon(self._work, http, random.Random(place))  # noqa: S311 - a load

    async def until_more(self, count: int = 20) -> None:
        """Return once so many more requests were decided."""
        wanted = len(self.decided) + count
        with anyio.fail_after(PATIENCE_S):
            while len(self.decided) < wanted:
                await self._progress.wait()

    async def _work(self, http: httpx.AsyncClient, chance: random.Random) -> None:
        while not self.stops:
            await anyio.sleep(PACE_S)
            key = f"{chance.random()}"
            new = {"agentId": "a", "userId": "u", "action": "Pay", "context": {"key": key}}
            once = {"Idempotency-Key": f'"{key}"'}
            answer = await self._send(http, "POST", "/interrupts", json=new, headers=once)
            if answer is None:
                self.doubtful.add(key)
                continue
            assert answer.status_code in (200, 201), answer.text
            interrupt_id = self.created[key] = answer.json()["interruptId"]
            wanted = chance.choice(["approved", "rejected"])
            decide = f"/interrupts/{interrupt_id}/decide"
            answer = await self._send(http, "POST", decide, json={"decision": wanted})
            if answer is None:
                self.doubtful.add(interrupt_id)
                continue
            # Sent again after a 503, it may have been recorded the first time.
            assert answer.status_code in (200, 409), answer.text
            self.decided[interrupt_id] = wanted
            self._progress.set()
            self._progress = anyio.Event()

    async def _send(
        self,
        http: httpx.AsyncClient,
        method: str,
        path: str,
        **content: Any,  # noqa: ANN401 - of httpx
    ) -> httpx.Response | None:
        """The answer of a copy that serves; None if the request broke off."""
        with anyio.fail_after(PATIENCE_S):
            while True:
                for url in random.sample(self.copies, len(self.copies)):
                    try:
                        answer = await http.request(method, url + path, **content)
                    except httpx.ConnectError:
                        continue
                    except httpx.HTTPError:
                        return None
                    if answer.status_code != httpx.codes.SERVICE_UNAVAILABLE:
                        return answer
                await anyio.lowlevel.checkpoint()
