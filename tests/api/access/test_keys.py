"""Wrong keys: their answers are delayed more and more; those to correct keys are not."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import anyio
import httpx
import pytest

from loopin_mcp.api.access.keys import (
    FORGOTTEN_S,
    FREE,
    LONGEST_S,
    MOST_ORIGINS,
    MOST_WAITING,
    MOST_WAITING_IN_ALL,
    Door,
    Keys,
)
from loopin_mcp.api.access.limits import Limits
from loopin_mcp.api.app import create_app
from loopin_mcp.api.front import Front
from loopin_mcp.api.serving.mcp_app import with_mcp
from loopin_mcp.api.store.store import Store
from loopin_mcp.client.connections import in_process
from loopin_mcp.mcp_server.http.endpoint import mcp_endpoint
from loopin_mcp.settings.api_options import Options
from loopin_mcp.settings.settings import Settings
from tests.support import KEY, PATIENCE_S, PUBLIC_URL, Clock, api_app
from tests.support.page import Page
from tests.support.visitors import ALICES_KEY, REVIEWERS, sign_in

WRONG = "a-key-that-is-nobodys"
AGAIN = [0.0, 0.0, 0.0, 0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 5.0, 5.0]


class Naps:
    """Sleeps that end at once, or when they are `over`."""

    def __init__(self) -> None:
        self.taken: list[float] = []
        self.over = anyio.Event()
        self.over.set()

    async def __call__(self, seconds: float) -> None:
        self.taken.append(round(seconds, 3))
        await self.over.wait()


@pytest.fixture
def naps(anyio_backend: str) -> Naps:
    return Naps()


@pytest.fixture
def app(sqlite_store: Store, naps: Naps) -> Front:
    return api_app(sqlite_store, sleep=naps, api_key=KEY, reviewers=REVIEWERS)


Caller = Callable[[str], httpx.AsyncClient]


@pytest.fixture
def caller_at(app: Front) -> Caller:
    """A caller at an address."""

    def caller_at(address: str) -> httpx.AsyncClient:
        transport = httpx.ASGITransport(app, client=(address, 1))
        return httpx.AsyncClient(transport=transport, base_url=PUBLIC_URL)

    return caller_at


async def call(caller: httpx.AsyncClient, key: str | None) -> int:
    headers = {} if key is None else {"X-API-Key": key}
    return (await caller.get("/interrupts/pending/u", headers=headers)).status_code


async def test_wrong_keys_wait_ever_longer_and_right_ones_never(
    caller_at: Caller, naps: Naps
) -> None:
    caller = caller_at("192.0.2.1")

    statuses = [await call(caller, key) for _ in AGAIN for key in (KEY, WRONG, ALICES_KEY, None)]

    assert statuses == [200, 401, 200, 401] * len(AGAIN)
    assert naps.taken == AGAIN


async def test_sign_in_page_waits_with_the_calls(caller_at: Caller, naps: Naps) -> None:
    caller = caller_at("192.0.2.1")

    for _ in range(FREE):
        await call(caller, WRONG)
    wrong = await sign_in(caller, WRONG)
    await sign_in(caller, "")
    right = await sign_in(caller, ALICES_KEY)

    assert (wrong.status_code, right.status_code) == (401, 303)
    assert naps.taken == AGAIN[: FREE + 1]


async def test_wrong_tokens_of_mcp_wait_with_the_calls(sqlite_store: Store, naps: Naps) -> None:
    api = create_app(sqlite_store, Options(api_key=KEY), sleep=naps)
    # Its MCP server would start with the first valid token.
    async with with_mcp(api, lambda _: mcp_endpoint(Settings(), None), PUBLIC_URL, Limits()) as (
        app,
        _,
    ):
        transport = httpx.ASGITransport(app, client=("192.0.2.1", 1))
        async with httpx.AsyncClient(transport=transport, base_url=PUBLIC_URL) as caller:
            for _ in range(FREE):
                await call(caller, WRONG)
            wrong = await caller.post("/mcp", headers={"Authorization": f"Bearer {WRONG}"})

    assert wrong.status_code == 401
    assert naps.taken == AGAIN[: FREE + 1]


@pytest.mark.parametrize(
    ("other", "is_same"),
    [
        ("192.0.2.1", True),
        ("::ffff:192.0.2.1", True),
        ("192.0.2.2", False),
        ("testclient", False),
        ("", False),
    ],
)
async def test_every_address_waits_for_its_own_wrong_keys(
    caller_at: Caller, naps: Naps, other: str, *, is_same: bool
) -> None:
    for _ in range(FREE):
        await call(caller_at("192.0.2.1"), WRONG)
    await call(caller_at(other), WRONG)

    assert naps.taken[-1] == (0.1 if is_same else 0)


async def test_addresses_of_this_machine_are_one(caller_at: Caller, naps: Naps) -> None:
    for address in ("127.0.0.1", "127.9.8.7", "::1", "::ffff:127.1.1.1", "127.255.255.254"):
        await call(caller_at(address), WRONG)

    assert naps.taken == AGAIN[:5]


async def test_wrong_keys_from_everywhere_are_bounded_together(
    caller_at: Caller, naps: Naps
) -> None:
    known = caller_at("192.0.2.1")
    await call(known, WRONG)
    naps.over = anyio.Event()
    with anyio.fail_after(PATIENCE_S):
        async with anyio.create_task_group() as tasks:
            for number in range(MOST_WAITING_IN_ALL):
                address = f"198.51.{number // 250}.{number % 250}"
                tasks.start_soon(call, caller_at(address), WRONG)
            while len(naps.taken) <= MOST_WAITING_IN_ALL:
                await anyio.lowlevel.checkpoint()
            refused, others = await call(known, WRONG), await call(caller_at("192.0.2.2"), KEY)
            naps.over.set()

    assert (refused, others) == (429, 200)
    assert await call(known, KEY) == 200


async def test_ipv6_addresses_of_one_network_are_one(caller_at: Caller, naps: Naps) -> None:
    addresses = ["2001:db8::1"] * FREE + ["2001:db8::2%eth0", "2001:db8:0:1::1"]
    for address in addresses:
        await call(caller_at(address), WRONG)

    assert naps.taken[FREE:] == [0.1, 0]


async def test_wrong_keys_are_forgotten_after_ten_quiet_minutes(
    caller_at: Caller, naps: Naps, clock: Clock
) -> None:
    caller = caller_at("192.0.2.1")
    for _ in range(FREE):
        await call(caller, WRONG)
    clock.advance(FORGOTTEN_S)
    await call(caller, WRONG)
    clock.advance(FORGOTTEN_S + 1)
    await call(caller, WRONG)

    assert naps.taken[FREE:] == [0.1, 0]


async def test_key_is_not_looked_at_where_none_is_asked_for(caller_at: Caller, naps: Naps) -> None:
    caller = caller_at("192.0.2.1")

    for path in ("/health", "/openapi.json", "/review/x", "/sign-in"):
        await caller.get(path, headers={"X-API-Key": WRONG})

    assert naps.taken == []


@asynccontextmanager
async def many_waiting(caller: httpx.AsyncClient, naps: Naps) -> AsyncIterator[None]:
    """Keep the most wrong keys of one address waiting, until the block ends."""
    naps.over = anyio.Event()
    with anyio.fail_after(PATIENCE_S):
        async with anyio.create_task_group() as tasks:
            for _ in range(MOST_WAITING):
                tasks.start_soon(call, caller, WRONG)
            while len(naps.taken) < MOST_WAITING:
                await anyio.lowlevel.checkpoint()
            yield
            naps.over.set()


async def test_flood_of_wrong_keys_keeps_its_address_out_while_it_lasts(
    caller_at: Caller, naps: Naps
) -> None:
    flooding, other = caller_at("192.0.2.1"), caller_at("192.0.2.2")
    async with many_waiting(flooding, naps):
        refused = await flooding.get("/interrupts/pending/u", headers={"X-API-Key": KEY})
        page = await sign_in(flooding, ALICES_KEY)
        unaffected = [await call(flooding, None), await call(other, KEY)]
    afterwards = await call(flooding, KEY)

    assert (refused.status_code, refused.headers["retry-after"]) == (429, f"{LONGEST_S:.0f}")
    assert refused.json() == {"error": "Too many wrong keys come from this address"}
    assert (page.status_code, page.headers["retry-after"]) == (429, "5")
    assert Page(page)["h1"] == ["Not signed in"]
    assert unaffected == [401, 200]
    assert afterwards == 200


async def test_flood_of_wrong_keys_from_this_machine_keeps_out_no_call_of_this_process(
    app: Front, caller_at: Caller, naps: Naps
) -> None:
    calling = in_process(app)
    calling.base_url = httpx.URL(PUBLIC_URL)
    async with many_waiting(caller_at("127.0.0.1"), naps):
        statuses = [await call(caller_at("::1"), KEY), await call(calling, KEY)]

    assert statuses == [429, 200]


async def test_operator_is_told_once_where_wrong_keys_come_from_and_not_which(
    caller_at: Caller, naps: Naps, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(30):
        await call(caller_at("192.0.2.1"), WRONG)

    assert caplog.messages == ["Wrong keys keep coming from 192.0.2.1: answers are delayed"]


async def test_memory_of_wrong_keys_is_bounded(clock: Clock, naps: Naps) -> None:
    door = Door(Keys(KEY, {}), clock, naps)

    for number in (*[0] * FREE, *range(MOST_ORIGINS + 1), 0):
        client = (f"host-{number}", 1)
        await door.holder_of(WRONG, client)

    assert naps.taken[: FREE + 1] == AGAIN[: FREE + 1]
    assert naps.taken[-1] == 0
    assert await door.holder_of(KEY, None) == "api-key"


async def test_api_without_keys_takes_any_and_slows_down_nobody(
    sqlite_store: Store, naps: Naps
) -> None:
    transport = httpx.ASGITransport(api_app(sqlite_store, sleep=naps))
    async with httpx.AsyncClient(transport=transport, base_url=PUBLIC_URL) as caller:
        status = await call(caller, WRONG)

    assert (status, naps.taken) == (200, [])
