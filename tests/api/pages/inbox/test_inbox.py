"""The inbox: open requests in order, with search, pages, and texts for empty lists."""

import httpx
import pytest

from loopin_mcp.api.access.actors import Actor
from loopin_mcp.api.store.outcomes import Standing
from loopin_mcp.api.store.search import Search
from loopin_mcp.api.store.store import Store
from loopin_mcp.wire.models import Decision, HostCall
from tests.api.pages.inbox.test_updates import ids
from tests.support import AGENT, REVIEWER, Clock, Down, api_client, new_interrupt
from tests.support.page import Page, ask
from tests.support.visitors import within

DEL = "\x7f"
FOR_TOOL = Standing("tool", 3600)


def chosen(page: Page) -> list[str | None]:
    """The current filters of the list."""
    return [each["value"] for each in page.attributes if "selected" in each and each["value"]]


async def actions(inbox: httpx.AsyncClient, query: str = "") -> list[str]:
    return Page(await inbox.get(f"/{query}"))["action"]


async def test_row_shows_who_asks_what_and_until_when(
    inbox: httpx.AsyncClient, sqlite_store: Store, clock: Clock
) -> None:
    path = await ask(sqlite_store, urgency="high", expires_in=7200)
    clock.advance(300)

    answer = await inbox.get("/")

    page = Page(answer)
    assert (answer.status_code, page["title"]) == (200, ["(1) Inbox · LoopIn"])
    assert page["h1"] == ["Inbox"]
    assert page["quiet"][0] == "1 waiting"
    assert page["open"] == [
        "High Transfer $4,200 to vendor account ending in 9821 agent-1 for user-1 "
        "expires in 115 minutes asked 5 minutes ago"
    ]
    assert page.element(href=f"{inbox.base_url.path}{path[1:]}")["class"] == "open"
    assert "USD" not in answer.text
    assert page["textarea"] == []


async def test_list_is_in_the_order_of_urgency_and_expiry(
    inbox: httpx.AsyncClient, sqlite_store: Store, clock: Clock
) -> None:
    await ask(sqlite_store, action="low", urgency="low", expires_in=60)
    await ask(sqlite_store, action="later", urgency="high", expires_in=7200)
    await ask(sqlite_store, action="sooner", urgency="high", expires_in=3600)

    assert await actions(inbox) == ["sooner", "later", "low"]
    clock.advance(60)
    assert await actions(inbox) == ["sooner", "later"]


async def test_nothing_waiting_is_said_kindly(
    inbox: httpx.AsyncClient, sqlite_store: Store
) -> None:
    covered = (await ask(sqlite_store)).rpartition("/")[2]
    await sqlite_store.cancel_interrupt(covered, AGENT)

    page = Page(await inbox.get("/"))

    assert page["title"] == ["Inbox · LoopIn"]
    assert page["empty"] == ["You're all caught up New requests appear here automatically."]
    assert page["quiet"][0] == "Nothing waiting"
    assert "Send a test request" not in page["button"]


async def test_search_and_filters_narrow_the_list_and_stay_chosen(
    inbox: httpx.AsyncClient, sqlite_store: Store
) -> None:
    await ask(sqlite_store, action="Überweise 100 %", user_id="büro", urgency="high")
    await ask(sqlite_store, action="Überweise 10", user_id="büro", urgency="low")
    await ask(sqlite_store, action="Deploy", agent_id="release-agent")

    page = Page(await inbox.get("/?q=ÜBERWEISE+%25&user=büro&agent=agent-1&urgency=high"))

    assert page["action"] == ["Überweise 100 %"]
    assert (page["title"], page["quiet"][0]) == (["(1) Inbox · LoopIn"], "1 found")
    assert page.element(id="search")["value"] == "ÜBERWEISE %"
    assert chosen(page) == ["büro", "agent-1", "high"]
    assert page["option"] == [
        *("Anyone", "büro", "user-1"),
        *("Any", "agent-1", "release-agent"),
        *("Any", "High", "Medium", "Low"),
    ]
    assert page.element(action=inbox.base_url.path, **{"": "form"})["role"] == "search"
    assert "Clear filters" in page["a"]


async def test_first_page_is_small_and_has_no_more_than_fifty(
    inbox: httpx.AsyncClient, sqlite_store: Store
) -> None:
    for number in range(60):
        context = {"vendor": "Acme Supplies Inc.", "amount": number, "why": "x" * 900}
        await ask(sqlite_store, action=f"Pay invoice {number} of Acme", context=context)

    answer = await inbox.get("/")

    assert len(Page(answer)["open"]) == 50
    assert len(answer.content) < 60_000


async def test_pages_stay_small_whatever_agents_write(
    inbox: httpx.AsyncClient, sqlite_store: Store
) -> None:
    for _ in range(50):
        await ask(
            sqlite_store,
            agent_id="a" + DEL * 199,
            user_id="u" + DEL * 199,
            action="Pay" + DEL * 1_997,
            context={"text": DEL * 800},
        )
    waiting = await inbox.get("/")
    for row in (await sqlite_store.overview.list_inbox(Search(), limit=50)).waiting:
        changed = Decision(decision="approved", modified_params={"text": DEL * 800})
        await sqlite_store.decide_interrupt(row.interrupt.interrupt_id, changed, REVIEWER)
    history = await inbox.get("/history")

    assert history.text.count("Too long for this list") == 50
    assert max(len(waiting.content), len(history.content)) < 1024 * 1024


async def test_recently_settled_leaves_out_what_a_standing_approval_covered(
    inbox: httpx.AsyncClient, sqlite_store: Store, clock: Clock
) -> None:
    for digest in "abcdefabcdef0123":
        call = HostCall(session="s", tool="Bash", digest=digest * 64)
        new = new_interrupt(call=call, action=f"Run {digest}")
        created, existed = await sqlite_store.create_interrupt_for_call(new, AGENT, lambda: None)
        clock.advance(1)
        if digest == "a" and not existed:
            await sqlite_store.decide_interrupt(
                created.interrupt_id, Decision(decision="approved"), REVIEWER, FOR_TOOL
            )

    page = Page(await inbox.get("/"))
    history = Page(await inbox.get("/history"))

    assert ids(page, "settled") == [ids(history, "settled")[-1]]
    assert len(ids(history, "settled")) > 8
    assert page["action"][-1] == "Run a"


async def test_mine_are_those_for_the_name_of_the_reviewer(
    alice: httpx.AsyncClient, sqlite_store: Store
) -> None:
    await ask(sqlite_store, action="Hers", user_id="alice")
    await ask(sqlite_store, action="Another's")

    everything = Page(await alice.get("/?urgency=medium"))
    mine = Page(await alice.get("/?urgency=medium&user=alice"))

    assert everything["whose"] == mine["whose"] == ["All Mine"]
    assert everything.element(**{"aria-current": "true"})["href"] == (
        f"{alice.base_url.path}?urgency=medium"
    )
    assert mine.element(**{"aria-current": "true"})["href"] == (
        f"{alice.base_url.path}?user=alice&urgency=medium"
    )
    assert (set(everything["action"]), mine["action"]) == ({"Hers", "Another's"}, ["Hers"])


async def test_nobody_without_a_name_has_requests_of_their_own(inbox: httpx.AsyncClient) -> None:
    assert Page(await inbox.get("/"))["whose"] == []


async def test_nothing_found_is_told_from_nothing_waiting(
    inbox: httpx.AsyncClient, sqlite_store: Store
) -> None:
    await ask(sqlite_store)

    page = Page(await inbox.get("/?q=unknown&user=nobody"))

    assert page["empty"] == ["Nothing found Try fewer words, or clear the filters."]
    assert page["quiet"][0] == "Nothing found"
    assert "No settled request matches." in page["quiet"]
    assert chosen(page) == ["nobody"]


async def test_count_is_of_all_and_the_parts_lead_to_each_other(
    inbox: httpx.AsyncClient, sqlite_store: Store
) -> None:
    for number in range(1_002):
        user = f"user-{number // 600}"
        await ask(sqlite_store, action=f"Action {number}", user_id=user)

    first = Page(await inbox.get("/?agent=agent-1"))
    link = within(inbox, first.element(rel="next")["href"])
    second = Page(await inbox.get(link))

    assert (len(first["open"]), len(second["open"])) == (50, 50)
    assert not set(first["action"]) & set(second["action"])
    assert first["quiet"][0] == second["quiet"][0] == "1,002 found"
    assert first["title"] == second["title"] == ["(1002) Inbox · LoopIn"]
    assert first["pages"] == ["Next 50"]
    assert second["pages"] == ["First page Next 50"]


async def test_part_whose_requests_are_all_settled_says_so(
    inbox: httpx.AsyncClient, sqlite_store: Store
) -> None:
    paths = [await ask(sqlite_store, expires_in=100 + number) for number in range(51)]
    link = within(inbox, Page(await inbox.get("/")).element(rel="next")["href"])
    await sqlite_store.cancel_interrupt(paths[-1].rpartition("/")[2], AGENT)

    page = Page(await inbox.get(link))

    assert page["empty"] == ["Nothing left here These requests have been settled."]
    assert page["pages"] == ["First page"]


async def test_what_was_settled_lately_stands_below(
    inbox: httpx.AsyncClient, sqlite_store: Store, clock: Clock
) -> None:
    verdicts = {"link": "review-link", "key": "api-key", "list": "inbox", "any": "anonymous"}
    for action, decided_by in {**verdicts, "name": "reviewer-7"}.items():
        path = await ask(sqlite_store, action=action)
        await sqlite_store.decide_interrupt(
            path.rpartition("/")[2],
            Decision(decision="approved"),
            Actor(decided_by, "api"),
        )
        clock.advance(60)
    cancelled = (await ask(sqlite_store, action="cancelled")).rpartition("/")[2]
    await sqlite_store.cancel_interrupt(cancelled, AGENT)

    page = Page(await inbox.get("/"))

    assert page["li"] == [
        "Cancelled cancelled agent-1 for user-1 now",
        "Approved by reviewer-7 name agent-1 for user-1 60 seconds ago",
        "Approved anonymous any agent-1 for user-1 2 minutes ago",
        "Approved in the inbox list agent-1 for user-1 3 minutes ago",
        "Approved with the API key key agent-1 for user-1 4 minutes ago",
        "Approved via the review link link agent-1 for user-1 5 minutes ago",
    ]
    assert page.element(href=f"{inbox.base_url.path}review/{cancelled}")[""] == "a"
    assert page["a"][-1] == "View all"


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("?urgency=all", "urgency must be '', 'low', 'medium' or 'high'."),
        (f"?q={'x' * 201}", "q must be at most 200 characters."),
        ("?user=%00", "must not contain NUL. Start from the full list."),
        ("?cursor=x", "cursor is not one that this API gave"),
    ],
)
@pytest.mark.parametrize("path", ["/", "/history"])
async def test_query_that_does_not_fit_is_refused_with_a_way_back(
    inbox: httpx.AsyncClient, path: str, query: str, message: str
) -> None:
    answer = await inbox.get(f"{path}{query}")

    page = Page(answer)
    assert (answer.status_code, page["h1"]) == (400, ["This list cannot be shown"])
    assert message in page["p"][0]
    assert page["a"][-1] == "Open the inbox"


@pytest.mark.parametrize("path", ["/", "/history"])
async def test_database_that_is_down_is_said_on_the_page(clock: Clock, path: str) -> None:
    async with api_client(Store(Down(), "http://127.0.0.1:3002", clock)) as browser:
        answer = await browser.get(path)

    page = Page(answer)
    assert (answer.status_code, page["h1"]) == (503, ["This list cannot be shown"])
    assert page["p"][0] == "The database cannot be used right now. Try again in a minute."
