"""An API with reviewers: who can decide through the API, and under which name."""

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from loopin_mcp.api.store.store import Store
from tests.support import KEY, api_client
from tests.support.questions import NEW, create
from tests.support.visitors import ALICES_KEY, BOBS_KEY, REVIEWERS

APPROVED = {"decision": "approved"}
REFUSED = {
    "error": "Only a reviewer may decide: on the review page or in the inbox, or by a call with "
    "their own key (REVIEWER_KEYS)"
}


def with_key(client: httpx.AsyncClient, key: str | None) -> httpx.AsyncClient:
    client.headers = httpx.Headers({"X-API-Key": key} if key else {})
    return client


@pytest.fixture
async def keyless(sqlite_store: Store) -> AsyncIterator[httpx.AsyncClient]:
    """A caller of an API with reviewers but without an API key."""
    async with api_client(sqlite_store, reviewers=REVIEWERS) as client:
        yield client


async def all_but_deciding(caller: httpx.AsyncClient) -> list[int]:
    """The statuses of all calls except deciding."""
    one, other = [(await create(caller))["interruptId"] for _ in range(2)]
    answers = [
        await caller.get(f"/interrupts/{one}"),
        await caller.get(f"/interrupts/{one}/events"),
        await caller.get("/interrupts/pending/u"),
        await caller.get("/analytics/u"),
        await caller.delete(f"/interrupts/{other}"),
    ]
    return [answer.status_code for answer in answers]


@pytest.mark.parametrize("key", [KEY, ALICES_KEY])
async def test_agents_and_reviewers_may_do_all_but_decide(
    stranger: httpx.AsyncClient, key: str
) -> None:
    assert await all_but_deciding(with_key(stranger, key)) == [200] * 5


async def test_agents_key_does_not_decide_and_is_told_who_does_before_its_body_is_read(
    stranger: httpx.AsyncClient,
) -> None:
    agent = with_key(stranger, KEY)
    path = f"/interrupts/{(await create(agent))['interruptId']}"

    async def unread() -> Any:  # noqa: ANN401 - an async generator
        raise AssertionError("the body was read")
        yield b""

    refused = await agent.post(f"{path}/decide", content=unread())
    unknown = await agent.post("/interrupts/unknown/decide", json=APPROVED)

    assert (refused.status_code, refused.json()) == (403, REFUSED)
    assert (unknown.status_code, unknown.json()) == (403, REFUSED)
    assert (await agent.get(path)).json()["status"] == "pending"


@pytest.mark.parametrize(
    ("key", "headers", "decided"),
    [
        (ALICES_KEY, {}, ("alice", "api")),
        (BOBS_KEY, {"X-LoopIn-Channel": "mcp"}, ("bob", "mcp")),
        (BOBS_KEY, {"X-LoopIn-Channel": "inbox"}, ("bob", "api")),
    ],
)
async def test_decision_with_a_reviewers_key_is_that_reviewers(
    stranger: httpx.AsyncClient, key: str, headers: dict[str, str], decided: tuple[str, str]
) -> None:
    path = f"/interrupts/{(await create(with_key(stranger, KEY)))['interruptId']}"

    reviewer = with_key(stranger, key)
    answer = await reviewer.post(f"{path}/decide", json=APPROVED, headers=headers)

    read = (await reviewer.get(path)).json()
    assert answer.status_code == 200
    assert (read["decidedBy"], read["decidedVia"]) == decided


@pytest.mark.parametrize("claim", [{"decidedBy": "bob"}, {"decidedVia": "inbox"}])
async def test_nobody_says_themselves_who_decided(
    stranger: httpx.AsyncClient, claim: dict[str, str]
) -> None:
    alice = with_key(stranger, ALICES_KEY)
    path = f"/interrupts/{(await create(alice))['interruptId']}"

    answer = await alice.post(f"{path}/decide", json=APPROVED | claim)

    assert answer.status_code == 400
    assert (await alice.get(path)).json()["status"] == "pending"


async def test_api_that_asks_agents_for_no_key_lets_reviewers_alone_decide(
    keyless: httpx.AsyncClient,
) -> None:
    done = await all_but_deciding(keyless)
    path = f"/interrupts/{(await create(keyless))['interruptId']}"
    refused = await keyless.post(f"{path}/decide", json=APPROVED)
    decided = await with_key(keyless, BOBS_KEY).post(f"{path}/decide", json=APPROVED)

    assert done == [200] * 5
    assert (refused.status_code, refused.json()) == (403, REFUSED)
    assert decided.status_code == 200
    assert (await keyless.get(path)).json()["decidedBy"] == "bob"


async def test_key_that_is_nobodys_opens_nothing_even_where_none_is_asked_for(
    keyless: httpx.AsyncClient,
) -> None:
    answer = await with_key(keyless, f"{BOBS_KEY}x").post("/interrupts", json=NEW)

    assert (answer.status_code, answer.json()) == (
        401,
        {"error": "Unauthorized: X-API-Key is missing or has a wrong key"},
    )


async def test_caller_without_a_key_has_to_name_a_known_host(keyless: httpx.AsyncClient) -> None:
    rebound = {"Host": "evil.example"}

    strangers = await keyless.get("/analytics/u", headers=rebound)
    bobs = await with_key(keyless, BOBS_KEY).get("/analytics/u", headers=rebound)

    assert (strangers.status_code, bobs.status_code) == (421, 200)


async def test_without_reviewers_the_agents_key_decides(api: httpx.AsyncClient) -> None:
    path = f"/interrupts/{(await create(api))['interruptId']}"

    await api.post(f"{path}/decide", json=APPROVED, headers={"X-LoopIn-Channel": "mcp"})

    read = (await api.get(path)).json()
    assert (read["decidedBy"], read["decidedVia"]) == ("api-key", "mcp")
