"""A PostgreSQL that is gone, stuck or read-only: said in time, and used again once it is back."""

import os
import signal
import sys
from collections.abc import AsyncIterator

import anyio
import httpx
import pytest

from loopin_mcp.api.database import Database
from loopin_mcp.api.store import Store
from tests.api.questions import create
from tests.api.storage import refusal_of, status_of
from tests.support import PATIENCE_S, PUBLIC_URL, Clock, api_client

pytest.importorskip("psycopg")

# Lost connections are replaced within a second or so.
ANSWER_S = 2.5
OF_POOL = "SELECT pid FROM pg_stat_activity WHERE datname IS NOT NULL AND pid <> pg_backend_pid()"


@pytest.fixture
async def impatient(empty_postgres_url: str, anyio_backend: str) -> AsyncIterator[Database]:
    """A database that has to answer soon."""
    from loopin_mcp.api.postgres import PostgreSQL

    database = await PostgreSQL.open(empty_postgres_url, answer_s=ANSWER_S)
    yield database
    await database.aclose()


@pytest.fixture
async def api(impatient: Database, clock: Clock) -> AsyncIterator[httpx.AsyncClient]:
    async with api_client(Store(impatient, PUBLIC_URL), clock) as client:
        yield client


async def test_table_that_somebody_locks_is_said_to_be_slow(
    api: httpx.AsyncClient, postgres_url: str
) -> None:
    import psycopg

    created = await create(api)
    async with await psycopg.AsyncConnection.connect(postgres_url) as other:
        await other.execute("LOCK TABLE interrupts IN ACCESS EXCLUSIVE MODE")
        with anyio.fail_after(PATIENCE_S):
            refusal = await refusal_of(api)

    assert refusal == "The database cannot be used right now: it does not answer"
    assert await status_of(api, created["interruptId"]) == "pending"


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such signals")
async def test_server_that_is_stuck_does_not_hold_requests(
    api: httpx.AsyncClient, impatient: Database, postgres_url: str
) -> None:
    import psycopg

    await create(api)
    async with await psycopg.AsyncConnection.connect(postgres_url, autocommit=True) as other:
        cursor = await other.execute(OF_POOL)
        stuck = [pid for (pid,) in await cursor.fetchall()]
    for pid in stuck:
        os.kill(pid, signal.SIGSTOP)
    try:
        with anyio.fail_after(PATIENCE_S):
            refusal = await refusal_of(api)
    finally:
        for pid in stuck:
            os.kill(pid, signal.SIGCONT)

    assert refusal == "The database cannot be used right now: it does not answer"
    with anyio.fail_after(PATIENCE_S):
        await create(api)


async def test_lost_connections_are_replaced(api: httpx.AsyncClient, postgres_url: str) -> None:
    import psycopg

    created = await create(api)
    async with await psycopg.AsyncConnection.connect(postgres_url, autocommit=True) as other:
        await other.execute(f"SELECT pg_terminate_backend(pid) FROM ({OF_POOL}) AS pool")  # noqa: S608

    assert await status_of(api, created["interruptId"]) == "pending"
    await create(api)


async def test_standby_is_said_to_take_no_changes(
    api: httpx.AsyncClient, postgres_url: str
) -> None:
    import psycopg

    created = await create(api)
    read_only = "ALTER DATABASE postgres SET default_transaction_read_only = {}"
    again = f"SELECT pg_terminate_backend(pid) FROM ({OF_POOL}) AS pool"  # noqa: S608
    async with await psycopg.AsyncConnection.connect(postgres_url, autocommit=True) as other:
        await other.execute(read_only.format("on").encode())
        await other.execute(again.encode())
        try:
            refusal = await refusal_of(api)
            status = await status_of(api, created["interruptId"])
        finally:
            await other.execute(b"SET default_transaction_read_only = off")
            await other.execute(read_only.format("off").encode())
            await other.execute(again.encode())

    assert refusal == "The database cannot be used right now: it takes no changes"
    assert status == "pending"
    await create(api)
