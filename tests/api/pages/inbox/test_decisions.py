"""Decisions in the inbox: the same checks as on the review page, and back to the list."""

from typing import Any

import httpx
import pytest

from loopin_mcp.api.store.search import Search
from loopin_mcp.api.store.store import Store
from loopin_mcp.wire.models import Decision
from tests.support import REVIEWER, Clock, Down, api_client
from tests.support.page import Page, ask
from tests.support.visitors import within


async def ask_in_list(store: Store, **changes: object) -> str:
    """Create an interrupt; returns the path of its form in the list."""
    return (await ask(store, **changes)).replace("review", "inbox")


async def test_decision_is_recorded_and_leads_back_to_the_list_that_tells_it(
    inbox: httpx.AsyncClient, sqlite_store: Store
) -> None:
    path = await ask_in_list(sqlite_store)
    await ask(sqlite_store, action="Another")
    interrupt_id = path.rpartition("/")[2]
    form = {"decision": "approved", "reason": "Fine.\r\nGo on.", "modifiedParams": '{"amount": 1}'}

    answer = await inbox.post(path, params={"q": "pay me", "user": "user-1"}, data=form)

    target = within(inbox, answer.headers["location"])
    assert (answer.status_code, target) == (303, f"/?q=pay+me&user=user-1&done={interrupt_id}")
    read = await sqlite_store.get_interrupt_status(interrupt_id)
    assert (read.status, read.reason) == ("approved", "Fine.\nGo on.")
    assert (read.modified_params, read.decided_by) == ({"amount": 1}, "api-key")
    page = Page(await inbox.get(f"/?done={interrupt_id}"))
    assert page["status"][0] == ("Approved: Transfer $4,200 to vendor account ending in 9821 View")
    assert page["title"] == ["(1) Inbox · LoopIn"]


async def test_script_is_told_the_outcome_alone(
    inbox: httpx.AsyncClient, sqlite_store: Store
) -> None:
    path = await ask_in_list(sqlite_store)
    minimal = {"Prefer": "return=minimal"}

    recorded = await inbox.post(path, data={"decision": "approved"}, headers=minimal)
    refused = await inbox.post(path, data={"decision": "approved"}, headers=minimal)

    assert (recorded.status_code, recorded.content) == (204, b"")
    assert (refused.status_code, Page(refused)["h1"]) == (409, ["Approved"])


async def test_decision_on_a_keyless_api_is_anonymous(sqlite_store: Store) -> None:
    path = await ask_in_list(sqlite_store)

    async with api_client(sqlite_store) as browser:
        answer = await browser.post(path, data={"decision": "rejected"})

    read = await sqlite_store.get_interrupt_status(path.rpartition("/")[2])
    assert answer.status_code == 303
    assert (read.status, read.decided_by) == ("rejected", "anonymous")


async def test_decision_leads_back_to_the_part_of_the_list_it_came_from(
    inbox: httpx.AsyncClient, sqlite_store: Store
) -> None:
    path = await ask_in_list(sqlite_store)

    answer = await inbox.post(path, params={"cursor": "abc"}, data={"decision": "approved"})

    done = path.rpartition("/")[2]
    assert within(inbox, answer.headers["location"]) == f"/?cursor=abc&done={done}"


async def test_faulty_form_comes_back_with_what_was_typed_and_can_be_mended(
    inbox: httpx.AsyncClient, sqlite_store: Store
) -> None:
    path = await ask_in_list(sqlite_store)
    form = {"decision": "approved", "reason": "Because", "modifiedParams": "{"}

    refused = await inbox.post(path, data=form)

    page = Page(refused)
    assert refused.status_code == 400
    assert page["textarea"] == ["Because", "{"]
    assert page["fault"][0].startswith("This is not valid JSON")
    mended = refused.url.join(str(page.element(**{"": "form", "class": "card"})["action"]))
    answer = await inbox.post(mended, data=form | {"modifiedParams": ""})
    assert within(inbox, answer.headers["location"]).startswith("/?done=")


async def test_decision_that_comes_too_late_is_told_and_changes_nothing(
    inbox: httpx.AsyncClient, sqlite_store: Store
) -> None:
    path = await ask_in_list(sqlite_store)
    interrupt_id = path.rpartition("/")[2]
    decision = Decision(decision="rejected")
    await sqlite_store.decide_interrupt(interrupt_id, decision, REVIEWER)

    answer = await inbox.post(path, data={"decision": "approved", "reason": "Mine"})

    page = Page(answer)
    assert (answer.status_code, page["h1"]) == (409, ["Rejected"])
    assert page["alert"][0].startswith("Your decision was not recorded.")
    assert page.facts["Decided by"] == "alice, on this page"
    assert (await sqlite_store.get_interrupt_status(interrupt_id)).status == "rejected"


async def test_page_of_a_refused_decision_can_be_loaded_anew(
    inbox: httpx.AsyncClient, sqlite_store: Store
) -> None:
    path = await ask_in_list(sqlite_store)

    page = Page(await inbox.get(path))

    assert page["h1"] == ["An agent asks to Transfer $4,200 to vendor account ending in 9821"]


@pytest.mark.parametrize(
    ("headers", "body", "status"),
    [
        ({"Origin": "https://evil.example"}, {"decision": "approved"}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, {"decision": "approved"}, 403),
        ({}, {"decision": "approved", "decidedBy": "me"}, 400),
        ({}, {}, 415),
        ({}, {"decision": "maybe"}, 400),
    ],
)
async def test_form_that_the_review_page_would_refuse_records_nothing(
    inbox: httpx.AsyncClient,
    sqlite_store: Store,
    headers: dict[str, str],
    body: dict[str, str],
    status: int,
) -> None:
    path = await ask_in_list(sqlite_store)

    answer = await inbox.post(path, headers=headers, data=body)

    assert answer.status_code == status
    assert (await sqlite_store.get_interrupt_status(path.rpartition("/")[2])).is_pending


async def test_visitor_who_is_not_signed_in_decides_nothing_and_is_told(
    visitor: httpx.AsyncClient, sqlite_store: Store
) -> None:
    path = await ask_in_list(sqlite_store)

    answer = await visitor.post(path, data={"decision": "approved"})

    page = Page(answer)
    assert (answer.status_code, page["h1"]) == (401, ["Nothing was recorded"])
    assert page["p"][0] == "You are not signed in. Sign in to decide."
    assert page.element(href=f"/sign-in?next=inbox%2F{path.rpartition('/')[2]}")[""] == "a"
    assert (await sqlite_store.get_interrupt_status(path.rpartition("/")[2])).is_pending


@pytest.mark.parametrize(
    ("path", "status"), [("/inbox/unknown", 404), ("/inbox/%00", 404), ("/inbox/x?urgency=y", 400)]
)
async def test_decision_on_what_there_is_not_is_refused_as_a_page(
    inbox: httpx.AsyncClient, path: str, status: int
) -> None:
    answer = await inbox.post(path, data={"decision": "approved"})

    assert (answer.status_code, Page(answer)["h1"]) == (status, ["Nothing was recorded"])


async def test_database_that_is_down_is_said_to_whoever_decides(clock: Clock) -> None:
    async with api_client(Store(Down(), "http://127.0.0.1:3002", clock)) as browser:
        answer = await browser.post("/inbox/x", data={"decision": "approved"})

    assert (answer.status_code, Page(answer)["h1"]) == (503, ["We could not confirm your decision"])


@pytest.mark.parametrize("done", ["unknown", "pending"])
async def test_outcome_is_told_of_what_is_settled_alone(
    inbox: httpx.AsyncClient, sqlite_store: Store, done: str
) -> None:
    if done == "pending":
        done = (await ask(sqlite_store)).rpartition("/")[2]

    page = Page(await inbox.get(f"/?done={done}"))

    assert page["status"][0] == ""


DEL = "\x7f"


@pytest.mark.parametrize(
    "long",
    [
        {"context": {"text": "x" * 17_000}},
        {"context": {"text": DEL * 900}},
        {"context": {f"{number}": 0 for number in range(600)}},
        {"action": f"Pay {DEL * 100}"},
        {"agent_id": DEL.join("a" * 99)},
        {"user_id": DEL.join("u" * 99)},
    ],
)
async def test_request_too_long_for_the_list_is_decided_on_its_own_page(
    inbox: httpx.AsyncClient, sqlite_store: Store, long: dict[str, Any]
) -> None:
    await ask(sqlite_store, **long)

    page = Page(await inbox.get("/"))

    assert page["notice"] == [
        "This request is too long for this list. Open the request to read it and decide."
    ]
    assert page["decision"] == []
    assert "Open the review page" in page["a"]


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
    for row in (await sqlite_store.overview.list_pending(Search(), limit=50)).interrupts:
        changed = Decision(decision="approved", modified_params={"text": DEL * 800})
        await sqlite_store.decide_interrupt(row.interrupt_id, changed, REVIEWER)
    history = await inbox.get("/history")

    assert waiting.text.count("This request is too long") == 50
    assert history.text.count("Too long for this list") == 50
    assert max(len(waiting.content), len(history.content)) < 1024 * 1024
