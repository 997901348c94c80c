"""The bounds of fields, bodies and queries."""

import json
from typing import Any

import httpx
import pytest
from starlette.requests import Request
from starlette.types import Message

from loopin_mcp.api.rest.requests import read_json
from loopin_mcp.errors import InvalidRequestError
from loopin_mcp.wire.models import NewInterrupt
from tests.support.questions import JSON, NEW, create


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"agentId": None}, "agentId must be a string"),
        ({"agentId": 5}, "agentId must be a string"),
        ({"userId": ""}, "userId must not be empty"),
        ({"userId": " \t"}, "userId must not be blank and must not contain NUL"),
        ({"userId": "a\0"}, "userId must not be blank and must not contain NUL"),
        ({"userId": "\u200b\u3164"}, "userId must not be blank: no character of it would be seen"),
        ({"agentId": "\u2060 "}, "agentId must not be blank: no character of it would be seen"),
        ({"action": "\u202e\u2066\ufeff\u00ad"}, "action must not be blank: no character of it"),
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


async def test_number_too_large_for_json_is_refused(api: httpx.AsyncClient) -> None:
    body = json.dumps(NEW).replace('"amount": 1', '"amount": 1e999')

    answer = await api.post("/interrupts", content=body, headers=JSON)

    assert answer.json() == {"error": "context must hold finite numbers only"}


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
        b'{"a":"\xed\xa0\x80"}',
        b'{"a":"\0"}',
        b'{"a":' + b"9" * 100_000 + b"}",
        b"\xef\xbb\xbf{}",
        "{}".encode("utf-16"),
    ],
    ids=[
        "empty",
        "cut",
        "not UTF-8",
        "lone surrogate",
        "NaN",
        "deep array",
        "deep object",
        "surrogate in bytes",
        "bare NUL",
        "endless number",
        "byte order mark",
        "UTF-16",
    ],
)
async def test_malformed_json_is_bad_input(api: httpx.AsyncClient, body: bytes) -> None:
    answer = await api.post("/interrupts", content=body, headers=JSON)

    assert answer.status_code == 400
    assert answer.json()["error"].startswith("The body is not valid JSON: ")


@pytest.mark.parametrize(
    ("body", "name"),
    [
        ('{"agentId":"a","userId":"u","action":"Pay","context":{},"action":"Play"}', '"action"'),
        ('{"context":{"a":[{"b":1,"\\u0062":1}]}}', '"b"'),
        ('{"context":{"":1,"":1}}', '""'),
        ('{"LONG":1,"LONG":2}'.replace("LONG", "x" * 200), f'"{"x" * 100}"'),
    ],
)
async def test_name_that_stands_twice_in_an_object_is_refused(
    api: httpx.AsyncClient, body: str, name: str
) -> None:
    answer = await api.post("/interrupts", content=body, headers=JSON)

    fault = f"The body names {name} twice in one object: send each name once"
    assert (answer.status_code, answer.json()) == (400, {"error": fault})


@pytest.mark.parametrize(
    "number",
    [
        "1e-400",
        "-0.5E-9999",
        "0." + "0" * 400 + "1",
        "1e-99999999999999999999",
        "9007199254740993.0",
        "-9007199254740993.5e0",
        "12345678901234567168.0",
        "12345678901234567000.0",
        "123456789012345678e2",
        "1.2345678901234567e19",
    ],
)
@pytest.mark.parametrize("place", ['{"amount":NUMBER}', '{"deep":[{"amount":NUMBER}]}'])
async def test_number_that_would_be_rounded_is_refused(
    api: httpx.AsyncClient, number: str, place: str
) -> None:
    body = '{"agentId":"a","userId":"u","action":"Pay","context":CONTEXT}'
    content = body.replace("CONTEXT", place).replace("NUMBER", number)
    answer = await api.post("/interrupts", content=content, headers=JSON)

    fault = f"The body has the number {number[:100]}, which would be rounded: send it as an integer"
    assert answer.status_code == 400
    assert answer.json()["error"].startswith(fault)


@pytest.mark.parametrize(
    "number",
    [
        *("0", "-0.0", "0e-999", "0e99999999999999999999", "5e-324", "0.1", "0.10"),
        *("0.10000000000000001", "3.14159265358979323846", "-1234567890123456.78"),
        "6.0221407612345678901e23",
        *("0.30000000000000004", "1e2", "9007199254740992.0", "100000000000000000000.0"),
        *("1e22", "6.02214076e23", "1.7976931348623157e308"),
    ],
)
async def test_number_whose_value_a_double_keeps_is_taken(
    api: httpx.AsyncClient, number: str
) -> None:
    body = '{"agentId":"a","userId":"u","action":"Pay","context":{"amount":NUMBER}}'
    created = await api.post("/interrupts", content=body.replace("NUMBER", number), headers=JSON)
    read = await api.get(f"/interrupts/{created.json()['interruptId']}")

    assert read.json()["context"] == {"amount": float(number)}


@pytest.mark.parametrize("body", ["[]", "1", "null", '"text"'])
async def test_json_that_is_no_object_is_bad_input(api: httpx.AsyncClient, body: str) -> None:
    answer = await api.post("/interrupts", content=body, headers=JSON)

    assert (answer.status_code, answer.json()) == (
        400,
        {"error": "the body must be a JSON object"},
    )


async def test_one_deep_body_does_not_poison_the_list(api: httpx.AsyncClient) -> None:
    await api.post("/interrupts", content=b'{"context":' + b"[" * 90_000, headers=JSON)
    created = await create(api)

    listed = await api.get("/interrupts/pending/u")

    assert [item["interruptId"] for item in listed.json()] == [created["interruptId"]]


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


async def test_form_that_holds_two_decisions_records_none(api: httpx.AsyncClient) -> None:
    created = await create(api)

    answer = await api.post(
        f"/review/{created['interruptId']}",
        content="decision=approved&reason=&decision=rejected",
        headers={"Content-Type": "application/x-www-form-urlencoded"},
    )

    assert answer.status_code == 400
    assert "The form holds a field twice" in answer.text
    read = await api.get(f"/interrupts/{created['interruptId']}")
    assert read.json()["status"] == "pending"


async def test_body_that_is_cut_short_is_bad_input() -> None:
    async def receive() -> Message:
        return {"type": "http.disconnect"}

    scope = {"type": "http", "headers": [(b"content-type", b"application/json")]}

    with pytest.raises(InvalidRequestError, match="cut short"):
        await read_json(Request(scope, receive), NewInterrupt)
