"""Sessions: what they consist of, when they end, and that half of one is nothing."""

from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from loopin_mcp.api.access.keys import Keys
from loopin_mcp.api.access.sessions import Sessions
from loopin_mcp.api.database.steps import Database, Row, Value, execute
from loopin_mcp.api.serving.housekeeping import clean_up
from loopin_mcp.api.store.opening import open_sqlite
from loopin_mcp.api.store.store import Store
from tests.support import KEY, PUBLIC_URL, Clock, Down, api_client
from tests.support.page import Page, ask, decide
from tests.support.visitors import (
    ALICES_KEY,
    BOBS_KEY,
    REVIEWERS,
    enter,
    move,
    place_of,
    sees_the_inbox,
    sign_in,
)

HOUR_S = 3600
DAY_S = 24 * HOUR_S


async def test_cookie_is_for_one_path_only_and_out_of_the_scripts_reach(
    visitor: httpx.AsyncClient,
) -> None:
    answer = await sign_in(visitor)

    place = place_of(answer)
    assert answer.headers["location"] == place
    value, flags = answer.headers["set-cookie"].partition("=")[2].split("; ", 1)
    assert flags == f"HttpOnly; Max-Age=604800; Path={place}; SameSite=lax"
    # 32 random bytes each.
    assert (len(value), len(place)) == (43, 46)


async def test_cookie_of_an_api_on_https_travels_on_https_alone(
    tmp_path: Path, clock: Clock
) -> None:
    database = await open_sqlite(tmp_path / "loopin.db")
    store = Store(database, "https://loopin.example.com", clock)
    async with api_client(store, api_key=KEY) as browser:
        name, _, flags = (await sign_in(browser)).headers["set-cookie"].partition("=")
        is_signed_in = await sees_the_inbox(browser)
    await database.aclose()

    assert name.startswith("__Secure-loopin-")
    assert flags.endswith("; SameSite=lax; Secure")
    assert is_signed_in


async def test_two_sessions_of_a_browser_do_not_end_each_other(visitor: httpx.AsyncClient) -> None:
    first, second = await sign_in(visitor), await sign_in(visitor)

    signed_out = await visitor.post("/sign-out")

    visitor.base_url = httpx.URL(PUBLIC_URL)
    seen = [(await visitor.get(place_of(answer))).status_code for answer in (first, second)]
    assert (signed_out.status_code, seen) == (303, [200, 401])


async def other_place(browser: httpx.AsyncClient) -> str:
    """The place of another session, without its cookie."""
    async with httpx.AsyncClient(transport=browser._transport, base_url=PUBLIC_URL) as other:
        return place_of(await sign_in(other, ALICES_KEY))


@pytest.mark.parametrize("half", ["cookie", "place", "another place", "neither"])
async def test_half_a_session_shows_nothing_and_decides_nothing(
    alice: httpx.AsyncClient, sqlite_store: Store, half: str
) -> None:
    path = await ask(sqlite_store, action="Sell the factory")
    [cookie] = alice.cookies.jar
    own = alice.base_url.path
    place = {"place": own, "another place": await other_place(alice)}.get(half, "/")
    alice.cookies.clear()
    headers = {} if half in ("place", "neither") else {"Cookie": f"{cookie.name}={cookie.value}"}
    alice.base_url = alice.base_url.copy_with(path=place)

    paths = ("", "history", "analytics", path[1:])
    shown = [await alice.get(each, headers=headers) for each in paths]
    streams = [await alice.get(f"{each}/events", headers=headers) for each in ("inbox", path)]
    sent = [
        await alice.post(each, data={"decision": "approved"}, headers=headers)
        for each in (path[1:], "inbox/compare", "inbox/decide", "inbox/test")
    ]

    assert {answer.status_code for answer in (*shown, *streams, *sent)} == {401}
    assert "Sell the factory" not in "".join(answer.text for answer in (*shown, *sent))
    interrupt = await sqlite_store.get_interrupt_status(path.rpartition("/")[2])
    assert interrupt.is_pending


async def test_both_halves_decide(alice: httpx.AsyncClient, sqlite_store: Store) -> None:
    path = await ask(sqlite_store)

    answer = await decide(alice, path, decision="approved")

    assert (answer.status_code, place_of(answer)) == (303, alice.base_url.path)
    decided = await sqlite_store.get_interrupt_status(path.rpartition("/")[2])
    assert (decided.status, decided.decided_by) == ("approved", "alice")


async def test_session_is_found_among_many_cookies_of_other_programs(
    alice: httpx.AsyncClient,
) -> None:
    [cookie] = alice.cookies.jar
    own = f"{cookie.name}={cookie.value}"
    foreign = "; ".join(f"c{number}={'x' * 4000}" for number in range(180))
    forged = f"{cookie.name}=forged"
    alice.cookies.clear()

    answers = [
        await alice.get("/", headers={"Cookie": cookies})
        for cookies in (
            f"{own}; {foreign}",
            f"{foreign}; {own}",
            f"{foreign};{own}; {forged}",
            f"{forged}; {own}",
            f"x{own}; {foreign}",
        )
    ]

    assert [answer.status_code for answer in answers] == [200, 200, 200, 200, 401]


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


async def test_session_ends_after_seven_days_however_it_is_used(
    visitor: httpx.AsyncClient, clock: Clock
) -> None:
    await sign_in(visitor)

    for _ in range(2 * 7 - 1):
        clock.advance(12 * HOUR_S - 1)
        assert await sees_the_inbox(visitor)
    clock.advance(11 * HOUR_S)
    assert await sees_the_inbox(visitor)
    clock.advance(HOUR_S + 12)
    assert await sees_the_inbox(visitor)
    clock.advance(1)
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


async def test_copied_session_does_nothing_after_signing_out(
    alice: httpx.AsyncClient, stranger: httpx.AsyncClient, sqlite_store: Store
) -> None:
    path = await ask(sqlite_store)
    [cookie] = alice.cookies.jar
    stranger.base_url = alice.base_url
    headers = {"Cookie": f"{cookie.name}={cookie.value}"}
    before = await stranger.get("/", headers=headers)

    signed_out = await alice.post("/sign-out")

    assert (before.status_code, signed_out.headers["location"]) == (
        200,
        f"{alice.base_url.path}sign-in",
    )
    assert "Max-Age=0" in signed_out.headers["set-cookie"]
    copied = await stranger.post(path, data={"decision": "approved"}, headers=headers)
    assert copied.status_code == (await stranger.get("/", headers=headers)).status_code == 401
    assert (await sqlite_store.get_interrupt_status(path.rpartition("/")[2])).is_pending


async def test_signing_out_without_a_session_leads_to_signing_in(
    stranger: httpx.AsyncClient,
) -> None:
    answer = await stranger.post("/sign-out")

    assert (answer.status_code, answer.headers["location"]) == (303, "/sign-in")
    assert "set-cookie" not in answer.headers


async def test_changing_the_key_ends_every_session(
    visitor: httpx.AsyncClient, sqlite_store: Store
) -> None:
    await sign_in(visitor)

    async with api_client(sqlite_store, api_key="new-key") as later:
        move(later, visitor)
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
        move(browser, alice)
        assert await sees_the_inbox(browser) == alice_stays


async def test_session_made_with_the_agents_key_ends_where_reviewers_get_keys(
    visitor: httpx.AsyncClient, stranger: httpx.AsyncClient
) -> None:
    await sign_in(visitor)

    move(stranger, visitor)

    assert not await sees_the_inbox(stranger)


async def test_session_of_another_address_on_the_same_database_is_none(
    alice: httpx.AsyncClient, elsewhere_at: Callable[[str], Store]
) -> None:
    same, other = elsewhere_at(PUBLIC_URL), elsewhere_at("http://127.0.0.1:3003")
    seen = []
    for store in (same, other):
        async with api_client(store, api_key=KEY, reviewers=REVIEWERS) as browser:
            move(browser, alice)
            # Browsers send a cookie to every port.
            browser.base_url = browser.base_url.copy_with(host="127.0.0.1", port=3002)
            seen.append(await sees_the_inbox(browser))

    assert seen == [True, False]


@pytest.fixture
def elsewhere_at(sqlite_store: Store, clock: Clock) -> Callable[[str], Store]:
    """A store on the same database, for an API at another address."""
    return lambda url: Store(sqlite_store._database, url, clock)


async def test_session_made_by_one_process_counts_in_another_until_it_ends_there(
    store: Store, elsewhere: Store
) -> None:
    options = {"api_key": KEY, "reviewers": REVIEWERS}
    async with api_client(store, **options) as here, api_client(elsewhere, **options) as there:
        await sign_in(here, ALICES_KEY)
        move(there, here)
        before = await sees_the_inbox(there)
        await there.post("/sign-out")
        after = await sees_the_inbox(here)

    assert (before, after) == (True, False)


async def test_somebody_who_writes_to_the_database_makes_no_session(
    alice: httpx.AsyncClient, sqlite_store: Store, clock: Clock
) -> None:
    changes: dict[str, Value] = {"subject": "bob", "created_ms": clock.now + 1, "seal": ""}
    for column, value in changes.items():
        await sign_in(alice, ALICES_KEY)
        assert await sees_the_inbox(alice)
        sql = f"UPDATE sessions SET {column} = :value"  # noqa: S608 - a name above
        await execute(sqlite_store._database, sql, value=value)
        assert not await sees_the_inbox(alice), column


@pytest.mark.parametrize(("subject", "seal"), [("nobody", ""), ("alice", "\xe9")])
async def test_session_of_nobody_that_was_put_into_the_database_signs_nobody_in(
    alice: httpx.AsyncClient, sqlite_store: Store, subject: str, seal: str
) -> None:
    await sign_in(alice, ALICES_KEY)
    sql = "UPDATE sessions SET subject = :subject, seal = :seal"

    await execute(sqlite_store._database, sql, subject=subject, seal=seal)

    assert not await sees_the_inbox(alice)


@pytest.mark.parametrize(
    ("public_url", "stays"), [("https://loopin.example.com", True), (PUBLIC_URL, False)]
)
async def test_sessions_outlast_a_restart_only_if_tls_proves_the_server(
    tmp_path: Path, clock: Clock, public_url: str, *, stays: bool
) -> None:
    database = await open_sqlite(tmp_path / "loopin.db")
    store = Store(database, public_url, clock)
    async with api_client(store, api_key=KEY) as browser:
        await sign_in(browser)

        await Sessions(Keys(KEY, {}), store.sessions, clock, public_url).start()

        assert await sees_the_inbox(browser) == stays
    await database.aclose()


async def test_api_without_keys_leaves_the_sessions_of_others_on_its_database(
    alice: httpx.AsyncClient, sqlite_store: Store, clock: Clock
) -> None:
    await Sessions(Keys(None, {}), sqlite_store.sessions, clock, PUBLIC_URL).start()

    assert await sees_the_inbox(alice)


@pytest.mark.parametrize(("seconds", "kept"), [(12 * HOUR_S - 1, 1), (12 * HOUR_S, 0)])
async def test_housekeeping_deletes_sessions_that_have_ended(
    store: Store, clock: Clock, seconds: int, kept: int
) -> None:
    async with api_client(store, api_key=KEY) as browser:
        await sign_in(browser)

    clock.advance(seconds)
    await clean_up(store, None)

    assert len(await store._database.read("SELECT * FROM sessions")) == kept


async def test_housekeeping_deletes_sessions_of_seven_days(store: Store, clock: Clock) -> None:
    async with api_client(store, api_key=KEY) as browser:
        await sign_in(browser)
    clock.advance(7 * DAY_S)
    await execute(store._database, "UPDATE sessions SET used_ms = :now", now=clock.now)

    await clean_up(store, None)

    assert await store._database.read("SELECT * FROM sessions") == []


async def test_database_has_nothing_that_signs_in(
    alice: httpx.AsyncClient, sqlite_store: Store
) -> None:
    [row] = await sqlite_store._database.read("SELECT * FROM sessions")

    [cookie] = alice.cookies.jar
    assert str(cookie.value) not in str(row)
    assert alice.base_url.path.strip("/~") not in str(row)


async def test_page_key_is_made_once_for_all_processes(store: Store, elsewhere: Store) -> None:
    keys = [await each.sessions.page_key() for each in (store, elsewhere, store)]

    assert len(set(keys)) == 1
    assert len(keys[0]) == 32


class Unwritable(Down):
    """A database that can be read, and not changed."""

    def __init__(self, database: Database) -> None:
        super().__init__()
        self._database = database

    async def find(self, sql: str, **params: Value) -> list[Row]:
        return await self._database.find(sql, **params)


async def test_database_that_fails_is_no_signing_out(sqlite_store: Store) -> None:
    async with api_client(sqlite_store, api_key=KEY, reviewers=REVIEWERS) as browser:
        await sign_in(browser, ALICES_KEY)
        sqlite_store.sessions._database = Down()
        pages = [await browser.get(path) for path in ("/", "/review/x", "/inbox/events")]
        signed_in = await sign_in(browser, BOBS_KEY)

    assert [page.status_code for page in pages] == [503, 503, 503]
    # The script forgets the place only if the page says that it has no session.
    assert "data-signed-out" not in "".join(page.text for page in pages)
    assert (signed_in.status_code, Page(signed_in)["h1"]) == (503, ["Not signed in"])


async def test_visit_that_cannot_be_stored_is_shown_all_the_same(
    sqlite_store: Store, clock: Clock
) -> None:
    async with api_client(sqlite_store, api_key=KEY) as browser:
        await sign_in(browser)
        sqlite_store.sessions._database = Unwritable(sqlite_store._database)
        clock.advance(HOUR_S)

        assert await sees_the_inbox(browser)


async def test_static_files_need_no_session(alice: httpx.AsyncClient) -> None:
    script = await alice.get("/static/loopin.js")
    alice.cookies.clear()

    assert script.status_code == (await alice.get("/static/loopin.js")).status_code == 200


@pytest.mark.parametrize("place", ["~", "~x", f"~{'x' * 42}", f"~{'x' * 44}", f"~{'.' * 43}"])
async def test_path_without_a_place_is_no_page(alice: httpx.AsyncClient, place: str) -> None:
    alice.base_url = httpx.URL(PUBLIC_URL)

    assert (await alice.get(f"/{place}/history")).status_code == 401


async def test_enter_goes_nowhere_if_nobody_was_signed_in(visitor: httpx.AsyncClient) -> None:
    enter(visitor, await visitor.get("/"))

    assert urlsplit(str(visitor.base_url)).path in ("", "/")


@pytest.mark.parametrize(
    "forge",
    [
        lambda _cookie: "",
        lambda cookie: cookie[:-1],
        lambda cookie: cookie + "A",
        lambda cookie: ("B" if cookie[0] != "B" else "C") + cookie[1:],
        lambda cookie: cookie.swapcase(),
        lambda _cookie: "ü.ü",
    ],
)
async def test_forged_cookie_signs_nobody_in(
    visitor: httpx.AsyncClient, forge: Callable[[str], str]
) -> None:
    await sign_in(visitor)
    [cookie] = visitor.cookies.jar
    visitor.cookies.clear()

    forged = f"{cookie.name}={forge(str(cookie.value))}".encode()
    answer = await visitor.get("/", headers={b"Cookie": forged})

    assert answer.status_code == 401
