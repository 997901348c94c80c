"""An API with reviewers: before signing in, pages show nothing and take no decision."""

import re

import httpx
import pytest

from loopin_mcp.api.store.store import Store
from loopin_mcp.wire.models import Decision
from tests.support import KEY, REVIEWER, Clock, api_client
from tests.support.page import Page, ask, decide, digest_of
from tests.support.visitors import ALICES_KEY, BOBS_KEY, enter, sees_the_inbox, sign_in

SECRET = "Sell the factory in Rheine"
SIGN_IN_FIRST = {"error": "You are not signed in"}


def id_of(path: str) -> str:
    return path.rpartition("/")[2]


async def ask_and_decide(store: Store, **changes: object) -> str:
    path = await ask(store, **changes)
    await store.decide_interrupt(id_of(path), Decision(decision="approved"), REVIEWER)
    return path


def without_id(answer: httpx.Response, path: str) -> tuple[int, str, str]:
    """The parts of an answer that could reveal whether an interrupt exists."""
    # Each request has an id, and each page a random secret.
    del answer.headers["x-request-id"]
    headers = re.sub(id_of(path), "ID", str(sorted(answer.headers.items())))
    text = re.sub(r'data-(page|secret)="\w+"', "", answer.text)
    return answer.status_code, headers, re.sub(id_of(path), "ID", text)


@pytest.mark.parametrize(
    ("method", "rest"), [("GET", ""), ("HEAD", ""), ("POST", ""), ("GET", "/events")]
)
async def test_link_alone_tells_nothing_not_even_whether_there_is_such_a_request(
    stranger: httpx.AsyncClient,
    sqlite_store: Store,
    method: str,
    rest: str,
) -> None:
    pending = await ask(sqlite_store, action=SECRET)
    decided = await ask_and_decide(sqlite_store, action=SECRET)
    unknown = "/review/5c0d2c0e-9a8b-4a57-8f0e-1d1f5f2f6c11"
    form = {"decision": "approved"} if method == "POST" else None

    answers = [
        without_id(await stranger.request(method, path + rest, data=form), path)
        for path in (pending, decided, unknown)
    ]

    assert answers[0] == answers[1] == answers[2]
    assert answers[0][0] == 401
    assert SECRET not in str(answers)
    assert (await sqlite_store.get_interrupt_status(id_of(pending))).is_pending


async def test_reviewer_comes_by_the_link_through_signing_in_to_the_request_and_decides(
    stranger: httpx.AsyncClient, sqlite_store: Store
) -> None:
    path = await ask(sqlite_store)
    page = await stranger.get(path)
    form = Page(page).element(**{"": "form"})

    answer = await stranger.post(page.url.join(str(form["action"])), data={"key": ALICES_KEY})
    assert answer.next_request is not None
    review = await stranger.get(answer.next_request.url)
    enter(stranger, answer)
    decided = await decide(stranger, path, decision="rejected", reason="No.")

    here = f"{stranger.base_url.path}{path[1:]}"
    assert (page.status_code, answer.status_code) == (401, 303)
    assert (review.url.path, review.status_code) == (here, 200)
    assert "Your decision as alice" in Page(review)["h2"]
    assert (decided.status_code, decided.headers["location"]) == (303, here)
    read = await sqlite_store.get_interrupt_status(id_of(path))
    assert (read.status, read.reason) == ("rejected", "No.")
    assert (read.decided_by, read.decided_via) == ("alice", "review-page")
    assert Page(await stranger.get(path)).facts["Decided by"] == "alice, on this page"


async def test_decision_in_the_inbox_is_the_reviewers(
    alice: httpx.AsyncClient, sqlite_store: Store
) -> None:
    path = await ask(sqlite_store)

    picked = f"{id_of(path)} {await digest_of(sqlite_store, id_of(path))}"
    await decide(alice, "/inbox/decide", decision="approved", pick=picked)

    read = await sqlite_store.get_interrupt_status(id_of(path))
    assert (read.decided_by, read.decided_via) == ("alice", "inbox")
    page = Page(await alice.get("/history"))
    assert page["way"] == ["by alice"]
    assert page["signed-in"] == ["Signed in as alice"]


async def test_form_of_one_who_is_not_signed_in_leads_to_signing_in(
    stranger: httpx.AsyncClient, sqlite_store: Store
) -> None:
    path = await ask(sqlite_store)

    page = Page(await decide(stranger, path, decision="approved"))

    assert page["h1"] == ["Nothing was recorded"]
    assert page["p"][0] == "You are not signed in. Sign in to decide."
    assert page.element(href=f"/sign-in?next=review%2F{id_of(path)}")[""] == "a"


@pytest.mark.parametrize("path", ["/", "/history", "/analytics"])
async def test_other_pages_ask_for_a_reviewer_too(stranger: httpx.AsyncClient, path: str) -> None:
    answer = await stranger.get(path)

    form = Page(answer).element(**{"": "form"})
    assert (answer.status_code, form["action"]) == (401, f"/sign-in?next={path[1:]}")


async def test_event_streams_tell_nothing_before_somebody_signs_in(
    stranger: httpx.AsyncClient,
) -> None:
    answers = [await stranger.get(path) for path in ("/inbox/events", "/review/x/events")]

    assert {(each.status_code, str(each.json())) for each in answers} == {(401, str(SIGN_IN_FIRST))}


@pytest.mark.parametrize(
    ("key", "fault"),
    [
        (KEY, "That is the agents' key. Sign in with your own reviewer key."),
        ("", "That key is not valid. Check it and try again."),
        (f"{BOBS_KEY}x", "That key is not valid. Check it and try again."),
    ],
)
async def test_no_key_but_a_reviewers_signs_in(
    stranger: httpx.AsyncClient, key: str, fault: str
) -> None:
    answer = await sign_in(stranger, key)

    assert (answer.status_code, Page(answer)["alert"]) == (401, [fault])
    assert "set-cookie" not in answer.headers
    assert not await sees_the_inbox(stranger)


async def test_page_says_which_key_it_takes(stranger: httpx.AsyncClient) -> None:
    page = Page(await stranger.get("/sign-in"))

    assert page["label"] == ["Your key"]


async def test_embedded_api_gives_no_links_that_sign_in(sqlite_store: Store) -> None:
    options = {"api_key": KEY, "reviewers": {"alice": ALICES_KEY}, "embedded": True}
    async with api_client(sqlite_store, **options) as agent:
        answer = await agent.post("/sign-in-links", headers={"X-API-Key": KEY})

    assert (answer.status_code, answer.json()) == (
        403,
        {"error": "Reviewers sign in with their own keys, not with links"},
    )


async def test_visit_to_a_request_keeps_the_session(
    alice: httpx.AsyncClient, sqlite_store: Store, clock: Clock
) -> None:
    path = await ask(sqlite_store, expires_in=86_400)

    clock.advance(11 * 3600)
    assert (await alice.get(path)).status_code == 200
    clock.advance(11 * 3600)
    assert (await alice.get(path)).status_code == 200
