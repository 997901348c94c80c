"""Repeated creates with one Idempotency-Key: one interrupt, and the same answer."""

from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from typing import TypeVar

import anyio
import httpx
import pytest

from loopin_mcp.api.database.steps import Database, Row, Steps, Value
from loopin_mcp.api.store.creation import KEY_LIFE_MS
from loopin_mcp.api.store.outbox import ChannelDigests
from loopin_mcp.api.store.store import Store
from loopin_mcp.errors import UnavailableError
from tests.support import KEY, PATIENCE_S, PUBLIC_URL, Clock, Unmeasured, api_client, take_due
from tests.support.questions import JSON, NEW

T = TypeVar("T")
ONCE = {"Idempotency-Key": '"8e03978e-40d5"'}
REVIEWERS = {"alice": "alice-" + "a" * 32, "bob": "bob-" + "b" * 32}


class Held(Unmeasured):
    """A database whose changes wait until `released`, or fail then; `asked` is set by the first."""

    def __init__(self, database: Database, error: Exception | None = None) -> None:
        self.asked, self.released = anyio.Event(), anyio.Event()
        self._database = database
        self._error = error

    async def read(self, sql: str, **params: Value) -> list[Row]:
        return await self._database.read(sql, **params)

    async def find(self, sql: str, **params: Value) -> list[Row]:
        return await self._database.find(sql, **params)

    async def transact(self, steps: Callable[[], Steps[T]]) -> T:
        self.asked.set()
        await self.released.wait()
        if self._error:
            raise self._error
        return await self._database.transact(steps)

    async def changed(self, wanted: Callable[[], Awaitable[None]]) -> Collection[str] | None:
        return await self._database.changed(wanted)

    async def aclose(self) -> None: ...


@pytest.fixture
async def api(store: Store) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the API, on each kind of database."""
    async with api_client(store) as client:
        yield client


async def asked_of(store: Store, user_id: str = "u") -> int:
    """How many interrupts a user has."""
    return (await store.get_interrupt_analytics(user_id)).total_interrupts


async def test_same_key_and_payload_get_the_first_answer_again(
    api: httpx.AsyncClient, store: Store, clock: Clock
) -> None:
    first = await api.post("/interrupts", json=NEW, headers=ONCE)
    clock.advance(60)
    again = await api.post("/interrupts", json=NEW, headers=ONCE)

    assert (first.status_code, again.status_code) == (201, 201)
    assert again.content == first.content
    assert "idempotency-replayed" not in first.headers
    assert again.headers["idempotency-replayed"] == "true"
    assert await asked_of(store) == 1


async def test_answer_stays_the_first_whatever_became_of_the_interrupt(
    api: httpx.AsyncClient, clock: Clock
) -> None:
    first = await api.post("/interrupts", json=NEW, headers=ONCE)
    path = f"/interrupts/{first.json()['interruptId']}"
    await api.post(f"{path}/decide", json={"decision": "rejected"})
    decided = await api.post("/interrupts", json=NEW, headers=ONCE)
    clock.advance(3600)
    expired = await api.post("/interrupts", json=NEW, headers=ONCE)

    assert first.content == decided.content == expired.content


async def test_another_process_on_the_database_gives_the_first_answer_too(
    api: httpx.AsyncClient, elsewhere: Store
) -> None:
    first = await api.post("/interrupts", json=NEW, headers=ONCE)
    async with api_client(elsewhere) as other:
        again = await other.post("/interrupts", json=NEW, headers=ONCE)
        reused = await other.post("/interrupts", json=NEW | {"action": "x"}, headers=ONCE)

    assert (again.content, again.headers["idempotency-replayed"]) == (first.content, "true")
    assert reused.status_code == 422


@pytest.mark.parametrize(
    "other",
    [
        {"action": "Pay twice"},
        {"context": {"amount": 2}},
        {"userId": "v"},
        {"urgency": "high"},
        {"expiresIn": 3601},
        {"callbackUrl": "https://example.com/"},
    ],
)
async def test_another_payload_is_refused_and_the_first_stands(
    api: httpx.AsyncClient, store: Store, other: dict[str, object]
) -> None:
    first = await api.post("/interrupts", json=NEW, headers=ONCE)
    reused = await api.post("/interrupts", json=NEW | other, headers=ONCE)
    again = await api.post("/interrupts", json=NEW, headers=ONCE)

    assert (reused.status_code, reused.json()) == (
        422,
        {
            "error": "Idempotency-Key was used before with another payload: a new interrupt needs "
            "a new key"
        },
    )
    assert again.content == first.content
    assert await asked_of(store) == 1


async def test_payload_is_what_was_understood_however_it_was_written(
    api: httpx.AsyncClient,
) -> None:
    first = await api.post("/interrupts", json=NEW, headers=ONCE)
    spelled = (
        b'{ "expiresIn": 3600.0, "urgency": "medium", "callbackUrl": null,'
        b' "context": {"amount": 1.0}, "\\u0061ction": "Pay", "userId": "u", "agentId": "a" }'
    )
    again = await api.post("/interrupts", content=spelled, headers=ONCE | JSON)

    assert (again.content, again.headers["idempotency-replayed"]) == (first.content, "true")


async def test_keys_are_apart_for_each_caller(sqlite_store: Store) -> None:
    answers = {}
    async with api_client(sqlite_store, api_key=KEY, reviewers=REVIEWERS) as client:
        for key in (KEY, *REVIEWERS.values()):
            shown = ONCE | {"X-API-Key": key}
            answers[key] = [
                (await client.post("/interrupts", json=NEW, headers=shown)).content
                for _ in range(2)
            ]

    assert all(first == again for first, again in answers.values())
    assert len({first for first, _ in answers.values()}) == 3


async def test_key_is_forgotten_after_24_hours(
    api: httpx.AsyncClient, store: Store, clock: Clock
) -> None:
    first = await api.post("/interrupts", json=NEW, headers=ONCE)
    clock.now += KEY_LIFE_MS - 1
    last = await api.post("/interrupts", json=NEW, headers=ONCE)
    clock.now += 1
    new = await api.post("/interrupts", json=NEW | {"action": "Pay anew"}, headers=ONCE)
    again = await api.post("/interrupts", json=NEW | {"action": "Pay anew"}, headers=ONCE)

    assert KEY_LIFE_MS == 86_400_000
    assert last.content == first.content != new.content == again.content
    assert (new.status_code, "idempotency-replayed" in new.headers) == (201, False)
    assert await asked_of(store) == 2


async def test_human_is_told_once(api: httpx.AsyncClient, store: Store) -> None:
    store.deliveries.channels = ChannelDigests(("phone",))
    for _ in range(3):
        await api.post("/interrupts", json=NEW, headers=ONCE)

    due = await take_due(store)
    [event] = await store.list_events(due[0].interrupt_id)
    assert (len(due), event.type) == (1, "created")


async def test_request_under_way_has_the_next_one_wait(database: Database, clock: Clock) -> None:
    held = Held(database)
    answers: list[httpx.Response] = []

    async def post() -> None:
        answers.append(await client.post("/interrupts", json=NEW, headers=ONCE))

    async with api_client(Store(held, PUBLIC_URL, clock)) as client:
        with anyio.fail_after(PATIENCE_S):
            async with anyio.create_task_group() as agents:
                agents.start_soon(post)
                await held.asked.wait()
                await post()
                held.released.set()
        await post()

    early, first, again = answers
    assert (early.status_code, early.headers["retry-after"]) == (409, "1")
    assert early.json() == {"error": "A request with this Idempotency-Key is still in progress"}
    assert (first.status_code, again.status_code) == (201, 201)
    assert again.content == first.content


async def test_request_that_failed_leaves_its_key_free(database: Database, clock: Clock) -> None:
    down = Held(database, UnavailableError("The database cannot be used right now"))
    down.released.set()
    async with api_client(Store(down, PUBLIC_URL, clock), rate_limit=2) as client:
        invalid = await client.post("/interrupts", json=NEW | {"action": ""}, headers=ONCE)
        failed = [await client.post("/interrupts", json=NEW, headers=ONCE) for _ in range(3)]
    async with api_client(Store(database, PUBLIC_URL, clock)) as client:
        other = await client.post("/interrupts", json=NEW | {"action": "Another"}, headers=ONCE)

    statuses = [answer.status_code for answer in (invalid, *failed, other)]
    assert statuses == [400, 503, 503, 429, 201]
    assert "idempotency-replayed" not in other.headers


async def test_of_20_at_once_on_two_processes_one_asks(store: Store, elsewhere: Store) -> None:
    answers: list[httpx.Response] = []

    async def post(client: httpx.AsyncClient) -> None:
        answers.append(await client.post("/interrupts", json=NEW, headers=ONCE))

    async with api_client(store) as one, api_client(elsewhere) as two:
        async with anyio.create_task_group() as agents:
            for _ in range(10):
                agents.start_soon(post, one)
                agents.start_soon(post, two)
        last = await two.post("/interrupts", json=NEW, headers=ONCE)

    created = [answer for answer in answers if answer.status_code == 201]
    assert {answer.content for answer in created} == {last.content}
    assert sum("idempotency-replayed" not in answer.headers for answer in created) == 1
    assert {answer.status_code for answer in answers} <= {201, 409}
    assert await asked_of(store) == 1
