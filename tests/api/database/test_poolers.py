"""PostgreSQL through PgBouncer, which gives every transaction any of its connections."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from functools import partial

import anyio
import httpx
import pytest

from loopin_mcp import Decision, Interrupt
from loopin_mcp.api.audit.audit_keys import NO_KEYS
from loopin_mcp.api.audit.commands import verify
from loopin_mcp.api.database import postgres
from loopin_mcp.api.rest.waiting import follow_changes, wait_for_settled
from loopin_mcp.api.store.opening import open_archive, open_postgresql
from loopin_mcp.api.store.store import Store
from loopin_mcp.settings.settings import Settings
from tests.support import AGENT, PATIENCE_S, PUBLIC_URL, REVIEWER, Clock, api_client, new_interrupt
from tests.support.questions import NEW, create
from tests.support.waiters import never, until_waited_for

pytest.importorskip("psycopg")

ROUNDS = 150
AT_ONCE = 16


@pytest.fixture
async def stores(
    pooled_url: str, clock: Clock, anyio_backend: str
) -> AsyncIterator[tuple[Store, Store]]:
    """The stores of two processes."""
    databases = [await open_postgresql(pooled_url) for _ in range(2)]
    first, second = (Store(database, PUBLIC_URL, clock) for database in databases)
    yield first, second
    for database in databases:
        await database.aclose()


async def test_many_calls_at_once_of_two_processes_all_succeed(
    stores: tuple[Store, Store],
) -> None:
    statuses: list[int] = []
    async with AsyncExitStack() as stack:
        apis = [await stack.enter_async_context(api_client(store)) for store in stores]
        id_ = (await create(apis[0]))["interruptId"]
        calls = [
            partial(api.request, method, path, json=body)
            for _ in range(ROUNDS // 2)
            for api in apis
            for method, path, body in (
                ("POST", "/interrupts", NEW),
                ("GET", f"/interrupts/{id_}", None),
                ("GET", "/interrupts/pending/u", None),
                ("GET", "/analytics/u", None),
            )
        ]

        async def work() -> None:
            while calls:
                answer: httpx.Response = await calls.pop()()
                statuses.append(answer.status_code)

        async with anyio.create_task_group() as workers:
            for _ in range(AT_ONCE):
                workers.start_soon(work)

    assert sorted(statuses) == [200] * 3 * ROUNDS + [201] * ROUNDS


async def test_decision_in_one_process_wakes_the_wait_in_another(
    stores: tuple[Store, Store],
) -> None:
    here, elsewhere = stores
    created = await here.create_interrupt(new_interrupt(), AGENT)
    outcomes: list[Interrupt] = []

    async def wait() -> None:
        outcomes.append((await wait_for_settled(here, created.interrupt_id, 60, never)).interrupt())
        followers.cancel_scope.cancel()

    with anyio.fail_after(PATIENCE_S):
        async with anyio.create_task_group() as followers:
            followers.start_soon(follow_changes, here)
            followers.start_soon(wait)
            await until_waited_for(here)
            # Listening would count as a change, so this takes the first look by time.
            await here.changes.next.wait()
            decision = Decision(decision="approved")
            await elsewhere.decide_interrupt(created.interrupt_id, decision, REVIEWER)

    assert [outcome.status for outcome in outcomes] == ["approved"]


async def test_other_clients_of_the_pooler_keep_their_own_settings(
    stores: tuple[Store, Store], pooled_url: str
) -> None:
    import psycopg

    for store in stores:
        await store.create_interrupt(new_interrupt(), AGENT)
    lines: list[str] = []
    async with open_archive(Settings(database_url=pooled_url), embedded=False) as archive:
        assert await verify(archive, NO_KEYS, None, lines.append, lines.append)
    settings = "statement_timeout", "default_transaction_read_only", "client_encoding"
    async with await psycopg.AsyncConnection.connect(pooled_url, prepare_threshold=None) as other:
        found = [
            (await (await other.execute(f"SHOW {name}".encode())).fetchall())[0][0]
            for name in settings
        ]

    assert found == ["0", "off", "UTF8"]
    assert lines == ["Checked 2 interrupts and 2 events: no tampering found."]


async def test_database_looks_again_until_something_has_changed(
    pooled_url: str, stores: tuple[Store, Store], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres, "LOOK_S", 0)
    database = await open_postgresql(pooled_url)
    looks = 0

    async def wanted() -> None:
        nonlocal looks
        looks += 1
        if looks == 4:
            await stores[1].create_interrupt(new_interrupt(), AGENT)

    with anyio.fail_after(PATIENCE_S):
        while looks < 4:
            await database.changed(wanted)
    await database.aclose()

    assert looks == 4
