"""The OpenAPI description matches the answers of the API."""

import json
import re
from pathlib import Path

import httpx
import jsonschema
import pytest
from pydantic.alias_generators import to_camel
from starlette.routing import Route

from loopin_mcp.api.rest.openapi import openapi_document
from loopin_mcp.api.store.store import Store
from tests.support import KEY, Clock, api_app, api_client
from tests.support.questions import NEW
from tests.support.visitors import ALICES_KEY, REVIEWERS, sign_in

GOLDEN = Path(__file__).parents[2] / "golden" / "openapi.json"
WRONG = {"X-API-Key": "a-key-that-is-nobodys"}


def check(answer: httpx.Response, method: str, path: str) -> None:
    """Check that the description of this call allows the answer."""
    document = openapi_document(keyed=True, embedded=True)
    described = document["paths"][path][method]["responses"][str(answer.status_code)]
    [(media_type, content)] = described["content"].items()
    assert answer.headers["content-type"].partition(";")[0] == media_type
    body = answer.json() if media_type == "application/json" else answer.text
    schema = content["schema"] | {"components": document["components"]}
    jsonschema.Draft202012Validator(schema).validate(body)


def test_description_is_the_golden_one() -> None:
    document = openapi_document(keyed=True, embedded=True)
    del document["info"]["version"]

    assert json.dumps(document, indent=1) + "\n" == GOLDEN.read_text(encoding="utf-8")


async def test_every_call_answers_as_described(api: httpx.AsyncClient, clock: Clock) -> None:
    created = await api.post("/interrupts", json=NEW)
    path = f"/interrupts/{created.json()['interruptId']}"
    other = await api.post("/interrupts", json=NEW)
    other_path = f"/interrupts/{other.json()['interruptId']}"
    clock.advance(1)
    decision = {"decision": "approved", "reason": "ok", "modifiedParams": {"amount": 2}}

    check(created, "post", "/interrupts")
    check(await api.get(path), "get", "/interrupts/{interruptId}")
    check(await api.get("/interrupts/pending/u"), "get", "/interrupts/pending/{userId}")
    check(await api.get("/analytics/nobody"), "get", "/analytics/{userId}")
    check(await api.get(f"/review/{path[12:]}"), "get", "/review/{interruptId}")
    check(
        await api.post(f"{path}/decide", json=decision), "post", "/interrupts/{interruptId}/decide"
    )
    check(await api.delete(other_path), "delete", "/interrupts/{interruptId}")
    check(await api.get(f"{path}/events"), "get", "/interrupts/{interruptId}/events")
    check(await api.get(path), "get", "/interrupts/{interruptId}")
    check(await api.post(f"{path}/use"), "post", "/interrupts/{interruptId}/use")
    check(await api.post(f"{path}/use"), "post", "/interrupts/{interruptId}/use")
    check(await api.get("/standing-approvals"), "get", "/standing-approvals")
    of_call = NEW | {"call": {"session": "s", "tool": "Bash", "digest": "0" * 64}}
    check(await api.post("/interrupts", json=of_call), "post", "/interrupts")
    check(await api.post("/interrupts", json=of_call), "post", "/interrupts")
    check(await api.get("/analytics/u"), "get", "/analytics/{userId}")
    check(await api.get("/health?challenge=x"), "get", "/health")
    check(await api.get("/ready"), "get", "/ready")
    check(await api.get("/openapi.json"), "get", "/openapi.json")


async def test_every_refusal_is_described(api: httpx.AsyncClient) -> None:
    created = await api.post("/interrupts", json=NEW)
    path = f"/interrupts/{created.json()['interruptId']}"
    await api.delete(path)
    decide = "/interrupts/{interruptId}/decide"
    approve = {"decision": "approved"}

    check(await api.post("/interrupts", json={}), "post", "/interrupts")
    check(await api.post("/interrupts", content=b"x" * 300_000), "post", "/interrupts")
    for action in ("first", "other"):
        question, once = NEW | {"action": action}, {"Idempotency-Key": '"key"'}
        check(await api.post("/interrupts", json=question, headers=once), "post", "/interrupts")
    check(await api.delete(path), "delete", "/interrupts/{interruptId}")
    check(await api.get("/interrupts/x"), "get", "/interrupts/{interruptId}")
    check(await api.get("/interrupts/x/events"), "get", "/interrupts/{interruptId}/events")
    check(await api.post(f"{path}/decide", json=approve), "post", decide)
    check(await api.post("/interrupts/x/decide", json=approve), "post", decide)
    check(await api.post("/interrupts/x/decide", json={}), "post", decide)
    check(await api.get("/review/x"), "get", "/review/{interruptId}")
    check(await api.get("/interrupts/pending/u?limit=0"), "get", "/interrupts/pending/{userId}")
    del api.headers["X-API-Key"]
    check(await api.get("/analytics/u"), "get", "/analytics/{userId}")


async def test_keyless_api_describes_no_key(sqlite_store: Store) -> None:
    async with api_client(sqlite_store) as client:
        document = (await client.get("/openapi.json")).json()

    assert document == openapi_document(keyed=False)
    assert "security" not in document
    assert "401" not in document["paths"]["/interrupts"]["post"]["responses"]


async def test_agents_without_a_key_are_described_beside_reviewers_with_one(
    sqlite_store: Store,
) -> None:
    decide = "/interrupts/{interruptId}/decide"
    async with api_client(sqlite_store, reviewers=REVIEWERS) as client:
        document = (await client.get("/openapi.json")).json()
        check(await client.post("/interrupts/x/decide", json={}), "post", decide)
        check(await client.get("/analytics/u", headers=WRONG), "get", "/analytics/{userId}")

    assert document == openapi_document(keyed=True, anonymous=True)
    assert document["security"] == [{"key": []}, {}]


@pytest.mark.parametrize(
    ("path", "methods"),
    [
        ("/interrupts", "POST"),
        ("/interrupts/x", "DELETE, GET, HEAD"),
        ("/review/x", "GET, HEAD, POST"),
        ("/health", "GET, HEAD"),
    ],
)
async def test_allow_names_every_method_of_the_path(
    api: httpx.AsyncClient, path: str, methods: str
) -> None:
    answer = await api.put(path)

    assert (answer.status_code, answer.headers["allow"]) == (405, methods)


async def test_link_that_signs_in_is_answered_as_described(embedded: httpx.AsyncClient) -> None:
    key = {"X-API-Key": KEY}
    description = (await embedded.get("/openapi.json")).json()

    check(await embedded.post("/sign-in-links", headers=key), "post", "/sign-in-links")
    check(await embedded.post("/sign-in-links"), "post", "/sign-in-links")
    assert description == openapi_document(keyed=True, embedded=True)


async def test_pages_and_links_of_reviewers_are_answered_as_described(sqlite_store: Store) -> None:
    options = {"api_key": KEY, "reviewers": REVIEWERS, "embedded": True}
    key = {"X-API-Key": KEY}
    review = "/review/{interruptId}"
    async with api_client(sqlite_store, **options) as client:
        check(await client.get("/review/x"), "get", review)
        check(await client.post("/review/x", data={"decision": "approved"}), "post", review)
        check(await client.post("/sign-in-links", headers=key), "post", "/sign-in-links")
        await sign_in(client, ALICES_KEY)
        check(await client.get("/review/x"), "get", review)


async def test_page_at_localhost_is_described_as_elsewhere(sqlite_store: Store) -> None:
    sqlite_store.public_url = "http://127.0.0.1:3002"
    async with api_client(sqlite_store, api_key=KEY, reviewers=REVIEWERS) as client:
        answer = await client.get("http://localhost:3002/review/x")

    described = openapi_document(keyed=True)["paths"]["/review/{interruptId}"]["get"]["responses"]
    assert (answer.status_code, answer.text) == (303, "")
    assert answer.headers["location"] == "http://127.0.0.1:3002/review/x"
    assert "content" not in described["303"]


@pytest.mark.parametrize("embedded", [True, False])
async def test_every_route_is_described(sqlite_store: Store, *, embedded: bool) -> None:
    app = api_app(sqlite_store, embedded=embedded)
    routed = {
        re.sub(r"{(\w+)}", lambda name: f"{{{to_camel(name[1])}}}", route.path)
        for route in app.routes
        if isinstance(route, Route) and route.include_in_schema
    }

    assert routed == set(openapi_document(keyed=True, embedded=embedded)["paths"])


def test_only_the_status_is_described_as_held() -> None:
    paths = openapi_document(keyed=True, embedded=True)["paths"]

    held = [
        (method, path)
        for path, calls in paths.items()
        for method, call in calls.items()
        if "Prefer" in [parameter["name"] for parameter in call.get("parameters", [])]
    ]

    assert held == [("get", "/interrupts/{interruptId}")]
