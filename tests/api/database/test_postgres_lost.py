"""PostgreSQL lost under load: every call is answered in time, and all works again by itself."""

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio
import httpx
import pytest

from loopin_mcp import Decision
from loopin_mcp.api.database.steps import Database
from loopin_mcp.api.rest.waiting import follow_changes, wait_for_settled
from loopin_mcp.api.store.store import Store
from loopin_mcp.errors import UnavailableError
from tests.support import PATIENCE_S, PUBLIC_URL, REVIEWER, Clock, api_client
from tests.support.line import Line, Mode, line_to
from tests.support.questions import NEW, create
from tests.support.storage import refusal_of, status_of, until_ready
from tests.support.waiters import never

pytest.importorskip("psycopg")

SOON_S = 5.0
APPROVED = {"decision": "approved"}
MAYBE = "it may have been stored, so look before you repeat it"


@pytest.fixture
async def line(empty_postgres_url: str, anyio_backend: str) -> AsyncIterator[Line]:
    async with line_to(empty_postgres_url) as line:
        yield line


@asynccontextmanager
async def store_on(url: str, clock: Clock, answer_s: float) -> AsyncIterator[Store]:
    from loopin_mcp.api.store.opening import open_postgresql

    database: Database = await open_postgresql(url, answer_s)
    yield Store(database, PUBLIC_URL, clock)
    await database.aclose()


@pytest.fixture
async def far(line: Line, clock: Clock) -> AsyncIterator[Store]:
    """A store whose database is at the end of the line, with little time to answer."""
    async with store_on(line.url, clock, SOON_S) as store:
        yield store


@pytest.fixture
async def api(far: Store) -> AsyncIterator[httpx.AsyncClient]:
    async with api_client(far) as client:
        yield client


@pytest.mark.parametrize("mode", ["cut", "swallow"])
async def test_every_call_is_refused_in_time_and_works_again_once_the_database_is_back(
    line: Line, api: httpx.AsyncClient, caplog: pytest.LogCaptureFixture, mode: Mode
) -> None:
    caplog.set_level(logging.INFO, "loopin_mcp")
    created = await create(api)
    path = f"/interrupts/{created['interruptId']}"
    answers: list[httpx.Response] = []

    async def call(method: str, at: str, body: object = None) -> None:
        answers.append(await api.request(method, at, json=body))

    line.become(mode)
    with anyio.fail_after(PATIENCE_S):
        async with anyio.create_task_group() as calls:
            for _ in range(5):
                calls.start_soon(call, "POST", "/interrupts", NEW)
                calls.start_soon(call, "POST", f"{path}/decide", APPROVED)
                calls.start_soon(call, "DELETE", path)
                calls.start_soon(call, "GET", path)
                calls.start_soon(call, "GET", "/interrupts/pending/u")
                calls.start_soon(call, "GET", "/ready")
        health = await api.get("/health")
        line.become("pass")
        await until_ready(api)

    assert {(each.status_code, bool(each.headers["retry-after"])) for each in answers} == {
        (503, True)
    }
    assert health.status_code == 200
    assert await status_of(api, created["interruptId"]) == "pending"
    await create(api)
    about = [said for said in caplog.messages if said.startswith("The database of DATABASE_URL")]
    assert ["cannot" in said for said in about] == [True, True, False, False]


async def test_wait_that_ends_during_an_outage_is_told_to_ask_again(
    line: Line, far: Store, api: httpx.AsyncClient
) -> None:
    created = await create(api)

    async def never_gone() -> None:
        line.become("cut")
        await never()

    with anyio.fail_after(PATIENCE_S), pytest.raises(UnavailableError, match="cannot be read"):
        await wait_for_settled(far, created["interruptId"], 1, never_gone)

    line.become("pass")


async def test_wait_outlasts_an_outage_and_gets_the_decision_made_meanwhile(
    line: Line, far: Store, api: httpx.AsyncClient, clock: Clock, empty_postgres_url: str
) -> None:
    interrupt_id = (await create(api))["interruptId"]
    found: list[str] = []

    async def never_gone() -> None:
        line.become("cut")
        async with store_on(empty_postgres_url, clock, PATIENCE_S) as near:
            await near.decide_interrupt(interrupt_id, Decision(decision="approved"), REVIEWER)
        line.become("pass")
        await never()

    with anyio.fail_after(PATIENCE_S):
        async with anyio.create_task_group() as loops:
            loops.start_soon(follow_changes, far)
            held = await wait_for_settled(far, interrupt_id, 60, never_gone)
            found.append(held.interrupt().status)
            loops.cancel_scope.cancel()

    assert found == ["approved"]


@pytest.mark.parametrize(("lost", "status"), [("before", "pending"), ("after", "approved")])
@pytest.mark.parametrize("mode", ["cut", "swallow"])
async def test_decision_whose_end_is_lost_is_said_to_be_in_doubt_and_is_whole_or_not_there(
    line: Line, api: httpx.AsyncClient, lost: str, status: str, mode: Mode
) -> None:
    created = await create(api)
    path = f"/{created['interruptId']}"

    def lose(when: str) -> None:
        if when == lost:
            line.become(mode)
            line.at_commit = None

    line.at_commit = lose
    refusal = await refusal_of(api, f"{path}/decide", **APPROVED)
    line.become("pass")
    with anyio.fail_after(PATIENCE_S):
        await until_ready(api)

    events = [each["type"] for each in (await api.get(f"/interrupts{path}/events")).json()]
    assert refusal.endswith(MAYBE)
    assert await status_of(api, created["interruptId"]) == status
    assert events == ["created", *["decided"][status == "pending" :]]
    again = await api.post(f"/interrupts{path}/decide", json=APPROVED)
    assert again.status_code == (200 if status == "pending" else 409)
