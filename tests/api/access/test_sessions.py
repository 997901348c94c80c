"""The session cookie: where it is sent, when it ends, and that it cannot be forged."""

from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from loopin_mcp.api.store.opening import open_sqlite
from loopin_mcp.api.store.store import Store
from tests.support import KEY, Clock, api_client
from tests.support.visitors import ALICES_KEY, BOBS_KEY, REVIEWERS, sees_the_inbox, sign_in

HOUR_S = 3600


async def test_cookie_is_for_this_site_alone_and_out_of_the_scripts_reach(
    visitor: httpx.AsyncClient,
) -> None:
    cookie = (await sign_in(visitor)).headers["set-cookie"]

    assert cookie.partition("; ")[2] == "HttpOnly; Max-Age=43200; Path=/; SameSite=strict"


async def test_cookie_of_an_api_on_https_travels_on_https_alone(
    tmp_path: Path, clock: Clock
) -> None:
    database = await open_sqlite(tmp_path / "loopin.db")
    store = Store(database, "https://loopin.example.com", clock)
    async with api_client(store, api_key=KEY) as browser:
        name, _, flags = (await sign_in(browser)).headers["set-cookie"].partition("=")
        is_signed_in = await sees_the_inbox(browser)
    await database.aclose()

    assert name.startswith("__Host-loopin-")
    assert flags.endswith("; HttpOnly; Max-Age=43200; Path=/; SameSite=strict; Secure")
    assert is_signed_in


async def test_two_apis_on_one_host_do_not_sign_each_other_out(
    sqlite_store: Store, tmp_path: Path, clock: Clock
) -> None:
    database = await open_sqlite(tmp_path / "other.db")
    other_store = Store(database, "http://127.0.0.1:3003", clock)
    async with (
        api_client(sqlite_store, api_key=KEY) as browser,
        api_client(other_store, api_key="another-key") as other,
    ):
        other.cookies = browser.cookies
        await sign_in(browser)
        await sign_in(other, "another-key")
        await other.post("/sign-out")
        seen = await sees_the_inbox(browser), await sees_the_inbox(other)
    await database.aclose()

    assert seen == (True, False)


async def test_cookie_that_reached_another_port_does_not_open_the_api_there(
    alice: httpx.AsyncClient, tmp_path: Path, clock: Clock
) -> None:
    database = await open_sqlite(tmp_path / "other.db")
    [session] = alice.cookies.values()
    moved = Store(database, "http://127.0.0.1:3003", clock)
    async with api_client(moved, api_key=KEY, reviewers=REVIEWERS) as browser:
        await sign_in(browser, ALICES_KEY)
        [name] = browser.cookies
        browser.cookies.clear()
        browser.cookies.set(name, session)
        sees = await sees_the_inbox(browser)
    await database.aclose()

    assert not sees


async def test_session_ends_after_twelve_hours_without_a_visit(
    visitor: httpx.AsyncClient, clock: Clock
) -> None:
    await sign_in(visitor)

    clock.advance(11 * HOUR_S)
    assert await sees_the_inbox(visitor)
    clock.advance(11 * HOUR_S)
    assert await sees_the_inbox(visitor)
    clock.advance(12 * HOUR_S)
    assert not await sees_the_inbox(visitor)


async def test_page_that_is_left_open_does_not_keep_the_session(
    visitor: httpx.AsyncClient, clock: Clock
) -> None:
    await sign_in(visitor)

    clock.advance(11 * HOUR_S)
    looked = await visitor.get("/", headers={"Sec-Fetch-Dest": "empty"})
    clock.advance(1 * HOUR_S)

    assert looked.status_code == 200
    assert not await sees_the_inbox(visitor)


async def test_changing_the_key_ends_every_session(
    visitor: httpx.AsyncClient, sqlite_store: Store
) -> None:
    await sign_in(visitor)

    async with api_client(sqlite_store, api_key="new-key") as later:
        later.cookies = visitor.cookies
        assert not await sees_the_inbox(later)


@pytest.mark.parametrize(
    ("later", "alice_stays"),
    [
        ({"alice": ALICES_KEY}, True),
        ({"alice": ALICES_KEY, "bob": "a-new-key-of-bobs-that-is-long-enough"}, True),
        ({"alice": ALICES_KEY, "robert": BOBS_KEY}, True),
        ({"alice": "a-new-key-of-alices-that-is-long-enough", "bob": BOBS_KEY}, False),
        ({"alicia": ALICES_KEY, "bob": BOBS_KEY}, False),
        ({"bob": BOBS_KEY}, False),
        ({}, False),
    ],
)
async def test_session_lasts_as_long_as_its_reviewer_has_the_same_key(
    alice: httpx.AsyncClient,
    sqlite_store: Store,
    later: dict[str, str],
    *,
    alice_stays: bool,
) -> None:
    async with api_client(sqlite_store, api_key=KEY, reviewers=later) as browser:
        browser.cookies = alice.cookies
        assert (await browser.get("/")).status_code == (200 if alice_stays else 303)


async def test_session_made_with_the_agents_key_ends_where_reviewers_get_keys(
    visitor: httpx.AsyncClient, stranger: httpx.AsyncClient
) -> None:
    await sign_in(visitor)

    stranger.cookies = visitor.cookies

    assert not await sees_the_inbox(stranger)


def _flipped(cookie: str) -> str:
    return ("B" if cookie[0] != "B" else "C") + cookie[1:]


@pytest.mark.parametrize(
    "forge",
    [
        lambda _cookie: "",
        lambda _cookie: ".",
        lambda cookie: cookie.partition(".")[0],
        lambda cookie: cookie.partition(".")[0] + ".",
        lambda cookie: cookie[:-1] + ("0" if cookie[-1] != "0" else "1"),
        lambda cookie: _flipped(cookie),
        lambda cookie: "." + cookie.partition(".")[2],
        lambda _cookie: "ü.ü",
    ],
)
async def test_forged_cookie_signs_nobody_in(
    visitor: httpx.AsyncClient, forge: Callable[[str], str]
) -> None:
    signed_in = await sign_in(visitor)
    name, _, rest = signed_in.headers["set-cookie"].partition("=")
    visitor.cookies.clear()

    forged = f"{name}={forge(rest.partition(';')[0])}".encode()
    answer = await visitor.get("/", headers={b"Cookie": forged})

    assert answer.status_code == 303
