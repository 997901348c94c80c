"""The REST endpoints, through ASGI."""

import json
import re
import uuid
from typing import Any

import httpx
import pytest

from loopin_mcp.api.store import Store
from tests.support import KEY, PUBLIC_URL, Clock, api_client

NEW = {"agentId": "a", "userId": "u", "action": "Pay", "context": {"amount": 1}}
JSON = {"Content-Type": "application/json"}


async def create(api: httpx.AsyncClient, **changes: Any) -> dict[str, Any]:  # noqa: ANN401
    answer = await api.post("/interrupts", json=NEW | changes)
    assert answer.status_code == 201, answer.text
    created: dict[str, Any] = answer.json()
    return created


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
        "decidedBy": "api-key",
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


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"agentId": None}, "agentId must be a string"),
        ({"agentId": 5}, "agentId must be a string"),
        ({"userId": ""}, "userId must not be empty"),
        ({"userId": " \t"}, "userId must not be blank and must not contain NUL"),
        ({"userId": "a\0"}, "userId must not be blank and must not contain NUL"),
        ({"userId": "x" * 201}, "userId must be at most 200 characters"),
        ({"action": "x" * 2001}, "action must be at most 2000 characters"),
        ({"context": "text"}, "context must be a JSON object"),
        ({"context": [1]}, "context must be a JSON object"),
        ({"context": {"a": "x" * 65536}}, "context must be at most 65536 bytes as JSON"),
        ({"urgency": "urgent"}, "urgency must be 'low', 'medium' or 'high'"),
        ({"expiresIn": 0}, "expiresIn must be at least 1"),
        ({"expiresIn": 2_592_001}, "expiresIn must be at most 2592000"),
        ({"expiresIn": "60"}, "expiresIn must be an integer"),
        ({"expiresIn": True}, "expiresIn must be an integer"),
        ({"expiresIn": 1.5}, "expiresIn must be an integer"),
        ({"callbackUrl": "ftp://example.com"}, "callbackUrl must be an http or https URL"),
        ({"callbackUrl": "https://" + "a" * 2000}, "callbackUrl must be at most 2000 characters"),
        ({"agent_id": "a"}, "agent_id is not a known field"),
        ({"priority": 1, "expiresIn": 0}, "expiresIn must be at least 1; priority is not a known"),
    ],
)
async def test_bad_field_is_refused_by_name_and_bound(
    api: httpx.AsyncClient, changes: dict[str, Any], message: str
) -> None:
    answer = await api.post("/interrupts", json=NEW | changes)

    assert answer.status_code == 400
    assert answer.json()["error"].startswith(message)
    assert (await api.get("/interrupts/pending/u")).json() == []


async def test_values_at_their_bounds_are_taken(api: httpx.AsyncClient) -> None:
    deep: dict[str, Any] = {}
    for _ in range(31):
        deep = {"d": deep}
    edge = NEW | {
        "agentId": "x" * 200,
        "userId": "🐍" * 200,
        "action": "x" * 2000,
        "context": deep,
        "expiresIn": 2_592_000.0,
        "callbackUrl": None,
    }

    created = await api.post("/interrupts", json=edge)
    too_deep = await api.post("/interrupts", json=edge | {"context": {"d": deep}})

    assert created.status_code == 201
    assert too_deep.json() == {"error": "context must not be nested more than 32 levels deep"}


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"\xff",
        b'{"a": "\\ud800"}',
        b'{"a": NaN}',
        b"[" * 100_000,
        b'{"a":' * 5_000 + b"1" + b"}" * 5_000,
    ],
    ids=["empty", "cut", "not UTF-8", "lone surrogate", "NaN", "deep array", "deep object"],
)
async def test_malformed_json_is_bad_input(api: httpx.AsyncClient, body: bytes) -> None:
    answer = await api.post("/interrupts", content=body, headers=JSON)

    assert (answer.status_code, answer.json()) == (400, {"error": "The body is not valid JSON"})


@pytest.mark.parametrize("body", ["[]", "1", "null", '"text"'])
async def test_json_that_is_no_object_is_bad_input(api: httpx.AsyncClient, body: str) -> None:
    answer = await api.post("/interrupts", content=body, headers=JSON)

    assert (answer.status_code, answer.json()) == (
        400,
        {"error": "the body must be a JSON object"},
    )


async def test_number_too_large_for_json_is_refused(api: httpx.AsyncClient) -> None:
    body = json.dumps(NEW).replace('"amount": 1', '"amount": 1e999')

    answer = await api.post("/interrupts", content=body, headers=JSON)

    assert answer.json() == {"error": "context must hold finite numbers only"}


@pytest.mark.parametrize("content_type", ["text/plain", "", "application/x-www-form-urlencoded"])
async def test_body_of_another_type_is_refused(api: httpx.AsyncClient, content_type: str) -> None:
    headers = {"Content-Type": content_type}

    answer = await api.post("/interrupts", content=json.dumps(NEW), headers=headers)

    assert answer.status_code == 415
    assert "application/json" in answer.json()["error"]


@pytest.mark.parametrize("declared", [True, False])
async def test_body_over_the_limit_is_refused(api: httpx.AsyncClient, declared: bool) -> None:
    body = b" " * (256 * 1024 + 1)

    async def chunks() -> Any:  # noqa: ANN401 - an async generator
        for start in range(0, len(body), 65536):
            yield body[start : start + 65536]

    content = body if declared else chunks()
    answer = await api.post("/interrupts", content=content, headers=JSON)

    assert (answer.status_code, answer.json()) == (
        413,
        {"error": "The body must be at most 262144 bytes"},
    )


@pytest.mark.parametrize("user_id", ["a/b", "a?b#c%d", "ü x", "..", "100%", "%2F", "__proto__"])
async def test_user_ids_are_one_encoded_segment(api: httpx.AsyncClient, user_id: str) -> None:
    created = await create(api, userId=user_id)
    segment = "".join(f"%{byte:02X}" for byte in user_id.encode())

    listed = (await api.get(f"/interrupts/pending/{segment}")).json()
    analytics = (await api.get(f"/analytics/{segment}")).json()

    assert [item["interruptId"] for item in listed] == [created["interruptId"]]
    assert (analytics["userId"], analytics["totalInterrupts"]) == (user_id, 1)


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


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("limit=0", "limit must be at least 1"),
        ("limit=201", "limit must be at most 200"),
        ("limit=x", "limit "),
        ("cursor=x", "cursor is not one that this API gave"),
    ],
)
async def test_bad_query_is_refused_by_name(
    api: httpx.AsyncClient, query: str, message: str
) -> None:
    answer = await api.get(f"/interrupts/pending/u?{query}")

    assert answer.status_code == 400
    assert answer.json()["error"].startswith(message)


async def test_reason_with_nul_is_refused_by_name(api: httpx.AsyncClient) -> None:
    created = await create(api)

    answer = await api.post(
        f"/interrupts/{created['interruptId']}/decide",
        json={"decision": "approved", "reason": "a\0"},
    )

    assert (answer.status_code, answer.json()) == (400, {"error": "reason must not contain NUL"})


async def test_callback_url_is_never_shown(api: httpx.AsyncClient) -> None:
    created = await create(api, callbackUrl="https://example.com/hook?token=secret")

    read = await api.get(f"/interrupts/{created['interruptId']}")
    listed = await api.get("/interrupts/pending/u")

    assert "secret" not in read.text + listed.text
    assert "allback" not in read.text + listed.text


async def test_one_deep_body_does_not_poison_the_list(api: httpx.AsyncClient) -> None:
    await api.post("/interrupts", content=b'{"context":' + b"[" * 90_000, headers=JSON)
    created = await create(api)

    listed = await api.get("/interrupts/pending/u")

    assert [item["interruptId"] for item in listed.json()] == [created["interruptId"]]


async def test_unknown_route_and_method_are_refused_as_json(api: httpx.AsyncClient) -> None:
    unknown = await api.get("/nothing")
    method = await api.put("/interrupts")

    assert (unknown.status_code, unknown.json()) == (404, {"error": "Not Found"})
    assert (method.status_code, method.json()) == (405, {"error": "Method Not Allowed"})


async def test_fault_is_a_500_without_a_trace(clock: Clock) -> None:
    class Broken:
        async def fetch(self, sql: str, **params: object) -> list[Any]:
            raise RuntimeError(f"secret {sql}")

        async def aclose(self) -> None: ...

    async with api_client(Store(Broken(), PUBLIC_URL), clock) as client:
        answer = await client.get("/analytics/u")

    assert (answer.status_code, answer.json()) == (
        500,
        {"error": "The API has a fault; it is in its log"},
    )


@pytest.mark.parametrize("key", [None, "", "wrong", KEY + "x", KEY[:-1], "ü"])
async def test_without_the_key_every_api_route_is_closed_before_the_body_is_read(
    sqlite_store: Store, clock: Clock, key: str | None
) -> None:
    headers = {} if key is None else {b"X-API-Key": key.encode()}
    routes = [
        ("POST", "/interrupts"),
        ("GET", "/interrupts/x"),
        ("DELETE", "/interrupts/x"),
        ("POST", "/interrupts/x/decide"),
        ("GET", "/interrupts/pending/u"),
        ("GET", "/analytics/u"),
        ("GET", "/nothing"),
    ]

    async def unread() -> Any:  # noqa: ANN401 - an async generator
        raise AssertionError("the body was read")
        yield b""

    async with api_client(sqlite_store, clock, api_key=KEY) as client:
        answers = [
            await client.request(
                method, path, headers=headers, content=unread() if method == "POST" else None
            )
            for method, path in routes
        ]
        public = [await client.get(path) for path in ("/health", "/openapi.json", "/review/x")]

    assert {(answer.status_code, answer.text) for answer in answers} == {
        (401, '{"error":"Unauthorized"}')
    }
    assert [answer.status_code for answer in public] == [200, 200, 404]


async def test_without_a_configured_key_none_is_asked_for(
    sqlite_store: Store, clock: Clock
) -> None:
    async with api_client(sqlite_store, clock) as client:
        created = await create(client)
        path = f"/interrupts/{created['interruptId']}"
        await client.post(f"{path}/decide", json={"decision": "rejected"})
        read = (await client.get(path)).json()

    assert (read["status"], read["decidedBy"]) == ("rejected", "anonymous")


@pytest.mark.parametrize(
    ("listens_on", "host", "status"),
    [
        ("127.0.0.1", "127.0.0.1:3002", 200),
        ("127.0.0.1", "localhost:9", 200),
        ("127.0.0.1", "[::1]:3002", 200),
        ("127.0.0.1", "attacker.example", 421),
        ("127.0.0.1", "192.0.2.7", 421),
        ("127.0.0.1", "", 421),
        ("127.0.0.1", "[", 421),
        ("0.0.0.0", "192.0.2.7:3002", 200),  # noqa: S104
        ("0.0.0.0", "attacker.example", 421),  # noqa: S104
        ("approve.example", "approve.example", 200),
    ],
)
async def test_keyless_api_answers_to_known_hosts_alone(
    sqlite_store: Store, clock: Clock, listens_on: str, host: str, status: int
) -> None:
    async with api_client(sqlite_store, clock, listens_on=listens_on) as client:
        answer = await client.get("/analytics/u", headers={"Host": host})
        health = await client.get("/health", headers={"Host": host})

    assert (answer.status_code, health.status_code) == (status, 200)


async def test_holder_of_the_key_may_use_any_host(api: httpx.AsyncClient) -> None:
    answer = await api.get("/analytics/u", headers={"Host": "internal.example"})

    assert answer.status_code == 200


async def test_health_tells_service_and_version(api: httpx.AsyncClient) -> None:
    answer = (await api.get("/health")).json()

    assert re.fullmatch(r"\d+\.\d+\.\d+\S*", answer.pop("version"))
    assert answer == {"status": "ok", "service": "loopin-api"}


async def test_health_proves_the_key_for_this_port_and_challenge_alone(
    api: httpx.AsyncClient, sqlite_store: Store, clock: Clock
) -> None:
    one = (await api.get("/health?challenge=1")).json()["proof"]
    same = (await api.get("/health?challenge=1")).json()["proof"]
    other = (await api.get("/health?challenge=2")).json()["proof"]
    too_long = await api.get(f"/health?challenge={'x' * 101}")
    async with api_client(sqlite_store, clock) as keyless:
        unproven = (await keyless.get("/health?challenge=1")).json()

    assert one == same != other
    assert len(one) == 64
    assert too_long.json() == {"error": "challenge must be at most 100 characters"}
    assert "proof" not in unproven
