"""Calls that a host holds, over HTTP: asked, used once, and standing approvals for reviewers."""

from typing import Any

import httpx
import pytest

from loopin_mcp import ConflictError, Decision, HostCall, LoopinClient
from loopin_mcp.api.store.outcomes import Standing
from loopin_mcp.api.store.store import Store
from tests.support import REVIEWER, Clock, api_app, api_client, new_interrupt
from tests.support.questions import NEW
from tests.support.visitors import ALICES_KEY, REVIEWERS

CALL = {"session": "s", "tool": "Bash", "digest": "a" * 64}
ALICE = {"X-API-Key": ALICES_KEY}
FOR_TOOL = Standing("tool", 3600)


async def test_question_about_a_call_is_created_once(api: httpx.AsyncClient) -> None:
    first = await api.post("/interrupts", json=NEW | {"call": CALL, "useWithin": 60})
    again = await api.post("/interrupts", json=NEW | {"call": CALL, "useWithin": 60})

    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json() == again.json()
    read = (await api.get(f"/interrupts/{first.json()['interruptId']}")).json()
    assert (read["call"], read["useWithin"]) == (CALL, 60)


async def test_use_succeeds_once(api: httpx.AsyncClient) -> None:
    created = (await api.post("/interrupts", json=NEW | {"call": CALL})).json()
    path = f"/interrupts/{created['interruptId']}"
    await api.post(f"{path}/decide", json={"decision": "approved"})

    first, second = await api.post(f"{path}/use"), await api.post(f"{path}/use")

    assert (first.status_code, second.status_code) == (200, 409)
    read = (await api.get(path)).json()
    assert first.json() == {
        "interruptId": created["interruptId"],
        "status": "used",
        "usedAt": read["usedAt"],
    }
    assert "was used" in second.json()["error"]


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"call": CALL | {"digest": "A" * 64}}, "call.digest"),
        ({"call": CALL | {"digest": "a" * 63}}, "call.digest"),
        ({"call": CALL | {"session": " "}}, "call.session"),
        ({"call": CALL | {"tool": "x" * 201}}, "call.tool"),
        ({"call": CALL | {"id": "1"}}, "call.id"),
        ({"call": "Bash"}, "call"),
        ({"useWithin": 0}, "useWithin"),
        ({"useWithin": 1.5}, "useWithin"),
        ({"useWithin": 2_592_001}, "useWithin"),
    ],
)
async def test_field_that_cannot_be_used_is_refused_by_name(
    api: httpx.AsyncClient, changes: dict[str, Any], field: str
) -> None:
    refused = await api.post("/interrupts", json=NEW | changes)

    assert refused.status_code == 400
    assert refused.json()["error"].startswith(field)


async def test_covered_calls_do_not_count_for_the_rate_limit(sqlite_store: Store) -> None:
    async with api_client(sqlite_store, rate_limit=1) as api:
        created = (await api.post("/interrupts", json=NEW | {"call": CALL})).json()
        decision = Decision(decision="approved")
        await sqlite_store.decide_interrupt(created["interruptId"], decision, REVIEWER, FOR_TOOL)

        for number in range(5):
            call = CALL | {"digest": f"{number}" * 64}
            covered = await api.post("/interrupts", json=NEW | {"call": call})
            assert (covered.status_code, covered.json()["status"]) == (201, "approved")
        refused = await api.post("/interrupts", json=NEW | {"call": CALL | {"session": "t"}})
        assert refused.status_code == 429


async def test_reviewers_list_and_end_standing_approvals(sqlite_store: Store) -> None:
    async with api_client(sqlite_store, reviewers=REVIEWERS) as api:
        api.headers.pop("X-API-Key", None)
        new = NEW | {"call": CALL}
        created = (await api.post("/interrupts", json=new, headers=ALICE)).json()
        decision = Decision(decision="approved")
        await sqlite_store.decide_interrupt(created["interruptId"], decision, REVIEWER, FOR_TOOL)

        [standing] = (await api.get("/standing-approvals", headers=ALICE)).json()
        assert (standing["tool"], standing["grantedBy"]) == ("Bash", "alice")
        path = f"/standing-approvals/{created['interruptId']}"
        ended = await api.delete(path, headers=ALICE)
        assert (ended.status_code, ended.json()["status"]) == (200, "ended")
        assert (await api.delete(path, headers=ALICE)).status_code == 409
        assert (await api.get("/standing-approvals", headers=ALICE)).json() == []


@pytest.mark.parametrize("has_reviewers", [True, False])
async def test_agents_do_not_see_standing_approvals(
    sqlite_store: Store, has_reviewers: bool
) -> None:
    reviewers = REVIEWERS if has_reviewers else {}
    async with api_client(sqlite_store, api_key="k" * 30, reviewers=reviewers) as api:
        agent = {"X-API-Key": "k" * 30}
        listed = await api.get("/standing-approvals", headers=agent)
        ended = await api.delete("/standing-approvals/any", headers=agent)

    assert (listed.status_code, ended.status_code) == (403, 403)
    assert "reviewer key" in listed.json()["error"]


async def test_mcp_channel_does_not_decide_about_a_call(api: httpx.AsyncClient) -> None:
    created = (await api.post("/interrupts", json=NEW | {"call": CALL})).json()

    refused = await api.post(
        f"/interrupts/{created['interruptId']}/decide",
        json={"decision": "approved"},
        headers={"X-LoopIn-Channel": "mcp"},
    )

    assert refused.status_code == 403


async def test_client_asks_about_a_call_and_uses_its_approval(sqlite_store: Store) -> None:
    transport = httpx.ASGITransport(api_app(sqlite_store))
    async with httpx.AsyncClient(transport=transport) as http:
        client = LoopinClient("http://127.0.0.1:3002", http=http)
        new = new_interrupt(call=HostCall.model_validate(CALL))
        created = await client.create_interrupt(new)
        assert await client.create_interrupt(new) == created
        await client.decide_interrupt(created.interrupt_id, Decision(decision="approved"))

        used = await client.use_approval(created.interrupt_id)

        assert (await client.get_interrupt_status(created.interrupt_id)).used_at == used.used_at
        with pytest.raises(ConflictError, match="was used"):
            await client.use_approval(created.interrupt_id)


async def test_late_use_is_refused(api: httpx.AsyncClient, clock: Clock) -> None:
    created = (await api.post("/interrupts", json=NEW | {"useWithin": 30})).json()
    path = f"/interrupts/{created['interruptId']}"
    await api.post(f"{path}/decide", json={"decision": "approved"})
    clock.advance(31)

    assert (await api.post(f"{path}/use")).status_code == 409
