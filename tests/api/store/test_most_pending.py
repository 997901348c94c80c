"""The limit of pending interrupts per user holds, also for concurrent creates."""

from collections.abc import Iterator
from functools import partial

import anyio
import httpx

from loopin_mcp.api.store.creation import MOST_PENDING
from loopin_mcp.api.store.store import Store
from loopin_mcp.wire.models import Decision
from tests.support import AGENT, REVIEWER, Clock, api_client, new_interrupt
from tests.support.questions import NEW


async def fill(store: Store, count: int) -> list[str]:
    """Create this many interrupts for one user; returns their ids."""
    ids: list[str] = []

    async def ask(numbers: Iterator[int]) -> None:
        for number in numbers:
            question = new_interrupt(user_id="u", expires_in=3600 + number)
            ids.append((await store.create_interrupt(question, AGENT)).interrupt_id)

    async with anyio.create_task_group() as agents:
        numbers = iter(range(count))
        for _ in range(20):
            agents.start_soon(ask, numbers)
    return ids


async def test_one_more_is_refused_until_one_is_settled(store: Store, clock: Clock) -> None:
    [oldest, *_] = await fill(store, MOST_PENDING)
    async with api_client(store) as api:
        post = partial(api.post, "/interrupts", headers={"Idempotency-Key": '"once"'})
        refused = await post(json=NEW)
        other = await api.post("/interrupts", json=NEW | {"userId": "v"})
        await store.decide_interrupt(oldest, Decision(decision="approved"), REVIEWER)
        accepted = await post(json=NEW)
        clock.advance(3601)
        with_room = await api.post("/interrupts", json=NEW)

    assert (refused.status_code, refused.headers["retry-after"]) == (429, "60")
    assert refused.json() == {
        "error": "userId has 1000 pending interrupts, the maximum: have some decided or "
        "cancelled first"
    }
    assert [answer.status_code for answer in (other, accepted, with_room)] == [201, 201, 201]
    assert "idempotency-replayed" not in accepted.headers


async def test_many_at_once_on_two_processes_are_counted_exactly(
    store: Store, elsewhere: Store
) -> None:
    await fill(store, MOST_PENDING - 5)
    answers: list[httpx.Response] = []

    async def post(api: httpx.AsyncClient) -> None:
        answers.append(await api.post("/interrupts", json=NEW))

    async with (
        api_client(store) as one,
        api_client(elsewhere) as two,
        anyio.create_task_group() as agents,
    ):
        for _ in range(10):
            agents.start_soon(post, one)
            agents.start_soon(post, two)

    statuses = sorted(answer.status_code for answer in answers)
    analytics = await store.get_interrupt_analytics("u")
    assert statuses == [201] * 5 + [429] * 15
    assert analytics.by_status == {"pending": MOST_PENDING}
