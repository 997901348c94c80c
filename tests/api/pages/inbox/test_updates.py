"""Updates of the open inbox: they move only what has changed, at the cost of two statements."""

import json
from collections.abc import Awaitable, Callable, Iterable
from pathlib import Path
from typing import TypeVar

import httpx
import pytest

from loopin_mcp.api.database.steps import Database, Row, Steps, Value
from loopin_mcp.api.pages.inbox import MOST_SHOWN
from loopin_mcp.api.store.opening import open_sqlite
from loopin_mcp.api.store.store import Store
from loopin_mcp.wire.models import Decision
from tests.support import AGENT, KEY, PUBLIC_URL, REVIEWER, Clock, Down, Unmeasured, api_client
from tests.support.auditing import edit
from tests.support.page import Page, ask
from tests.support.visitors import REVIEWERS, sign_in

T = TypeVar("T")

# What agents write: from 300 to 2,000 bytes.
CONTEXTS = [
    {"vendor": "Acme Supplies Inc.", "invoice": f"INV-{size}", "amount": 4200, "why": "x" * size}
    for size in (220, 600, 1_200, 1_900)
]


class Counted(Unmeasured):
    """A database that counts what it is asked."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.asked = 0

    async def read(self, sql: str, **params: Value) -> list[Row]:
        self.asked += 1
        return await self._database.read(sql, **params)

    async def find(self, sql: str, **params: Value) -> list[Row]:
        self.asked += 1
        return await self._database.find(sql, **params)

    async def transact(self, steps: Callable[[], Steps[T]]) -> T:
        self.asked += 1
        return await self._database.transact(steps)

    async def changed(self, wanted: Callable[[], Awaitable[None]]) -> None:
        raise NotImplementedError

    async def aclose(self) -> None:
        await self._database.aclose()


class OpenInbox:
    """What a page of the inbox shows, as its script keeps it."""

    def __init__(self, browser: httpx.AsyncClient, query: str = "") -> None:
        self._browser = browser
        self._query = query
        self.waiting: list[str] = []
        self.settled: list[str] = []
        self.size = 0

    async def open(self) -> None:
        page = Page(await self._browser.get(f"/{self._query}"))
        self.waiting, self.settled = ids(page, "request"), ids(page, "settled")

    async def update(self) -> Page:
        form = {"waiting": " ".join(self.waiting), "settled": " ".join(self.settled)}
        answer = await self._browser.post(f"/{self._query}", data=form)
        self.size = len(answer.raise_for_status().content)
        return Page(answer)


def ids(page: Page, kind: str) -> list[str]:
    """The ids in the elements of a kind, in order."""
    found = [each.get("id") or "" for each in page.attributes]
    return [each.removeprefix(f"{kind}-") for each in found if each.startswith(f"{kind}-")]


def ends(page: Page) -> dict[str | None, str | None]:
    """How each request that is gone was settled."""
    return {each["data-row"]: each["data-state"] for each in page.attributes if "data-row" in each}


async def ask_all(store: Store, contexts: Iterable[object]) -> list[str]:
    paths = [await ask(store, context=context) for context in contexts]
    return [path.rpartition("/")[2] for path in paths]


@pytest.fixture
async def counted(tmp_path: Path) -> Counted:
    return Counted(await open_sqlite(tmp_path / "counted.db"))


@pytest.mark.parametrize("context", CONTEXTS)
async def test_update_moves_only_what_changed_and_asks_the_database_twice(
    counted: Counted, clock: Clock, context: dict[str, object]
) -> None:
    assert 300 <= len(json.dumps(context)) <= 2_000
    store = Store(counted, PUBLIC_URL, clock)
    async with api_client(store, api_key=KEY, reviewers=REVIEWERS) as browser:
        await sign_in(browser, REVIEWERS["alice"])
        settled = await ask_all(store, CONTEXTS * 2)
        for interrupt_id in settled:
            await store.decide_interrupt(interrupt_id, Decision(decision="approved"), REVIEWER)
        first = await ask_all(store, [*CONTEXTS * 12, CONTEXTS[0]])
        page = OpenInbox(browser)
        await page.open()
        moved: list[tuple[list[str], list[str | None], list[str]]] = []
        sizes: list[int] = []

        async def update() -> None:
            before = counted.asked
            update = await page.update()
            assert counted.asked - before == 2
            sizes.append(page.size)
            moved.append((ids(update, "request"), [*ends(update)], ids(update, "settled")))

        [new] = await ask_all(store, [context])
        await update()
        page.waiting.append(new)
        await update()
        await store.decide_interrupt(first[0], Decision(decision="rejected"), REVIEWER)
        await update()
        await counted.aclose()

    latest = [*reversed(settled)]
    assert page.settled == latest
    assert moved == [
        ([new], [], []),
        ([], [], []),
        ([], [f"request-{first[0]}"], [first[0], *latest[:7]]),
    ]
    assert [size < most for size, most in zip(sizes, (2_000, 250, 2_000), strict=True)] == [
        True
    ] * 3


async def test_update_says_how_many_wait_and_how_each_was_settled(
    inbox: httpx.AsyncClient, sqlite_store: Store, clock: Clock
) -> None:
    approved, cancelled, expired, waits = await ask_all(sqlite_store, [{}] * 4)
    [short] = [(await ask(sqlite_store, expires_in=60)).rpartition("/")[2]]
    page = OpenInbox(inbox, "?user=user-1")
    await page.open()
    await sqlite_store.decide_interrupt(approved, Decision(decision="approved"), REVIEWER)
    await sqlite_store.cancel_interrupt(cancelled, AGENT)
    clock.advance(60)

    update = await page.update()

    assert (update["title"], update["p"][0]) == (["(2) Inbox · LoopIn"], "2 found")
    assert ends(update) == {
        f"request-{approved}": "Approved",
        f"request-{cancelled}": "Cancelled",
        f"request-{short}": "Expired",
    }
    assert "It was approved. Decided by: alice, on this page." in update["li"]
    assert page.waiting == [short, approved, cancelled, expired, waits]


async def test_rows_come_with_their_rank_among_all(
    inbox: httpx.AsyncClient, sqlite_store: Store
) -> None:
    low = await ask(sqlite_store, action="low", urgency="low")
    page = OpenInbox(inbox)
    await page.open()
    await ask(sqlite_store, action="high", urgency="high")
    await ask(sqlite_store, action="medium")

    update = await page.update()
    whole = Page(await inbox.get("/"))

    ranks = {each["id"]: each["data-rank"] for each in whole.attributes if "data-rank" in each}
    numbers = [[int(part) for part in str(rank).split(".")] for rank in ranks.values()]
    assert update["action"][:2] == ["high", "medium"]
    assert numbers == sorted(numbers)
    assert {each["id"]: each["data-rank"] for each in update.attributes if "data-rank" in each} == {
        row: rank for row, rank in ranks.items() if row != f"request-{low.rpartition('/')[2]}"
    }


async def test_update_of_an_empty_part_says_so(
    inbox: httpx.AsyncClient, sqlite_store: Store
) -> None:
    [only] = await ask_all(sqlite_store, [{}])
    page = OpenInbox(inbox)
    await page.open()

    assert (await page.update())["empty"] == []
    await sqlite_store.cancel_interrupt(only, AGENT)
    update = await page.update()

    assert update["empty"] == ["You're all caught up New requests appear here automatically."]
    assert ids(update, "settled") == [only]


@pytest.mark.parametrize("change", ["UPDATE interrupts SET reason = 'x'", "DELETE FROM events"])
@pytest.mark.parametrize("settled", [False, True])
async def test_update_does_not_trust_what_was_tampered_with(
    store: Store, database: Database, change: str, *, settled: bool
) -> None:
    async with api_client(store) as browser:
        [known] = await ask_all(store, [{}])
        page = OpenInbox(browser)
        await page.open()
        if settled:
            await store.cancel_interrupt(known, AGENT)
        [new] = [known] if settled else await ask_all(store, [{}])
        await edit(database, new, f"{change} WHERE TRUE")

        update = await page.update()
        history = Page(await browser.get("/history"))

    assert history["mark"] == (["Not to be trusted"] if settled else [])
    assert ends(update) == ({f"request-{known}": "Not to be trusted"} if settled else {})
    assert update["mark"] == ["Not to be trusted"]
    assert ids(update, "request") == ([] if settled else [new])


async def test_page_that_claims_anything_gets_the_inbox_as_it_is(
    inbox: httpx.AsyncClient, sqlite_store: Store
) -> None:
    [known] = await ask_all(sqlite_store, [{}])
    page = OpenInbox(inbox)
    page.waiting = ["unknown", "\x00", *["many"] * MOST_SHOWN, known]
    page.settled = ["</ul>", known]

    update = await page.update()

    assert ids(update, "request") == [known]
    assert ends(update) == {}


async def test_update_is_for_those_who_are_signed_in(visitor: httpx.AsyncClient) -> None:
    answer = await visitor.post("/", data={"waiting": "", "settled": ""})

    assert (answer.status_code, Page(answer)["h1"]) == (401, ["This list cannot be shown"])


async def test_update_without_a_database_fails_as_a_page_does(clock: Clock) -> None:
    async with api_client(Store(Down(), PUBLIC_URL, clock)) as browser:
        answer = await browser.post("/", data={"waiting": "", "settled": ""})

    assert (answer.status_code, Page(answer)["h1"]) == (503, ["This list cannot be shown"])
