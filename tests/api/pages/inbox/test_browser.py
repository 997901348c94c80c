"""The inbox in a browser: without JavaScript, signed in, and opened from another site."""

import re
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import BrowserContext, Page, Request, Route, expect

from tests.api.pages.review.test_live import Ask, OpenTab
from tests.support import KEY, ServedAPI, web
from tests.support.lists import Row, read
from tests.support.questions import NEW


@pytest.fixture(scope="module")
def keyed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of an API with a key."""
    api = ServedAPI(tmp_path_factory.mktemp("keyed"), {"API_KEY_SECRET": KEY})
    yield api.url
    api.stop()


def type_the_key(tab: Page) -> None:
    tab.get_by_label("API key").fill(KEY)
    tab.get_by_role("button", name="Sign in").click()


def test_everything_works_without_script(ask_user: Ask, open_inbox: OpenTab) -> None:
    link = ask_user("Pay the first", urgency="high", context={"amount": 4200})
    ask_user("Pay the second")
    tab = open_inbox(java_script_enabled=False)
    first = Row(tab, "Pay the first")
    expect(first.summary).to_contain_text(re.compile("expires in (60|59) minutes"))
    expect(tab.locator("#keys-line")).to_be_hidden()

    tab.get_by_role("searchbox", name="Search").fill("THE FIRST")
    tab.get_by_role("button", name="Search").click()
    expect(tab.locator(".row")).to_have_count(1)
    first.summary.click()
    expect(first.whole.get_by_role("cell", name="4200")).to_be_visible()
    first.reason.fill("Fine")
    first.press("Approve")

    expect(tab.locator("#outcome")).to_have_text("Approved: Pay the first View")
    expect(tab.get_by_role("searchbox", name="Search")).to_have_value("THE FIRST")
    assert (read(link)["status"], read(link)["reason"]) == ("approved", "Fine")
    tab.get_by_role("link", name="View", exact=True).click()
    expect(tab.get_by_role("heading", name="Approved")).to_be_visible()
    tab.get_by_role("link", name="History").click()
    expect(tab.get_by_role("link", name="Pay the first").first).to_be_visible()


def test_refused_decision_is_mended_without_script_and_leads_back(
    ask_user: Ask, open_inbox: OpenTab
) -> None:
    link = ask_user()
    tab = open_inbox(java_script_enabled=False)
    only = Row(tab, "Pay")
    only.summary.click()
    only.modified.fill("{")
    only.press("Approve")

    expect(tab.get_by_text("Nothing was recorded yet.")).to_be_visible()
    tab.get_by_label("Modified parameters").fill("")
    tab.get_by_role("button", name="Approve").click()

    expect(tab.locator("#outcome")).to_have_text("Approved: Pay View")
    assert read(link)["status"] == "approved"


def test_key_is_asked_once_and_the_cookie_is_out_of_reach(keyed: str, open_tab: OpenTab) -> None:
    tab = open_tab(f"{keyed}/history?status=approved")
    expect(tab.get_by_label("API key")).to_be_focused()
    type_the_key(tab)

    expect(tab).to_have_url(re.compile(rf"{keyed}/~[\w-]+/history\?status=approved"))
    [cookie] = tab.context.cookies()
    path = urlsplit(tab.url).path.removesuffix("history")
    assert (cookie["httpOnly"], cookie["sameSite"], cookie["path"]) == (True, "Lax", path)
    assert (cookie["secure"], cookie["domain"]) == (False, "127.0.0.1")
    assert tab.evaluate("document.cookie") == ""
    tab.get_by_role("link", name="Inbox").click()
    expect(tab.get_by_role("heading", name="Inbox")).to_be_visible()
    tab.get_by_role("button", name="Sign out").click()
    expect(tab.get_by_label("API key")).to_be_visible()
    assert tab.context.cookies() == []


def test_wrong_key_is_told_beside_its_field(keyed: str, open_tab: OpenTab) -> None:
    tab = open_tab(keyed)
    tab.get_by_label("API key").fill("wrong")
    tab.keyboard.press("Enter")

    expect(tab.get_by_role("alert")).to_have_text("That key is not valid. Check it and try again.")
    expect(tab.get_by_label("API key")).to_be_focused()
    type_the_key(tab)
    expect(tab.get_by_role("heading", name="Inbox")).to_be_visible()


def test_decision_in_the_inbox_is_told_as_made_there(keyed: str, open_tab: OpenTab) -> None:
    created = web.post(
        f"{keyed}/interrupts", json=NEW | {"action": "Ship"}, headers={"X-API-Key": KEY}
    ).json()
    tab = open_tab(keyed)
    type_the_key(tab)
    Row(tab, "Ship").summary.click()
    Row(tab, "Ship").press("Reject")

    expect(tab.locator("#outcome")).to_have_text("Rejected: Ship View")
    expect(tab.locator(".settled .way").first).to_have_text("in the inbox")
    expect(tab).to_have_url(re.compile(rf"{keyed}/~[\w-]+/"))
    path = f"{keyed}/interrupts/{created['interruptId']}"
    told = web.get(path, headers={"X-API-Key": KEY}).json()
    assert told["decidedBy"] == "api-key"


def link_elsewhere(context: BrowserContext, target: str) -> Page:
    """A page of another site with a link to this one."""

    def answer(route: Route) -> None:
        route.fulfill(body=f'<a href="{target}">There</a>', content_type="text/html")

    context.route("http://elsewhere.example/", answer)
    tab = context.new_page()
    tab.goto("http://elsewhere.example/")
    return tab


def visits_of(tab: Page) -> list[str]:
    """The pages that this tab loads from now on."""
    visited: list[str] = []

    def note(sent: Request) -> None:
        if sent.is_navigation_request():
            visited.append(sent.url)

    tab.on("request", note)
    return visited


def test_who_is_signed_in_and_follows_a_link_from_elsewhere_is_not_asked_again(
    keyed: str, open_tab: OpenTab
) -> None:
    tab = open_tab(keyed)
    type_the_key(tab)
    expect(tab.get_by_role("heading", name="Inbox")).to_be_visible()

    elsewhere = link_elsewhere(tab.context, f"{keyed}/history")
    visited = visits_of(elsewhere)
    elsewhere.get_by_role("link", name="There").click()

    expect(elsewhere.get_by_role("heading", name="History")).to_be_visible()
    assert [urlsplit(url).path for url in visited] == ["/history", urlsplit(elsewhere.url).path]
    expect(elsewhere).to_have_url(f"{tab.url}history")


def test_who_is_not_signed_in_and_follows_a_link_from_elsewhere_is_asked(
    keyed: str, open_tab: OpenTab
) -> None:
    elsewhere = link_elsewhere(open_tab("about:blank").context, f"{keyed}/history")

    elsewhere.get_by_role("link", name="There").click()
    type_the_key(elsewhere)

    expect(elsewhere.get_by_role("heading", name="History")).to_be_visible()


def test_list_that_is_open_says_when_its_session_has_ended(keyed: str, open_tab: OpenTab) -> None:
    tab = open_tab(keyed)
    type_the_key(tab)
    expect(tab.get_by_role("heading", name="Inbox")).to_be_visible()
    other = tab.context.new_page()
    other.goto(f"{keyed}/history")
    other.get_by_role("button", name="Sign out").click()
    expect(other.get_by_label("API key")).to_be_visible()

    web.post(f"{keyed}/interrupts", json=NEW, headers={"X-API-Key": KEY}).raise_for_status()

    expect(tab.locator("#outcome")).to_have_text(
        "You are signed out, so this list is no longer updated. What you typed stays. Sign in again"
    )
    with tab.expect_popup() as popup:
        tab.get_by_role("link", name="Sign in again").click()
    type_the_key(popup.value)
    expect(popup.value.get_by_role("heading", name="Inbox")).to_be_visible()
    expect(tab.locator("#outcome")).to_have_text("")
    expect(tab).to_have_url(popup.value.url)
    web.post(f"{keyed}/interrupts", json=NEW | {"action": "Sail"}, headers={"X-API-Key": KEY})
    Row(tab, "Sail").summary.click()
    Row(tab, "Sail").press("Reject")
    expect(tab.locator("#outcome")).to_have_text("Rejected: Sail View")
