"""What is unusual about a request, beside it on its page."""

from collections.abc import AsyncIterator

import httpx
import pytest

from loopin_mcp.api.database.steps import Row, Value
from loopin_mcp.api.store.store import Store
from loopin_mcp.errors import UnavailableError
from loopin_mcp.wire.models import Decision
from tests.support import AGENT, KEY, PUBLIC_URL, REVIEWER, Clock, api_client, new_interrupt
from tests.support.page import Page, ask

APPROVED = Decision(decision="approved")
CHANGED = Decision(decision="approved", modified_params={"amount": 1})
REJECTED = Decision(decision="rejected", reason="Wrong IBAN <b>")


@pytest.fixture
async def browser(sqlite_store: Store) -> AsyncIterator[httpx.AsyncClient]:
    """A browser at an API without a key."""
    async with api_client(sqlite_store) as client:
        yield client


async def settle(store: Store, clock: Clock, decision: Decision, **changes: object) -> None:
    created = await store.create_interrupt(new_interrupt(**changes), AGENT)
    clock.advance(60)
    await store.decide_interrupt(created.interrupt_id, decision, REVIEWER)


async def panel(browser: httpx.AsyncClient, store: Store, **changes: object) -> list[str]:
    """The heading and the lines of the panel for a new request; nested lines come after theirs."""
    answer = await browser.get(await ask(store, **changes))
    _, _, rest = answer.text.partition('<section class="unusual"')
    page = Page(httpx.Response(200, text=f"<section{rest.partition('</section>')[0]}</section>"))
    return page["h2"] + [text.removeprefix("▲ ") for text in page["li"]]


async def test_first_request_of_an_agent_is_marked(
    browser: httpx.AsyncClient, sqlite_store: Store
) -> None:
    assert await panel(browser, sqlite_store) == [
        "What is unusual",
        "New agent no request of this agent has been settled before",
        "This agent in 30 days: 1 asked, 0 approved, 0 rejected",
    ]


async def test_first_request_of_its_kind_is_marked(
    browser: httpx.AsyncClient, sqlite_store: Store, clock: Clock
) -> None:
    await settle(sqlite_store, clock, CHANGED)

    lines = await panel(browser, sqlite_store, action="Delete all")

    assert lines == [
        "What is unusual",
        "First of its kind this agent has not asked for this before",
        "This agent in 30 days: 2 asked, 1 approved (1 with changes), 0 rejected",
    ]


async def test_same_request_again_is_not_unusual(
    browser: httpx.AsyncClient, sqlite_store: Store, clock: Clock
) -> None:
    await settle(sqlite_store, clock, APPROVED)
    await ask(sqlite_store)

    lines = await panel(browser, sqlite_store)

    at = "now"
    assert lines == [
        "Nothing unusual",
        f"Last similar request: approved {at}; its values were the same",
        "This agent in 30 days: 3 asked, 1 approved, 0 rejected · 1 similar request is waiting",
    ]


async def test_what_differs_is_named_by_its_path(
    browser: httpx.AsyncClient, sqlite_store: Store, clock: Clock
) -> None:
    for count, amount in enumerate((3000, 4000), 1):
        to = {"iban": "DE1", "bic": "X"}
        context = {"amount": amount, "to": to, "rows": [1] * count, "memo": f"a\n{count}"}
        await settle(sqlite_store, clock, CHANGED, context=context)
    await settle(sqlite_store, clock, REJECTED, action="Do")

    asked = {"amount": 4200.5, "to": {"iban": "DE2", "\u202ename": None}, "rows": [], "memo": "a"}
    lines = await panel(browser, sqlite_store, context=asked, urgency="high")

    at = "60 seconds ago"
    assert lines == [
        "What is unusual",
        "Highest amount +200.5, more than in the last 2 (4,000 → 4,200.5)",
        "New key to.U+202Ename null",
        "New value to.iban was the same in the last 2 (DE1 → DE2)",
        "Urgency high, was medium",
        "Rejected before 1 of 4 in 30 days; last now: Wrong IBAN <b>",
        f"Last similar request: approved with changes {at} rows changed (2 items → 0 items)"
        " memo changed to.bic no longer given (was X)",
        "rows changed (2 items → 0 items)",
        "memo changed",
        "to.bic no longer given (was X)",
        "This agent in 30 days: 4 asked, 2 approved (2 with changes)",
    ]


async def test_numbers_that_always_rise_are_not_marked(
    browser: httpx.AsyncClient, sqlite_store: Store, clock: Clock
) -> None:
    for number in range(3):
        context = {"order": number, "amount": 9 - number, "flag": number > 1, "fee": 5}
        await settle(sqlite_store, clock, APPROVED, context=context)

    lines = await panel(
        browser, sqlite_store, context={"order": 3, "amount": 1, "flag": 1, "fee": 4, "text": {}}
    )

    assert lines[1:3] + lines[4:7] == [
        "New key text {}",
        "New value fee was the same in the last 3 (5 → 4)",
        "amount -6 (7 → 1)",
        "order +1 (2 → 3)",
        "flag changed (true → 1)",
    ]


async def test_single_lower_precedent_is_named_and_the_last_may_wait(
    browser: httpx.AsyncClient, sqlite_store: Store
) -> None:
    await ask(sqlite_store, context={"amount": 1})

    lines = await panel(browser, sqlite_store, context={"amount": 2})

    assert lines[2:4] == [
        "Higher amount +1 (1 → 2)",
        "Last similar request: still waiting now",
    ]


async def test_many_differences_are_counted(
    browser: httpx.AsyncClient, sqlite_store: Store, clock: Clock
) -> None:
    await settle(sqlite_store, clock, REJECTED, context={f"k{n}": "a" for n in range(400)})

    page = Page(
        await browser.get(await ask(sqlite_store, context={f"k{n}": "b" for n in range(400)}))
    )

    assert "and 294 more differences" in page["quiet"]


class Failing:
    """Precedents that cannot be read."""

    def __init__(self, error: Exception) -> None:
        self._error = error

    async def find(self, _sql: str, **_params: Value) -> list[Row]:
        raise self._error


@pytest.mark.parametrize("error", [UnavailableError("away"), KeyError("bug")])
async def test_page_is_shown_without_what_cannot_be_read(
    browser: httpx.AsyncClient,
    sqlite_store: Store,
    error: Exception,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    path = await ask(sqlite_store)
    monkeypatch.setattr(sqlite_store.precedents, "_database", Failing(error))

    page = Page(await browser.get(path))

    assert (page["button"][:2], page["unusual"]) == (["Approve", "Reject"], [])
    assert "Cannot show what is unusual about a request" in caplog.text


async def test_link_without_a_sign_in_shows_nothing_of_other_requests(sqlite_store: Store) -> None:
    async with api_client(sqlite_store, api_key=KEY) as stranger:
        page = Page(await stranger.get(await ask(sqlite_store)))

    assert (page["unusual"], PUBLIC_URL in str(stranger.base_url)) == ([], True)


async def test_change_is_seen_beside_a_value_whose_path_reads_the_same(
    browser: httpx.AsyncClient, sqlite_store: Store, clock: Clock
) -> None:
    await settle(sqlite_store, clock, APPROVED, context={"a.b": 1, "a": {"b": 2}})

    lines = await panel(browser, sqlite_store, context={"a.b": 9, "a": {"b": 2}})

    assert any("a.b +8" in line for line in lines)


async def test_values_that_are_not_compared_are_not_said_to_be_the_same(
    browser: httpx.AsyncClient, sqlite_store: Store, clock: Clock
) -> None:
    many = {f"key{number}": number for number in range(300)}
    await settle(sqlite_store, clock, APPROVED, context={**many, "iban": "DE1"})

    answer = await browser.get(await ask(sqlite_store, context={**many, "iban": "DE2"}))

    assert "only its first 300 values were compared" in answer.text
    assert "its values were the same" not in answer.text
    assert "Nothing unusual" not in answer.text
