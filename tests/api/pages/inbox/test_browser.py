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
    # The page ignores clicks for a moment once its scripts run, so what follows comes after that.
    with tab.expect_navigation():
        tab.get_by_role("button", name="Sign in").click()


def test_everything_works_without_script(ask_user: Ask, open_inbox: OpenTab, user: str) -> None:
    link = ask_user("Pay the first", urgency="high", context={"amount": 4200})
    alike = [ask_user(f"Pay invoice {number}", context={"amount": number}) for number in (1, 2)]
    tab = open_inbox(java_script_enabled=False)
    first = Row(tab, "Pay the first")
    expect(first.link).to_contain_text(re.compile("expires in (60|59) minutes"))
    for hidden in (tab.locator("#keys-line"), tab.locator("#pane"), tab.locator("#newer")):
        expect(hidden).to_be_hidden()

    tab.get_by_role("searchbox", name="Search").fill("THE FIRST")
    tab.get_by_role("button", name="Search").click()
    expect(tab.locator(".row")).to_have_count(1)
    first.link.click()
    expect(tab).to_have_url(link)
    tab.go_back()
    tab.get_by_role("link", name="Clear filters").click()
    tab.get_by_label("For").select_option(user)
    tab.get_by_role("button", name="Search").click()
    for box in tab.get_by_role("checkbox", name="Pay invoice").all():
        box.check()
    tab.get_by_role("button", name="Compare").click()
    expect(tab.get_by_role("heading", name="Decide 2 requests together")).to_be_visible()
    tab.get_by_label("Reason").fill("Fine")
    tab.get_by_role("button", name="Approve all 2").click()

    expect(tab.get_by_role("heading", name="2 approved")).to_be_visible()
    assert [read(each)["reason"] for each in alike] == ["Fine", "Fine"]


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


def test_wrong_key_is_reported_beside_its_field(keyed: str, open_tab: OpenTab) -> None:
    tab = open_tab(keyed)
    tab.get_by_label("API key").fill("wrong")
    tab.keyboard.press("Enter")

    expect(tab.get_by_role("alert")).to_have_text("That key is not valid. Check it and try again.")
    expect(tab.get_by_label("API key")).to_be_focused()
    type_the_key(tab)
    expect(tab.get_by_role("heading", name="Inbox")).to_be_visible()


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

    expect(tab.locator("#message")).to_have_text(
        "You are signed out, so this list is no longer updated. What you typed stays. Sign in again"
    )
    with tab.expect_popup() as popup:
        tab.get_by_role("link", name="Sign in again").click()
    type_the_key(popup.value)
    expect(popup.value.get_by_role("heading", name="Inbox")).to_be_visible()
    expect(tab.locator("#message")).to_have_text("")
    expect(tab).to_have_url(popup.value.url)
    # Rows wait only behind a list that has some.
    expect(tab.locator("#rows .row")).to_have_count(1)
    web.post(f"{keyed}/interrupts", json=NEW | {"action": "Sail"}, headers={"X-API-Key": KEY})
    tab.get_by_role("button", name="new").click()
    Row(tab, "Sail").link.click()
    expect(tab.locator("#pane")).to_contain_text("An agent asks to Sail")
