"""The review page in every state, and what its form does."""

import httpx
import pytest

from loopin_mcp.api.access.actors import Actor
from loopin_mcp.api.store.store import Store
from loopin_mcp.wire.models import Decision
from tests.support import AGENT, PUBLIC_URL, REVIEWER, Clock, Down, api_client
from tests.support.page import Page, ask, decide


async def test_pending_page_shows_the_whole_request(
    api: httpx.AsyncClient, sqlite_store: Store, clock: Clock
) -> None:
    path = await ask(sqlite_store, urgency="high", expires_in=7200)
    clock.advance(300)

    answer = await api.get(path)

    page = Page(answer)
    digest = await digest_of(sqlite_store, path)
    assert answer.status_code == 200
    assert page["title"] == [
        "Transfer $4,200 to vendor account ending in 9821 · Waiting for your decision · LoopIn"
    ]
    assert page["h1"] == ["An agent asks to Transfer $4,200 to vendor account ending in 9821"]
    assert page.facts == {
        "Urgency": "High urgency",
        "Agent": "agent-1",
        "For": "user-1",
        "Asked": "5 minutes ago",
        "Expires": "in 115 minutes",
        "Created": "15 June 2025, 15:06:40 UTC",
        "Expiry": "15 June 2025, 17:06:40 UTC",
        "Digest": digest,
    }
    assert page.rows == {"amount": "4200", "currency": "USD"}
    assert page["button"] == ["Approve", "Reject", "Close"]
    assert page["textarea"] == ["", ""]
    assert page["alert"] == []


async def digest_of(store: Store, path: str) -> str:
    interrupt = await store.get_interrupt_status(path.split("/")[-1])
    return str(interrupt.payload_digest)


async def test_approving_answers_303_to_the_page_that_shows_it(
    api: httpx.AsyncClient, sqlite_store: Store, clock: Clock
) -> None:
    path = await ask(sqlite_store)

    answer = await decide(api, path, decision="approved", reason=" \n", modifiedParams="")
    clock.advance(60)
    page = Page(await api.get(path))

    digest = await digest_of(sqlite_store, path)
    assert answer.status_code == 303
    assert answer.next_request is not None
    assert answer.next_request.url.path == path
    assert page["h1"] == ["Approved"]
    assert page["h2"] == [
        "An agent asked to Transfer $4,200 to vendor account ending in 9821",
        "Context from the agent",
        "Times and digest",
        "Activity",
    ]
    assert page.facts == {
        "Decided by": "Someone with the link, on this page",
        "Decided": "60 seconds ago 15 June 2025, 15:06:40 UTC",
        "Urgency": "Medium urgency",
        "Agent": "agent-1",
        "For": "user-1",
        "Asked": "60 seconds ago",
        "Created": "15 June 2025, 15:06:40 UTC",
        "Expiry": "15 June 2025, 16:06:40 UTC",
        "Digest": digest,
    }
    assert page["button"] == []


async def test_rejection_is_shown_with_its_reason(
    api: httpx.AsyncClient, sqlite_store: Store
) -> None:
    path = await ask(sqlite_store)

    await decide(api, path, decision="rejected", reason="Wrong vendor.\r\nAsk again.")
    answer = await api.get(path)

    assert Page(answer)["h1"] == ["Rejected"]
    assert '<p class="text" dir="auto">Wrong vendor.\nAsk again.</p>' in answer.text


async def test_modified_parameters_are_recorded_and_shown(
    api: httpx.AsyncClient, sqlite_store: Store
) -> None:
    path = await ask(sqlite_store)

    typed = '{"amount": 4000, "note": "é"}'
    await decide(api, path, decision="approved", modifiedParams=typed, newKeys='["note"]')
    page = Page(await api.get(path))

    read = await sqlite_store.get_interrupt_status(path.split("/")[-1])
    assert read.modified_params == {"amount": 4000, "note": "é"}
    assert page["difference-tr"] == [
        "Name Proposed Approved",
        "amount changed 4200 4000",
        "note added — é",
    ]


async def test_empty_modified_parameters_are_told_from_none(
    api: httpx.AsyncClient, sqlite_store: Store
) -> None:
    path = await ask(sqlite_store)

    decision = Decision(decision="approved", modified_params={})
    await sqlite_store.decide_interrupt(path.split("/")[-1], decision, REVIEWER)

    assert "An empty object." in Page(await api.get(path))["p"]


@pytest.mark.parametrize(
    ("actor", "shown"),
    [
        (Actor("api-key", "api"), "API key, via the API"),
        (Actor("api-key", "mcp"), "API key, via an MCP server"),
        (
            Actor("anonymous", "inbox"),
            "Anonymous, in the inbox",
        ),
        (Actor("reviewer-7", "review-page"), "reviewer-7, on this page"),
    ],
)
async def test_late_opener_reads_who_decided(
    api: httpx.AsyncClient, sqlite_store: Store, actor: Actor, shown: str
) -> None:
    path = await ask(sqlite_store)
    await sqlite_store.decide_interrupt(path.split("/")[-1], Decision(decision="rejected"), actor)

    page = Page(await api.get(path))

    assert page.facts["Decided by"] == shown


async def test_expired_page_says_so_to_the_moment(
    api: httpx.AsyncClient, sqlite_store: Store, clock: Clock
) -> None:
    path = await ask(sqlite_store, expires_in=60)
    clock.advance(60)

    page = Page(await api.get(path))

    assert page["h1"] == ["Expired"]
    assert (
        "No one decided in time, so nothing was approved. The agent has to ask again." in page["p"]
    )
    assert page.facts["Expired"] == "now"
    assert page["button"] == []


async def test_cancelled_page_says_that_the_request_was_cancelled(
    api: httpx.AsyncClient, sqlite_store: Store
) -> None:
    path = await ask(sqlite_store)
    await sqlite_store.cancel_interrupt(path.split("/")[-1], AGENT)

    page = Page(await api.get(path))

    assert page["h1"] == ["Cancelled"]
    assert page["button"] == []


@pytest.mark.parametrize("path", ["/review/unknown", "/review/..%2Fhealth", "/review/%00%ff"])
async def test_unknown_id_is_a_404_page(api: httpx.AsyncClient, path: str) -> None:
    answers = [await api.get(path), await decide(api, path, decision="approved")]

    assert [(answer.status_code, Page(answer)["h1"]) for answer in answers] == [
        (404, ["Request not found"]),
        (404, ["Nothing was recorded"]),
    ]


async def test_second_decision_says_that_it_was_not_recorded(
    api: httpx.AsyncClient, sqlite_store: Store
) -> None:
    path = await ask(sqlite_store)
    await decide(api, path, decision="approved")

    answer = await decide(api, path, decision="rejected", reason="No!", modifiedParams='{"a": 1}')

    page = Page(answer)
    assert answer.status_code == 409
    assert page["h1"] == ["Approved"]
    assert page["alert"][0].startswith(
        "Your decision was not recorded. This request had already been settled"
    )
    assert [(name, page.facts[name]) for name in ("Decision", "Reason", "Modified parameters")] == [
        ("Decision", "Reject"),
        ("Reason", "No!"),
        ("Modified parameters", '{"a": 1}'),
    ]


@pytest.mark.parametrize(
    "form", [{"decision": "approved"}, {"decision": "approved", "modifiedParams": "{"}]
)
async def test_decision_after_expiry_is_refused_however_it_is_filled_in(
    api: httpx.AsyncClient, sqlite_store: Store, clock: Clock, form: dict[str, str]
) -> None:
    path = await ask(sqlite_store, expires_in=60)
    clock.advance(60)

    answer = await decide(api, path, **form)

    assert (answer.status_code, Page(answer)["h1"]) == (409, ["Expired"])
    assert Page(answer)["alert"][0].startswith("Your decision was not recorded.")


async def test_failing_database_is_owned_up_to_on_a_page(clock: Clock) -> None:
    async with api_client(Store(Down(), PUBLIC_URL, clock)) as api:
        answers = [
            await api.get("/review/any"),
            await decide(api, "/review/any", decision="approved"),
        ]

    assert [
        (answer.status_code, *Page(answer)["h1"], *Page(answer)["p"]) for answer in answers
    ] == [
        (
            503,
            "This request cannot be shown",
            "The database cannot be used right now. Try again in a minute.",
        ),
        (
            503,
            "We could not confirm your decision",
            "The database cannot be used right now. Check the request before trying again.",
        ),
    ]


async def test_outcome_is_worded_for_those_who_had_the_page_open(
    api: httpx.AsyncClient, sqlite_store: Store, clock: Clock
) -> None:
    decided, cancelled, expired = [await ask(sqlite_store, expires_in=60) for _ in range(3)]
    await decide(api, decided, decision="rejected")
    await sqlite_store.cancel_interrupt(cancelled.split("/")[-1], AGENT)
    clock.advance(60)

    pages = [Page(await api.get(path)) for path in (decided, cancelled, expired)]

    assert [page.element(**{"aria-labelledby": "outcome"})["data-outcome"] for page in pages] == [
        "It was rejected. Decided by: Someone with the link, on this page.",
        "It was cancelled before anyone decided.",
        "It expired before anyone decided.",
    ]


async def test_way_to_the_other_pages_is_shown_to_those_who_may_go_it(
    api: httpx.AsyncClient, sqlite_store: Store
) -> None:
    path = await ask(sqlite_store)

    by_link = Page(await api.get(path))
    async with api_client(sqlite_store) as open_to_all:
        signed_in = Page(await open_to_all.get(path))

    assert by_link["a"] == []
    assert signed_in["a"] == ["Inbox", "History", "Analytics", "Notifications"]
    links = [element["href"] for element in signed_in.attributes if element[""] == "a"]
    assert links == ["/", "/history", "/analytics", "/notifications"]
