"""A PostgreSQL server that is stopped, stuck or read-only, and its recovery."""

import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio
import httpx
import pytest

from loopin_mcp.api.database.outages import PARTIAL_S
from loopin_mcp.api.store.store import Store
from tests.support import PATIENCE_S, PUBLIC_URL, Clock, api_client
from tests.support.loops import WITH_LEAPING_TIME, Backend, leap
from tests.support.questions import NEW, create
from tests.support.storage import refusal_of, status_of, until_ready

pytest.importorskip("psycopg")

SOON_S = 1.0
OF_POOLS = (
    "SELECT pid FROM pg_stat_activity "
    "WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"
)


@asynccontextmanager
async def api_on(url: str, clock: Clock, answer_s: float) -> AsyncIterator[httpx.AsyncClient]:
    """An API with its own pool and a time limit for the database."""
    from loopin_mcp.api.store.opening import open_postgresql

    database = await open_postgresql(url, answer_s)
    async with api_client(Store(database, PUBLIC_URL, clock)) as client:
        yield client
    await database.aclose()


@pytest.fixture
async def api(
    empty_postgres_url: str, clock: Clock, anyio_backend: str
) -> AsyncIterator[httpx.AsyncClient]:
    async with api_on(empty_postgres_url, clock, PATIENCE_S) as client:
        yield client


@pytest.fixture
async def impatient(
    empty_postgres_url: str, clock: Clock, anyio_backend: str
) -> AsyncIterator[httpx.AsyncClient]:
    """Another API on the same database with a short time limit."""
    async with api_on(empty_postgres_url, clock, SOON_S) as client:
        yield client


async def until_it_takes_changes(api: httpx.AsyncClient) -> None:
    with anyio.fail_after(PATIENCE_S):
        while (await api.post("/interrupts", json=NEW)).status_code == 503:
            pass


async def test_table_that_somebody_locks_is_said_to_be_slow(
    api: httpx.AsyncClient, impatient: httpx.AsyncClient, postgres_url: str
) -> None:
    import psycopg

    created = await create(api)
    async with await psycopg.AsyncConnection.connect(postgres_url) as other:
        await other.execute("LOCK TABLE interrupts IN ACCESS EXCLUSIVE MODE")
        with anyio.fail_after(PATIENCE_S):
            refusal = await refusal_of(impatient)

    assert refusal == "The database cannot be used right now: it does not answer"
    assert await status_of(api, created["interruptId"]) == "pending"


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such signals")
async def test_server_that_is_stuck_does_not_hold_requests(
    impatient: httpx.AsyncClient, postgres_url: str
) -> None:
    import psycopg

    await until_it_takes_changes(impatient)
    async with await psycopg.AsyncConnection.connect(postgres_url, autocommit=True) as other:
        cursor = await other.execute(OF_POOLS)
        stuck = [pid for (pid,) in await cursor.fetchall()]
    try:
        for pid in stuck:
            os.kill(pid, signal.SIGSTOP)
        with anyio.fail_after(PATIENCE_S):
            refusal = await refusal_of(impatient)
    finally:
        for pid in stuck:
            os.kill(pid, signal.SIGCONT)

    assert refusal == "The database cannot be used right now: it does not answer"
    await until_it_takes_changes(impatient)


async def test_lost_connections_are_replaced(api: httpx.AsyncClient, postgres_url: str) -> None:
    import psycopg

    created = await create(api)
    async with await psycopg.AsyncConnection.connect(postgres_url, autocommit=True) as other:
        await other.execute(f"SELECT pg_terminate_backend(pid) FROM ({OF_POOLS}) AS pools")  # noqa: S608

    assert await status_of(api, created["interruptId"]) == "pending"
    await create(api)


async def test_standby_is_said_to_take_no_changes(
    api: httpx.AsyncClient, postgres_url: str
) -> None:
    import psycopg

    created = await create(api)
    read_only = "ALTER DATABASE postgres SET default_transaction_read_only = {}"
    again = f"SELECT pg_terminate_backend(pid) FROM ({OF_POOLS}) AS pools"  # noqa: S608
    async with await psycopg.AsyncConnection.connect(postgres_url, autocommit=True) as other:
        await other.execute(read_only.format("on").encode())
        await other.execute(again.encode())
        try:
            refusal = await refusal_of(api)
            ready = await api.get("/ready")
            status = await status_of(api, created["interruptId"])
        finally:
            await other.execute(b"SET default_transaction_read_only = off")
            await other.execute(read_only.format("off").encode())
            await other.execute(again.encode())

    assert refusal == "The database cannot be used right now: it takes no changes"
    assert (status, ready.status_code) == ("pending", 503)
    await until_ready(api)
    await create(api)


# A trigger that fails as a full disk does where a table has to grow.
FULL = """
    CREATE FUNCTION fill() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN RAISE EXCEPTION 'could not extend file' USING ERRCODE = 'disk_full'; END $$;
    CREATE TRIGGER full_disk BEFORE INSERT ON interrupts FOR EACH ROW EXECUTE FUNCTION fill();
    """


class TestWithLeapingTime:
    @pytest.fixture
    def anyio_backend(self) -> Backend:
        return WITH_LEAPING_TIME

    async def test_full_disk_makes_it_not_ready_although_small_changes_find_room(
        self, api: httpx.AsyncClient, postgres_url: str
    ) -> None:
        import psycopg

        created = await create(api)
        async with await psycopg.AsyncConnection.connect(postgres_url, autocommit=True) as other:
            await other.execute(FULL)
            refusal = await refusal_of(api)
            ready = await api.get("/ready")
            status = await status_of(api, created["interruptId"])
            await other.execute("DROP FUNCTION fill CASCADE")
        leap(PARTIAL_S)

        assert refusal == "The database cannot be used right now: its disk is full"
        assert (ready.status_code, status) == (503, "pending")
        await until_ready(api)
        await create(api)
