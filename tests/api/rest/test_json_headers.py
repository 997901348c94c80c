"""Every JSON answer says that it may not be kept, and is nothing but JSON."""

from pathlib import Path

import httpx
import pytest

from loopin_mcp.api.access.limits import Limits
from loopin_mcp.api.serving.connection import MAX_HEAD_BYTES
from loopin_mcp.api.store.store import Store
from tests.support import KEY, Down, api_client
from tests.support.questions import JSON, NEW, create
from tests.support.sockets import GET_HEALTH, attacked, request

NONE = "00000000-0000-4000-8000-000000000000"
KEYED = {"X-API-Key": KEY}
HEADERS = {
    "cache-control": "no-store",
    "content-type": "application/json",
    "x-content-type-options": "nosniff",
}
# Method, path, status, and the rest of a request to the embedded API.
CALLS = [
    ("GET", "/health", 200, {}),
    ("GET", f"/health?challenge={'x' * 101}", 400, {}),
    ("GET", "/ready", 200, {}),
    ("GET", "/openapi.json", 200, {}),
    ("POST", "/interrupts", 201, {"json": NEW}),
    ("POST", "/interrupts", 400, {"json": {}}),
    ("POST", "/interrupts", 401, {"headers": {"X-API-Key": "another-key"}}),
    ("POST", "/interrupts", 413, {"content": b"1" * 300_000, "headers": KEYED | JSON}),
    ("POST", "/interrupts", 415, {"content": b"{}"}),
    ("GET", "/interrupts/ID", 200, {}),
    ("GET", f"/interrupts/{NONE}", 404, {}),
    ("GET", "/interrupts/ID/events", 200, {}),
    ("GET", "/interrupts/pending/u", 200, {}),
    ("GET", "/interrupts/pending/u?limit=0", 400, {}),
    ("GET", "/interrupts/pending/u", 401, {"headers": {"X-API-Key": ""}}),
    ("POST", "/interrupts/ID/decide", 200, {"json": {"decision": "rejected"}}),
    ("DELETE", f"/interrupts/{NONE}", 404, {}),
    ("DELETE", "/interrupts/ID", 200, {}),
    ("PUT", "/interrupts/ID", 405, {}),
    ("GET", "/analytics/u", 200, {}),
    ("POST", "/sign-in-links", 201, {}),
    ("GET", "/nothing", 404, {}),
    ("GET", "/static/nothing.css", 404, {}),
    ("PATCH", "/health", 405, {}),
    ("GET", f"/health?{'x' * 9_000}", 414, {}),
    ("GET", "/health", 431, {"headers": {"X-Long": "x" * 33_000}}),
    ("GET", "/openapi.json", 421, {"headers": {"Host": "rebound.example"}}),
    ("GET", "/health", 400, {"headers": [("Host", "a"), ("Host", "b")]}),
]


@pytest.mark.parametrize(("method", "path", "status", "given"), CALLS)
async def test_answer_is_neither_kept_nor_guessed_at(
    embedded: httpx.AsyncClient, method: str, path: str, status: int, given: dict[str, object]
) -> None:
    embedded.headers.update(KEYED)
    interrupt_id = (await create(embedded))["interruptId"]

    answer = await embedded.request(method, path.replace("ID", interrupt_id), **given)  # type: ignore[arg-type]

    assert answer.status_code == status
    assert answer.headers.items() >= HEADERS.items()


async def test_failures_are_neither_kept_nor_guessed_at(sqlite_store: Store) -> None:
    async with api_client(Store(Down(), "http://x")) as api:
        unavailable = await api.get("/analytics/u")

    assert unavailable.status_code == 503
    assert unavailable.headers.items() >= HEADERS.items()


@pytest.mark.parametrize(
    ("limits", "sent", "status"),
    [
        (Limits(), b"GET /" + b"x" * 140_000, "414"),
        (Limits(), GET_HEALTH.strip() + b"\r\nX: " + b"x" * (MAX_HEAD_BYTES + 300_000), "431"),
        (Limits(connections=0), GET_HEALTH, "503"),
        (Limits(), request("GET", "/nothing"), "404"),
    ],
)
async def test_connections_refuse_likewise(
    tmp_path: Path, limits: Limits, sent: bytes, status: str
) -> None:
    async with attacked(tmp_path, limits) as api:
        head = (await (await api.connect(sent)).head()).lower()

    assert head.startswith(f"http/1.1 {status}")
    assert [f"{name}: {value}" in head for name, value in HEADERS.items()] == [True] * 3
