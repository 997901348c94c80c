"""The cost of thousands of waits on one API process, and how soon they are woken.

python bench/crowd.py [waiting agents]
"""

import asyncio
import json
import resource
import sys
import time
from collections.abc import Awaitable, Callable, Iterable
from itertools import cycle

from processes import Served, serving

from wire import Connection

DECIDERS = 20
AT_ONCE = 200
IDLE_S = 10
WAIT_S = 60
# One user can have at most 1,000 pending interrupts.
USERS = 100
# The API sends 100 when it starts to wait for a disconnect.
ONCE_IT_WAITS = ("Expect: 100-continue", "Content-Length: 1")
BODY = {"agentId": "bench", "userId": "bench", "action": "Pay", "context": {"amount": 1}}


async def shared_out(
    api: Served, connections: int, tasks: Iterable[Callable[[Connection], Awaitable[None]]]
) -> None:
    """Run all tasks on this many connections."""
    todo = iter(list(tasks))

    async def work() -> None:
        connection = await Connection.open(api)
        for task in todo:
            await task(connection)
        connection.close()

    await asyncio.gather(*(work() for _ in range(connections)))


async def create(api: Served, count: int) -> list[str]:
    """Create this many interrupts; returns their ids."""
    ids: list[str] = []
    users = cycle(range(USERS))

    async def one(connection: Connection) -> None:
        user = f"bench-{next(users)}"
        status, body = await connection.ask("POST", "/interrupts", BODY | {"userId": user})
        assert status == 201
        ids.append(json.loads(body)["interruptId"])

    await shared_out(api, DECIDERS, [one] * count)
    return ids


async def decide(api: Served, ids: list[str]) -> float:
    """Decide all of these; returns the time of the last answer."""

    def decision_on(interrupt_id: str) -> Callable[[Connection], Awaitable[None]]:
        async def one(connection: Connection) -> None:
            path = f"/interrupts/{interrupt_id}/decide"
            status, _ = await connection.ask("POST", path, {"decision": "approved"})
            assert status == 200

        return one

    await shared_out(api, DECIDERS, map(decision_on, ids))
    return time.perf_counter()


async def hold(api: Served, ids: list[str]) -> list[Connection]:
    """Open a connection for each of these that waits for it."""
    waiting: list[Connection] = []

    async def one(interrupt_id: str) -> None:
        connection = await Connection.open(api)
        path = f"/interrupts/{interrupt_id}"
        connection.send("GET", path, None, f"Prefer: wait={WAIT_S}", *ONCE_IT_WAITS)
        await connection.waits()
        waiting.append(connection)

    for start in range(0, len(ids), AT_ONCE):
        await asyncio.gather(*map(one, ids[start : start + AT_ONCE]))
    return waiting


async def woken(waiting: list[Connection]) -> tuple[int, float]:
    """How many received the approval, and when the last one did."""
    count, last = 0, 0.0

    async def one(connection: Connection) -> None:
        nonlocal count, last
        status, body = await connection.read()
        if status == 200 and json.loads(body)["status"] == "approved":
            count += 1
            last = time.perf_counter()
        connection.close()

    await asyncio.gather(*map(one, waiting))
    return count, last


async def idle_cpu_share(api: Served) -> float:
    """The share of one processor that the idle API uses."""
    before = api.cpu_s
    await asyncio.sleep(IDLE_S)
    return (api.cpu_s - before) / IDLE_S


async def each_its_own(count: int) -> None:
    """Measure agents that wait for one interrupt each; all are decided in a burst."""
    with serving() as api:
        fresh_kb, fresh_cpu = api.memory_kb, await idle_cpu_share(api)
        ids = await create(api, count)
        created_kb = api.memory_kb
        waiting = await hold(api, ids)
        waiting_kb, waiting_cpu = api.memory_kb, await idle_cpu_share(api)
        # Agents that leave free their places.
        waiting, leaving = waiting[count // 10 :], waiting[: count // 10]
        for connection in leaving:
            connection.close()
        began = time.perf_counter()
        (told, last), decided = await asyncio.gather(woken(waiting), decide(api, ids))
    print(f"{count} agents wait, each for its own interrupt:")
    print(f"  memory: {(waiting_kb - fresh_kb) / count:.1f} KiB each beyond the fresh process,")
    print(f"    {(waiting_kb - created_kb) / count:.1f} KiB beyond what creating them took")
    print(f"  processor while nothing happens: {waiting_cpu:.2%} (nobody waits: {fresh_cpu:.2%})")
    print(f"  a tenth went away; of {len(waiting)} others {told} woken with the decision")
    print(f"  deciding all took {decided - began:.2f} s; last woken {last - decided:+.2f} s after")


async def all_for_one(count: int) -> None:
    """Measure agents that all wait for the same interrupt."""
    with serving() as api:
        [interrupt_id] = await create(api, 1)
        waiting = await hold(api, [interrupt_id] * count)
        (told, last), decided = await asyncio.gather(woken(waiting), decide(api, [interrupt_id]))
    print(f"{count} agents wait for the same interrupt:")
    print(f"  {told} woken, the last {last - decided:+.2f} s after the decision's answer")


async def main() -> None:
    """Measure and print."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    await each_its_own(count)
    await all_for_one(count)


if __name__ == "__main__":
    asyncio.run(main())
