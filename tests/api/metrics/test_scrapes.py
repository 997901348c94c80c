"""Scrapes: who gets them, what they hold, and what they do while the database is away."""

import platform
import sys
from collections.abc import AsyncIterator, Callable

import anyio
import httpx
import pytest

from loopin_mcp.api.access.limits import Limits, Waits
from loopin_mcp.api.database.sqlite import SQLite
from loopin_mcp.api.database.steps import Database, Row, Value
from loopin_mcp.api.metrics.metrics import Metrics
from loopin_mcp.api.store.store import Store
from loopin_mcp.version import __version__
from tests.support import (
    AGENT,
    KEY,
    PATIENCE_S,
    PUBLIC_URL,
    Clock,
    Down,
    api_client,
    new_interrupt,
)
from tests.support.scrapes import samples, scrape
from tests.support.visitors import ALICES_KEY, REVIEWERS

BEARER = {"Authorization": f"Bearer {KEY}"}


@pytest.fixture
async def guarded(sqlite_store: Store) -> AsyncIterator[httpx.AsyncClient]:
    """A client without a key at an API with keys."""
    async with api_client(sqlite_store, api_key=KEY, reviewers=REVIEWERS) as client:
        yield client


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 401),
        ({"X-API-Key": "wrong"}, 401),
        ({"X-API-Key": KEY}, 200),
        (BEARER, 200),
        ({"Authorization": f"bearer  {KEY} "}, 200),
        ({"Authorization": f"Basic {KEY}"}, 401),
        ({"Authorization": "Bearer wrong"}, 401),
        ({"Authorization": "Bearer "}, 401),
        ({"X-API-Key": "wrong", **BEARER}, 401),
        # The keys of reviewers are for people.
        ({"Authorization": f"Bearer {ALICES_KEY}"}, 401),
    ],
)
async def test_scrape_needs_the_key_of_agents(
    guarded: httpx.AsyncClient, headers: dict[str, str], status: int
) -> None:
    assert (await guarded.get("/metrics", headers=headers)).status_code == status


async def test_refused_scrape_is_answered_with_both_ways_to_send_the_key(
    guarded: httpx.AsyncClient,
) -> None:
    assert (await guarded.get("/metrics")).json() == {
        "error": "Unauthorized: neither X-API-Key nor a bearer token has the API key"
    }


async def test_bearer_token_counts_only_for_metrics(guarded: httpx.AsyncClient) -> None:
    for path in ("/interrupts/pending/u", "/analytics/u", "/metrics/"):
        assert (await guarded.get(path, headers=BEARER)).status_code == 401


async def test_api_without_keys_gives_metrics_to_everyone(sqlite_store: Store) -> None:
    async with api_client(sqlite_store) as client:
        answer = await client.get("/metrics")

    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert answer.headers["cache-control"] == "no-store"


async def test_without_the_extra_the_answer_names_it(
    sqlite_store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "prometheus_client", None)
    async with api_client(sqlite_store) as client:
        answer = await client.get("/metrics")
        created = await client.post(
            "/interrupts", json={"agentId": "a", "userId": "u", "action": "x", "context": {}}
        )

    assert answer.status_code == 501
    assert answer.json()["error"].startswith("Metrics need the extra `server`. Run `uv tool")
    assert created.status_code == 201


async def test_scrape_names_version_python_and_database(store: Store, database: Database) -> None:
    async with api_client(store) as client:
        found = await scrape(client, "loopin_build_info")

    kind = "sqlite" if isinstance(database, SQLite) else "postgresql"
    name = f"loopin_build_info database={kind} python={platform.python_version()}"
    assert found == {f"{name} version={__version__}": 1}


async def test_database_is_up_and_has_a_size(store: Store) -> None:
    async with api_client(store) as client:
        found = await scrape(client, "loopin_database")

    assert found["loopin_database_up"] == 1
    # Tables and indexes take several pages each.
    assert found["loopin_database_size_bytes"] > 100_000


async def test_writers_that_share_a_commit_are_counted(sqlite_store: Store) -> None:
    async with api_client(sqlite_store) as client:
        before = await scrape(client, "loopin_commit")
        async with anyio.create_task_group() as tasks:
            for _ in range(8):
                tasks.start_soon(sqlite_store.create_interrupt, new_interrupt(), AGENT)
        after = samples((await client.get("/metrics")).text, "loopin_commit")

    # All were there when it began.
    assert before == {}
    assert after == {"loopin_commits_total": 1, "loopin_committed_writes_total": 8}


@pytest.mark.database_server
async def test_connections_of_the_pool_are_counted(empty_postgres_url: str, clock: Clock) -> None:
    from loopin_mcp.api.store.opening import open_postgresql

    database = await open_postgresql(empty_postgres_url)
    store = Store(database, PUBLIC_URL, clock)
    async with api_client(store) as client:
        for _ in range(3):
            await store.create_interrupt(new_interrupt(), AGENT)
        found = await scrape(client, "loopin_pool")
    await database.aclose()

    # One for each create, and three for the scrape: the backlog takes two, and the size one.
    assert found["loopin_pool_requests_total"] == 6
    assert found["loopin_pool_connections_limit"] == 10
    assert found["loopin_pool_connections state=idle"] >= 1


class Away(Down):
    """A database that does not answer until it is `back`."""

    def __init__(self) -> None:
        super().__init__()
        self.back = anyio.Event()
        self.looks = 0

    async def read(self, sql: str, **params: Value) -> list[Row]:
        self.looks += 1
        await self.back.wait()
        return []

    async def size_bytes(self) -> int:
        return 4096


@pytest.mark.parametrize("database", [Down, Away])
async def test_scrape_has_the_rest_while_the_database_is_away(
    database: Callable[[], Down], clock: Clock, anyio_backend: str
) -> None:
    store = Store(database(), PUBLIC_URL, clock)
    metrics = Metrics(store, Waits(Limits().waits), look_s=0.01)
    metrics.counters.created({"urgency": "low"})

    with anyio.fail_after(PATIENCE_S):
        text = (await metrics.text()).decode()

    assert "loopin_database_up 0.0" in text
    assert samples(text, "loopin_interrupts_created_total") == {
        "loopin_interrupts_created_total urgency=low": 1
    }
    assert "loopin_pending_interrupts" not in text
    assert "loopin_database_size_bytes" not in text


async def test_scrapes_share_a_look_at_the_database(clock: Clock, anyio_backend: str) -> None:
    database = Away()
    metrics = Metrics(Store(database, PUBLIC_URL, clock), Waits(Limits().waits), look_s=0.01)
    for _ in range(3):
        await metrics.text()
    hung = database.looks
    database.back.set()
    # The look that hung ends before a scrape could run out of time again.
    await anyio.wait_all_tasks_blocked()
    texts = [(await metrics.text()).decode() for _ in range(3)]

    assert hung == 1
    # One statement for what is pending and one for the outbox.
    assert database.looks == 2
    assert all("loopin_database_up 1.0" in text for text in texts)


@pytest.mark.parametrize("passed_s", [2, -3600])
async def test_backlog_is_read_anew_when_it_is_old(
    sqlite_store: Store, clock: Clock, passed_s: float
) -> None:
    metrics = Metrics(sqlite_store, Waits(Limits().waits))
    pending: list[float] = []
    for _ in range(2):
        clock.advance(passed_s)
        await sqlite_store.create_interrupt(new_interrupt(urgency="high"), AGENT)
        found = samples((await metrics.text()).decode(), "loopin_pending_interrupts")
        pending += found.values()

    assert pending == [1, 2]
