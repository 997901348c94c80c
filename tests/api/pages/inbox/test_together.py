"""Deciding several requests together: what differs is shown, and each is recorded separately."""

from typing import Any

import httpx
import pytest

from loopin_mcp.api.database.steps import Database
from loopin_mcp.api.pages.together import MOST_TOGETHER, kind_of
from loopin_mcp.api.store.store import Store
from loopin_mcp.wire.models import Decision, HostCall
from tests.support import AGENT, REVIEWER, Clock, Down, api_client, new_interrupt
from tests.support.auditing import edit
from tests.support.page import Page, ask, digest_of
from tests.support.values import asked

DEL = "\x7f"


async def ask_for(store: Store, amount: object, **changes: object) -> str:
    context = {"amount": amount, "iban": "DE02", "note": "Monthly"}
    asked = {"action": f"Pay {amount} EUR", "context": context} | changes
    return (await ask(store, **asked)).rpartition("/")[2]


async def compare(browser: httpx.AsyncClient, *picks: str) -> Page:
    answer = await browser.post("/inbox/compare", data={"pick": list(picks)})
    assert answer.status_code == 200
    return Page(answer)


def shown(page: Page) -> list[str]:
    """What the form of a comparison sends."""
    return [str(each["value"]) for each in page.attributes if each.get("name") == "pick"]


async def decide(browser: httpx.AsyncClient, picks: list[str], **form: str) -> httpx.Response:
    return await browser.post("/inbox/decide", data={"pick": picks, "decision": "approved", **form})


async def test_comparison_shows_what_differs_and_once_what_does_not(
    inbox: httpx.AsyncClient, sqlite_store: Store
) -> None:
    ids = [await ask_for(sqlite_store, 1)]
    ids.append(await ask_for(sqlite_store, "1\u202e", action="Pay 2 EUR"))
    ids.append(await ask_for(sqlite_store, True, action="Pay 3 EUR", user_id="user-2"))

    page = await compare(inbox, *ids)

    assert page["h1"] == ["Decide 3 requests together"]
    assert page["compare-tr"] == [
        "Request Action For amount Expires",
        "1 Pay 1 EUR user-1 1 in 60 minutes",
        "2 Pay 2 EUR user-1 1U+202E in 60 minutes",
        "3 Pay 3 EUR user-2 true in 60 minutes",
    ]
    assert page.rows == {"iban": "DE02", "note": "Monthly"}
    assert page["button"][-2:] == ["Approve all 3", "Reject all 3"]
    assert shown(page) == [f"{each} {await digest_of(sqlite_store, each)}" for each in ids]
    viewed = [(await sqlite_store.list_events(each))[-1] for each in ids]
    assert {(each.type, each.channel) for each in viewed} == {("viewed", "inbox")}


async def test_comparison_of_equal_requests_has_no_columns_of_values(
    inbox: httpx.AsyncClient, sqlite_store: Store
) -> None:
    ids = [await ask_for(sqlite_store, 1, action="Pay") for _ in range(2)]

    page = await compare(inbox, *ids, ids[0])

    assert page["compare-tr"][1:] == ["1 in 60 minutes", "2 in 60 minutes"]
    assert page["action"] == ["Pay"]
    assert page.rows["amount"] == "1"


async def test_each_is_recorded_with_its_own_digest_in_the_name_of_the_reviewer(
    alice: httpx.AsyncClient, sqlite_store: Store
) -> None:
    ids = [await ask_for(sqlite_store, amount) for amount in range(MOST_TOGETHER)]
    picks = shown(await compare(alice, *ids))

    answer = await decide(alice, picks, decision="rejected", reason="Too much")

    page = Page(answer)
    assert (answer.status_code, page["h1"], page["notice left-out"]) == (200, ["50 rejected"], [])
    for each in ids:
        event = (await sqlite_store.list_events(each))[-1]
        assert (event.type, event.actor, event.channel) == ("decided", "alice", "inbox")
        assert event.detail == {
            "decision": "rejected",
            "reason": "Too much",
            "payloadDigest": await digest_of(sqlite_store, each),
        }


async def test_what_cannot_be_decided_is_listed_and_the_others_stand(
    store: Store, database: Database, clock: Clock
) -> None:
    async with api_client(store) as browser:
        good = await ask_for(store, 1)
        changed, decided, tampered = [await ask_for(store, number) for number in (2, 3, 4)]
        expired = await ask_for(store, 5, expires_in=60)
        unlike = await ask_for(store, 6, agent_id="agent-2")
        high = await ask_for(store, 7, urgency="high")
        long = await ask_for(store, "x" * 9_000, action="Pay 1 EUR")
        digests = {each: await digest_of(store, each) for each in (good, unlike, high, long)}
        digests |= {each: await digest_of(store, each) for each in (decided, tampered, expired)}
        picks = [f"{each} {digest}" for each, digest in digests.items()]
        picks += [f"{changed} {'0' * 64}", f"unknown {'0' * 64}", f"\x00 {'0' * 64}"]
        await store.decide_interrupt(decided, Decision(decision="rejected"), REVIEWER)
        await edit(database, tampered, "UPDATE interrupts SET action = 'Pay more' WHERE TRUE")
        clock.advance(60)

        page = Page(await decide(browser, picks))

    assert page["h1"] == ["1 approved"]
    whys = [item.rpartition(": ")[2] for item in page["li"][1:]]
    assert [why for why in whys if "changed in the database" not in why][:2] == [
        "It is not like the others.",
        "Requests of high urgency are decided one by one.",
    ]
    assert {
        "It is too long to be compared.",
        "It is already rejected.",
        "It is already expired.",
        "Interrupt not found.",
        "This is not the id of a request.",
    } <= set(whys)
    assert len(whys) == 9
    for each, status in ((good, "approved"), (changed, "pending"), (unlike, "pending")):
        assert (await store.get_interrupt_status(each)).status == status


@pytest.mark.parametrize(
    "other",
    [
        {"agent_id": "agent-2"},
        {"action": "Pay 1 EUR now"},
        {"context": {"amount": 1, "iban": "DE02"}},
        {"context": {"amount": 1, "iban": "DE02", "note": "", "more": 1}},
        {"call": HostCall(session="s", tool="Bash", digest="a" * 64)},
    ],
)
async def test_requests_that_are_not_alike_are_not_compared(
    inbox: httpx.AsyncClient, sqlite_store: Store, other: dict[str, Any]
) -> None:
    first, second = await ask_for(sqlite_store, 1), await ask_for(sqlite_store, 2)
    different = await ask_for(sqlite_store, 3, **other)

    page = await compare(inbox, first, different, second)

    assert [pick.partition(" ")[0] for pick in shown(page)] == [first, second]
    assert page["notice left-out"][0].endswith("It is not like the others.")
    [link] = [
        each
        for each in page.attributes
        if each.get("href", "") == f"{inbox.base_url.path}review/{different}"
    ]
    assert link[""] == "a"


async def test_list_offers_to_select_what_can_be_decided_together(
    inbox: httpx.AsyncClient, sqlite_store: Store
) -> None:
    alike = [await ask_for(sqlite_store, number) for number in (1, 2)]
    other = await ask_for(sqlite_store, 3, agent_id="agent-2")
    await ask_for(sqlite_store, 4, urgency="high")
    await ask_for(sqlite_store, DEL * 900)
    await ask_for(sqlite_store, "\n" * 201)

    page = Page(await inbox.get("/"))

    kinds = {each["value"]: each["data-kind"] for each in page.attributes if "data-kind" in each}
    assert set(kinds) == {*alike, other}
    assert kinds[alike[0]] == kinds[alike[1]] != kinds[other]


async def test_nothing_that_can_be_compared_is_a_page_without_a_form(
    inbox: httpx.AsyncClient, sqlite_store: Store
) -> None:
    page = await compare(inbox, await ask_for(sqlite_store, 1, urgency="high"))

    assert "Approve" not in str(page["button"])
    assert page["notice left-out"] == [
        "Left out Pay 1 EUR: Requests of high urgency are decided one by one."
    ]


PICK = f"some-id {'0' * 64}"


@pytest.mark.parametrize(
    ("form", "text"),
    [
        ({}, "No request was selected."),
        ({"pick": "some-id"}, "A request was sent without its payloadDigest."),
        ({"pick": PICK, "decision": "maybe"}, "The field decision must be 'approved' or"),
        ({"pick": PICK, "reason": "x" * 5001}, "The field reason must be at most"),
        ({"pick": [PICK] * 53}, "The form cannot be read."),
        ({"pick": PICK, "modifiedParams": "{}"}, "modifiedParams is not a known field."),
    ],
)
async def test_form_that_does_not_fit_records_nothing(
    inbox: httpx.AsyncClient, form: dict[str, Any], text: str
) -> None:
    answer = await inbox.post("/inbox/decide", data={"decision": "approved"} | form)

    page = Page(answer)
    assert (answer.status_code, page["h1"]) == (400, ["Nothing was recorded"])
    assert text in page["p"][0]
    assert page["a"][-1] == "Back to the inbox"


async def test_no_more_than_fifty_are_compared(inbox: httpx.AsyncClient) -> None:
    answer = await inbox.post("/inbox/compare", data={"pick": ["some-id"] * 51})

    assert (answer.status_code, Page(answer)["h1"]) == (400, ["These requests cannot be compared"])


@pytest.mark.parametrize("path", ["/inbox/compare", "/inbox/decide", "/inbox/test"])
async def test_other_pages_and_strangers_decide_nothing(
    inbox: httpx.AsyncClient, visitor: httpx.AsyncClient, sqlite_store: Store, path: str
) -> None:
    interrupt_id = await ask_for(sqlite_store, 1)
    form = {"pick": f"{interrupt_id} {await digest_of(sqlite_store, interrupt_id)}"}
    foreign = await inbox.post(path, data=form, headers={"Origin": "https://evil.example"})
    inbox.cookies.clear()
    signed_out = await visitor.post(path, data=form | {"decision": "approved"})

    assert (foreign.status_code, signed_out.status_code) == (403, 401)
    assert (await sqlite_store.get_interrupt_status(interrupt_id)).is_pending


async def test_database_that_is_down_is_said_for_each_request(clock: Clock) -> None:
    async with api_client(Store(Down(), "http://127.0.0.1:3002", clock)) as browser:
        page = await compare(browser, "some-id")

    assert "The database cannot be used right now" in page["notice left-out"][0]


async def test_test_request_can_be_sent_while_there_has_been_none(
    alice: httpx.AsyncClient, sqlite_store: Store
) -> None:
    empty = Page(await alice.get("/"))
    answers = [await alice.post("/inbox/test") for _ in range(2)]
    page = Page(await alice.get("/"))
    [event] = await sqlite_store.list_events(str(page.element(name="pick")["value"]))

    assert empty["empty-heading"] == ["No requests yet"]
    [command] = empty["line-of-code"]
    assert command.startswith("loopin-mcp install --url http")
    assert command.endswith(" --key - --user YOUR-NAME")
    assert "Send a test request" in empty["button"]
    assert [answer.status_code for answer in answers] == [303, 303]
    assert page["open"] == [
        "Low Try LoopIn with this test request LoopIn for alice expires in 60 minutes asked now"
    ]
    assert "Send a test request" not in page["button"]
    assert (event.type, event.actor, event.channel) == ("created", "alice", "inbox")


async def test_first_run_of_the_embedded_api_has_its_own_words(sqlite_store: Store) -> None:
    async with api_client(sqlite_store, embedded=True) as browser:
        page = Page(await browser.get("/"))
        await browser.post("/inbox/test")
        after = Page(await browser.get("/"))

    assert page["line-of-code"] == ["loopin-mcp install"]
    assert "LoopIn for you" in after["open"][0]


async def test_first_run_ends_with_the_first_request_and_does_not_come_back(
    inbox: httpx.AsyncClient, sqlite_store: Store
) -> None:
    created = await sqlite_store.create_interrupt(new_interrupt(), AGENT)
    await sqlite_store.cancel_interrupt(created.interrupt_id, AGENT)

    await inbox.post("/inbox/test")

    assert Page(await inbox.get("/"))["empty-heading"] == ["You're all caught up"]


def test_what_makes_requests_alike_is_a_whole_digest() -> None:
    # A short one could be made to fit requests with other keys, which a comparison does not show.
    assert len(str(kind_of(asked({"a": 1})))) == 64
