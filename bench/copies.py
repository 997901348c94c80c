"""How soon a decision on one API process wakes an agent that waits on another one.

Both share a PostgreSQL database, or with `sqlite` a SQLite file.

    python bench/copies.py [postgresql|sqlite] [waiting agents]
"""

import asyncio
import random
import sys
import tempfile
import time
from contextlib import ExitStack

from crowd import create, hold
from processes import Served, serving, share
from servers import postgresql

from wire import Connection

WAITING = 400
PAUSE_S = (0.005, 0.02)


async def wakes(here: Served, there: Served, waiting: int) -> list[float]:
    """Milliseconds from each decision's answer `there` to the agent's `here`."""
    ids = await create(here, waiting)
    agents = {interrupt_id: (await hold(here, [interrupt_id]))[0] for interrupt_id in ids}
    reviewer, chance = await Connection.open(there), random.Random(1)
    times = []
    for interrupt_id in chance.sample(ids, len(ids)):
        await asyncio.sleep(chance.uniform(*PAUSE_S))
        woken = asyncio.create_task(_woken(agents[interrupt_id]))
        path = f"/interrupts/{interrupt_id}/decide"
        status, _ = await reviewer.ask("POST", path, {"decision": "approved"})
        assert status == 200
        decided_at = time.perf_counter()
        times.append(max(0.0, await woken - decided_at) * 1000)
    return times


async def _woken(agent: Connection) -> float:
    status, body = await agent.read()
    assert status == 200
    assert b'"approved"' in body
    return time.perf_counter()


def main() -> None:
    """Start two processes on one database, and print how soon agents woke."""
    kind = sys.argv[1] if len(sys.argv) > 1 else "postgresql"
    waiting = int(sys.argv[2]) if len(sys.argv) > 2 else WAITING
    with ExitStack() as stack:
        if kind == "sqlite":
            url = f"sqlite:///{stack.enter_context(tempfile.TemporaryDirectory())}/shared.db"
        else:
            url = stack.enter_context(postgresql()).url
        here, there = (stack.enter_context(serving(DATABASE_URL=url)) for _ in range(2))
        times = asyncio.run(wakes(here, there, waiting))
    print(
        f"{waiting} agents wait on one process, decisions on another one ({kind}): "
        f"p50 {share(times, 0.5):.1f} ms, p99 {share(times, 0.99):.1f} ms"
    )


if __name__ == "__main__":
    main()
