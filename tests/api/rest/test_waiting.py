"""Held requests: answered at the change, and at the moment of expiry."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import anyio
import httpx
import pytest

from loopin_mcp import Decision, Interrupt
from loopin_mcp.api.database.rows import Stored
from loopin_mcp.api.database.steps import Database
from loopin_mcp.api.rest.waiting import wait_for_settled
from loopin_mcp.api.store.store import Store
from tests.support import AGENT, PATIENCE_S, PUBLIC_URL, REVIEWER, Clock, new_interrupt
from tests.support.questions import create
from tests.support.waiters import never, until_waited_for

APPROVED = Decision(decision="approved")
NONE = "00000000-0000-4000-8000-000000000000"


@asynccontextmanager
async def held(
    api: httpx.AsyncClient, store: Store, interrupt_id: str, prefer: str = "wait=30"
) -> AsyncIterator[list[httpx.Response]]:
    """Hold a request during the block; afterwards its answer is in the list."""
    answers: list[httpx.Response] = []

    async def ask() -> None:
        url = f"/interrupts/{interrupt_id}"
        answers.append(await api.get(url, headers={"Prefer": prefer}))

    with anyio.fail_after(PATIENCE_S):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(ask)
            await until_waited_for(store)
            assert answers == []
            yield answers


@pytest.mark.parametrize(
    ("change", "status"),
    [
        (lambda store, id_: store.decide_interrupt(id_, APPROVED, REVIEWER), "approved"),
        (lambda store, id_: store.cancel_interrupt(id_, AGENT), "cancelled"),
    ],
)
async def test_held_request_is_answered_by_the_change(
    api: httpx.AsyncClient,
    sqlite_store: Store,
    change: Callable[[Store, str], Awaitable[object]],
    status: str,
) -> None:
    interrupt_id = (await create(api))["interruptId"]

    async with held(api, sqlite_store, interrupt_id) as answers:
        await change(sqlite_store, interrupt_id)

    [answer] = answers
    assert (answer.status_code, answer.json()["status"]) == (200, status)
    assert answer.headers["Preference-Applied"] == "wait=30"
    assert answer.headers["Vary"] == "Prefer"
    assert sqlite_store.changes.waited_for(None) == []


async def test_held_request_is_answered_at_the_moment_of_expiry(
    api: httpx.AsyncClient, sqlite_store: Store, clock: Clock
) -> None:
    interrupt_id = (await create(api, expiresIn=1))["interruptId"]

    async with held(api, sqlite_store, interrupt_id) as answers:
        clock.advance(1)

    assert answers[0].json()["status"] == "expired"


async def test_expiry_that_was_slept_through_is_told_by_the_sweep(
    sqlite_store: Store, clock: Clock
) -> None:
    created = await sqlite_store.create_interrupt(new_interrupt(expires_in=3600), AGENT)
    waits = anyio.Event()

    async def never_gone() -> None:
        waits.set()
        await never()

    async def sleep_through() -> None:
        await waits.wait()
        clock.advance(3600)
        await sqlite_store.expire_interrupts()

    with anyio.fail_after(PATIENCE_S):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(sleep_through)
            stored = await wait_for_settled(sqlite_store, created.interrupt_id, 60, never_gone)

    assert stored.interrupt().status == "expired"


async def test_wait_that_is_over_answers_pending(
    api: httpx.AsyncClient, sqlite_store: Store
) -> None:
    interrupt_id = (await create(api))["interruptId"]

    async with held(api, sqlite_store, interrupt_id, "wait=1") as answers:
        pass

    assert answers[0].json()["status"] == "pending"
    assert answers[0].headers["Preference-Applied"] == "wait=1"


@pytest.mark.parametrize(("prefer", "applied"), [("wait=0", "wait=0"), ("respond-async", None)])
async def test_without_a_wait_the_answer_comes_at_once(
    api: httpx.AsyncClient, prefer: str, applied: str | None
) -> None:
    interrupt_id = (await create(api))["interruptId"]

    answer = await api.get(f"/interrupts/{interrupt_id}", headers={"Prefer": prefer})

    assert answer.json()["status"] == "pending"
    assert answer.headers.get("Preference-Applied") == applied


async def test_nobody_waits_for_what_is_settled_or_does_not_exist(api: httpx.AsyncClient) -> None:
    interrupt_id = (await create(api))["interruptId"]
    await api.delete(f"/interrupts/{interrupt_id}")

    with anyio.fail_after(PATIENCE_S):
        settled = await api.get(f"/interrupts/{interrupt_id}", headers={"Prefer": "wait=60"})
        unknown = await api.get(f"/interrupts/{NONE}", headers={"Prefer": "wait=60"})

    assert settled.json()["status"] == "cancelled"
    assert settled.headers["Preference-Applied"] == "wait=60"
    assert (unknown.status_code, unknown.json()) == (404, {"error": "Interrupt not found"})


async def test_client_that_goes_away_frees_its_place(sqlite_store: Store) -> None:
    created = await sqlite_store.create_interrupt(new_interrupt(), AGENT)
    gone = anyio.Event()

    with anyio.fail_after(PATIENCE_S):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(wait_for_settled, sqlite_store, created.interrupt_id, 60, gone.wait)
            await until_waited_for(sqlite_store)
            gone.set()

    assert sqlite_store.changes.waited_for(None) == []


async def test_many_who_wait_are_all_woken_by_their_own_change(sqlite_store: Store) -> None:
    created = [await sqlite_store.create_interrupt(new_interrupt(), AGENT) for _ in range(50)]
    outcomes: list[Interrupt] = []

    async def wait(interrupt_id: str) -> None:
        outcomes.append((await wait_for_settled(sqlite_store, interrupt_id, 60, never)).interrupt())

    with anyio.fail_after(PATIENCE_S):
        async with anyio.create_task_group() as tasks:
            for question in created * 2:
                tasks.start_soon(wait, question.interrupt_id)
            await until_waited_for(sqlite_store, 50)
            for question in created:
                tasks.start_soon(
                    sqlite_store.decide_interrupt,
                    question.interrupt_id,
                    APPROVED,
                    REVIEWER,
                )

    assert sorted(outcome.interrupt_id for outcome in outcomes) == sorted(
        question.interrupt_id for question in created * 2
    )
    assert {outcome.status for outcome in outcomes} == {"approved"}


async def test_change_between_the_look_and_the_wait_is_not_missed(
    database: Database, clock: Clock
) -> None:
    class DecidedBehindTheLook(Store):
        async def read_interrupt(self, interrupt_id: str) -> Stored:
            seen = await super().read_interrupt(interrupt_id)
            await self.decide_interrupt(interrupt_id, APPROVED, REVIEWER)
            return seen

    store = DecidedBehindTheLook(database, PUBLIC_URL, clock)
    created = await store.create_interrupt(new_interrupt(), AGENT)
    with anyio.fail_after(PATIENCE_S):
        stored = await wait_for_settled(store, created.interrupt_id, 60, never)

    assert stored.interrupt().status == "approved"


@pytest.mark.parametrize("watch", [lambda store: store.expire_interrupts(), None])
async def test_many_that_settle_at_once_are_answered_one_after_another(
    sqlite_store: Store, clock: Clock, watch: Callable[[Store], Awaitable[None]] | None
) -> None:
    """Each may be large, and to answer all in one go would stop the API for that long."""
    asked = new_interrupt(expires_in=1)
    ids = [(await sqlite_store.create_interrupt(asked, AGENT)).interrupt_id for _ in range(20)]
    answered: list[int] = []
    turns = waiting = 0

    async def gone() -> None:
        nonlocal waiting
        waiting += 1
        await anyio.sleep_forever()

    async def wait(interrupt_id: str) -> None:
        with anyio.fail_after(PATIENCE_S):
            await wait_for_settled(sqlite_store, interrupt_id, PATIENCE_S, gone)
        answered.append(turns)

    async def look_elsewhere() -> None:
        async for interrupt in sqlite_store.awaited.read(ids, only_settled=True):
            sqlite_store.changes.publish(interrupt)

    async def count_turns() -> None:
        nonlocal turns
        while True:
            await anyio.lowlevel.checkpoint()
            turns += 1

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(count_turns)
        async with anyio.create_task_group() as waits:
            for interrupt_id in ids:
                waits.start_soon(wait, interrupt_id)
            while waiting < len(ids):
                await anyio.lowlevel.checkpoint()
            clock.advance(1)
            await (watch(sqlite_store) if watch else look_elsewhere())
        tasks.cancel_scope.cancel()

    assert len(answered) == len(ids)
    assert len(set(answered)) >= len(ids) - 1
