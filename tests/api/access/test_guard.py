"""Access to the API: keys, known host names, and paths that need no key."""

import re
import socket
import threading
from typing import Any

import httpx
import pytest

from loopin_mcp.api.access.guard import host_rule
from loopin_mcp.api.store.store import Store
from tests.support import KEY, PATIENCE_S, PUBLIC_URL, api_client
from tests.support.questions import create


@pytest.mark.parametrize("key", [None, "", "wrong", KEY + "x", KEY[:-1], "ü"])
async def test_without_the_key_every_api_route_is_closed_before_the_body_is_read(
    sqlite_store: Store, key: str | None
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

    answers = []
    for method, path in routes:
        content = unread() if method == "POST" else None
        # After a wrong key, the same API delays the next one.
        async with api_client(sqlite_store, api_key=KEY) as client:
            answers.append(await client.request(method, path, headers=headers, content=content))
    async with api_client(sqlite_store, api_key=KEY) as client:
        public = [
            await client.get(path) for path in ("/health", "/ready", "/openapi.json", "/review/x")
        ]

    assert {(answer.status_code, answer.text) for answer in answers} == {
        (401, '{"error":"Unauthorized: X-API-Key is missing or has a wrong key"}')
    }
    assert [answer.status_code for answer in public] == [200, 200, 200, 404]


async def test_two_keys_are_none(sqlite_store: Store) -> None:
    async with api_client(sqlite_store, api_key=KEY) as client:
        headers = [("X-API-Key", KEY), ("X-API-Key", KEY)]
        answer = await client.get("/interrupts/pending/u", headers=headers)

    assert answer.status_code == 401


async def test_without_a_configured_key_none_is_asked_for(sqlite_store: Store) -> None:
    async with api_client(sqlite_store) as client:
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
    sqlite_store: Store, listens_on: str, host: str, status: int
) -> None:
    async with api_client(sqlite_store, listens_on=listens_on) as client:
        answer = await client.get("/analytics/u", headers={"Host": host})
        probed = [await client.get(path, headers={"Host": host}) for path in ("/health", "/ready")]

    assert answer.status_code == status
    assert [probe.status_code for probe in probed] == [200, 200]


@pytest.mark.parametrize(("listens_on", "status"), [("0.0.0.0", 200), ("127.0.0.1", 421)])  # noqa: S104
async def test_keyless_api_that_others_reach_answers_to_the_machines_own_host_name(
    sqlite_store: Store, monkeypatch: pytest.MonkeyPatch, listens_on: str, status: int
) -> None:
    monkeypatch.setattr(socket, "gethostname", lambda: "Workshop")
    monkeypatch.setattr(socket, "getfqdn", lambda: "elsewhere.example")
    async with api_client(sqlite_store, listens_on=listens_on) as client:
        answer = await client.get("/analytics/u", headers={"Host": "workshop:3002"})

    assert answer.status_code == status


def test_full_name_of_the_machine_is_known_once_a_name_server_told_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked, answered = threading.Event(), threading.Event()
    threads: list[threading.Thread] = []

    def ask() -> str:
        threads.append(threading.current_thread())
        asked.set()
        answered.wait(PATIENCE_S)
        return "Workshop.example"

    monkeypatch.setattr(socket, "getfqdn", ask)
    knows = host_rule("0.0.0.0", PUBLIC_URL)  # noqa: S104
    assert asked.wait(PATIENCE_S)
    before = knows("workshop.example")
    answered.set()
    threads[0].join(PATIENCE_S)

    assert (before, knows("workshop.example")) == (False, True)
    assert threads[0].daemon


async def test_holder_of_the_key_may_use_any_host(api: httpx.AsyncClient) -> None:
    answer = await api.get("/analytics/u", headers={"Host": "internal.example"})

    assert answer.status_code == 200


async def test_health_tells_service_and_version(api: httpx.AsyncClient) -> None:
    answer = (await api.get("/health")).json()

    assert re.fullmatch(r"\d+\.\d+\.\d+\S*", answer.pop("version"))
    assert answer == {"status": "ok", "service": "loopin-api"}


async def test_health_proves_a_key_for_this_port_and_challenge_alone(sqlite_store: Store) -> None:
    async with api_client(sqlite_store, api_key=KEY, embedded=True) as client:
        one, same, other = [
            (await client.get(f"/health?challenge={challenge}")).json()["proof"]
            for challenge in ("1", "1", "2")
        ]
        too_long = await client.get(f"/health?challenge={'x' * 101}")

    assert one == same != other
    assert len(one) == 64
    assert too_long.json() == {"error": "challenge must be at most 100 characters"}


async def test_key_that_a_human_chose_is_proven_to_nobody(api: httpx.AsyncClient) -> None:
    assert "proof" not in (await api.get("/health?challenge=1")).json()
