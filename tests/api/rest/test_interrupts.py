"""The REST endpoints through ASGI: an interrupt from create to outcome."""

import uuid

import httpx
import pytest

from loopin_mcp.api.database.steps import Row, Value
from loopin_mcp.api.store.store import Store
from tests.support import PUBLIC_URL, Clock, Down, api_client
from tests.support.questions import NEW, create


async def test_interrupt_is_created_read_decided_and_read_again(
    api: httpx.AsyncClient, clock: Clock
) -> None:
    created = await create(api)
    interrupt_id = created["interruptId"]
    pending = (await api.get(f"/interrupts/{interrupt_id}")).json()
    clock.advance(2)
    decision = {"decision": "approved", "reason": "ok", "modifiedParams": {"amount": 2}}
    decided = await api.post(f"/interrupts/{interrupt_id}/decide", json=decision)
    read = await api.get(f"/interrupts/{interrupt_id}")

    assert uuid.UUID(interrupt_id).version == 4
    assert interrupt_id == interrupt_id.lower()
    assert created == {
        "interruptId": interrupt_id,
        "status": "pending",
        "expiresAt": "2025-06-15T16:06:40.000Z",
        "reviewUrl": f"{PUBLIC_URL}/review/{interrupt_id}",
    }
    assert pending == {
        **created,
        **NEW,
        "urgency": "medium",
        "createdAt": "2025-06-15T15:06:40.000Z",
        "payloadDigest": pending["payloadDigest"],
        "eventsHead": pending["eventsHead"],
    }
    assert (decided.status_code, decided.json()) == (
        200,
        {
            "interruptId": interrupt_id,
            "status": "resolved",
            "decision": "approved",
            "decidedAt": "2025-06-15T15:06:42.000Z",
        },
    )
    assert read.json() == {
        **pending,
        **decision,
        "status": "approved",
        "decidedAt": "2025-06-15T15:06:42.000Z",
        "settledAt": "2025-06-15T15:06:42.000Z",
        "decidedBy": "api-key",
        "decidedVia": "api",
        "eventsHead": read.json()["eventsHead"],
    }


async def test_late_decision_and_cancellation_are_conflicts(api: httpx.AsyncClient) -> None:
    interrupt_id = (await create(api))["interruptId"]
    first = await api.delete(f"/interrupts/{interrupt_id}")

    second = await api.delete(f"/interrupts/{interrupt_id}")
    decided = await api.post(f"/interrupts/{interrupt_id}/decide", json={"decision": "approved"})

    assert (first.status_code, first.json()) == (
        200,
        {"interruptId": interrupt_id, "status": "cancelled"},
    )
    assert (second.status_code, second.json()) == (
        409,
        {"error": "Cannot cancel an interrupt with status: cancelled"},
    )
    assert (decided.status_code, decided.json()) == (
        409,
        {"error": "Interrupt is already cancelled"},
    )


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", ""), ("DELETE", ""), ("POST", "/decide")],
)
async def test_unknown_interrupt_is_not_found(
    api: httpx.AsyncClient, method: str, path: str
) -> None:
    body = {"decision": "approved"} if method == "POST" else None
    ids = ["x", "..%2Finterrupts", "%00", "%FF", "a" * 5_000, "%2e%2e", "é"]

    answers = [await api.request(method, f"/interrupts/{id_}{path}", json=body) for id_ in ids]

    assert {(answer.status_code, answer.text) for answer in answers} == {
        (404, '{"error":"Interrupt not found"}')
    }


@pytest.mark.parametrize("user_id", ["a/b", "a?b#c%d", "ü x", "...", "100%", "%2F", "__proto__"])
async def test_user_ids_are_one_encoded_segment(api: httpx.AsyncClient, user_id: str) -> None:
    created = await create(api, userId=user_id)
    segment = "".join(f"%{byte:02X}" for byte in user_id.encode())

    listed = (await api.get(f"/interrupts/pending/{segment}")).json()
    analytics = (await api.get(f"/analytics/{segment}")).json()

    assert [item["interruptId"] for item in listed] == [created["interruptId"]]
    assert (analytics["userId"], analytics["totalInterrupts"]) == (user_id, 1)


@pytest.mark.parametrize(
    "path", ["/interrupts/", "/interrupts/{id}/", "/health/", "/review/{id}/", "/history/"]
)
async def test_slash_at_the_end_leads_nowhere(api: httpx.AsyncClient, path: str) -> None:
    interrupt_id = (await create(api))["interruptId"]

    answer = await api.get(path.format(id=interrupt_id))

    assert (answer.status_code, answer.json()) == (404, {"error": "Not Found"})
    assert "location" not in answer.headers


async def test_encoded_slash_in_an_id_leads_to_no_other_resource(api: httpx.AsyncClient) -> None:
    await create(api)

    answers = [
        await api.get("/interrupts/pending%2Fu"),
        await api.get("/interrupts/x%2F..%2Fpending%2Fu"),
        await api.delete("/interrupts/pending%2Fu"),
    ]

    assert [answer.status_code for answer in answers] == [404, 404, 404]


async def test_pages_are_linked_until_the_last(api: httpx.AsyncClient) -> None:
    ids = [(await create(api, userId="u/1"))["interruptId"] for _ in range(5)]
    path: str | None = "/interrupts/pending/u%2F1?limit=2"
    pages = []
    while path:
        answer = await api.get(path)
        pages.append([item["interruptId"] for item in answer.json()])
        path = answer.links.get("next", {}).get("url")

    assert [len(page) for page in pages] == [2, 2, 1]
    assert sorted(id_ for page in pages for id_ in page) == sorted(ids)


async def test_callback_url_is_never_shown(api: httpx.AsyncClient) -> None:
    created = await create(api, callbackUrl="https://example.com/hook?token=secret")

    read = await api.get(f"/interrupts/{created['interruptId']}")
    listed = await api.get("/interrupts/pending/u")

    assert "secret" not in read.text + listed.text
    assert "allback" not in read.text + listed.text


async def test_unknown_route_and_method_are_refused_as_json(api: httpx.AsyncClient) -> None:
    unknown = await api.get("/nothing")
    method = await api.put("/interrupts")

    assert (unknown.status_code, unknown.json()) == (404, {"error": "Not Found"})
    assert (method.status_code, method.json()) == (405, {"error": "Method Not Allowed"})


async def test_fault_is_a_500_without_a_trace(clock: Clock) -> None:
    class Broken(Down):
        async def read(self, sql: str, **params: Value) -> list[Row]:
            raise RuntimeError(f"secret {sql}")

        find = read

    async with api_client(Store(Broken(), PUBLIC_URL, clock)) as client:
        answer = await client.get("/analytics/u")
        page = await client.get("/")

    assert page.json() == answer.json()
    assert (answer.status_code, answer.json()) == (
        500,
        {"error": "The API has a fault; it is in its log"},
    )
