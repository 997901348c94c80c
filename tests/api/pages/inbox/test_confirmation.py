"""The inbox after a decision: it says whether it was recorded, and never sends it twice."""

import pytest
from playwright.sync_api import Page, Route, expect

from tests.api.pages.review.test_live import Ask, OpenTab
from tests.support.lists import Row, read

UNCONFIRMED = "We could not confirm your decision. Check the request before trying again. View"


class Posts:
    """Answers the decisions that a tab sends, and passes some on to the API."""

    def __init__(self, tab: Page, *, status: int | None, reaches: bool) -> None:
        self.sent = 0
        self._status = status
        self._reaches = reaches
        tab.route("**/inbox/*", self._answer)

    def _answer(self, route: Route) -> None:
        if route.request.method != "POST":
            route.fallback()
            return
        self.sent += 1
        if self._reaches:
            route.fetch(max_redirects=0)
        if self._status is None:
            route.abort()
            return
        route.fulfill(status=self._status, body="<p>A page of a proxy</p>")


def opened_row(tab: Page) -> Row:
    row = Row(tab, "Pay")
    row.summary.click()
    row.reason.fill("Fine")
    return row


@pytest.mark.parametrize("status", [500, 503, 200])
def test_recorded_decision_stands_though_the_list_cannot_be_read_after_it(
    ask_user: Ask, open_inbox: OpenTab, status: int
) -> None:
    link = ask_user()
    tab = open_inbox()
    row = opened_row(tab)
    sent: list[str] = []
    tab.on("request", lambda request: sent.append(request.method))
    sign_in = '<h1 id="sign-in">Sign in</h1>'
    tab.route("**/?*done=*", lambda route: route.fulfill(status=status, body=sign_in))

    row.press("Approve")

    expect(tab.locator("#outcome")).to_have_text("Your decision was recorded: Pay")
    expect(row.whole.locator(".notice")).to_have_text("Approved. Your decision was recorded.")
    assert (sent.count("POST"), read(link)["status"]) == (1, "approved")


@pytest.mark.parametrize("status", [200, 500, 503, None])
def test_recorded_decision_whose_answer_is_lost_is_shown_as_it_stands(
    ask_user: Ask, open_inbox: OpenTab, status: int | None
) -> None:
    link = ask_user()
    tab = open_inbox()
    row = opened_row(tab)
    posts = Posts(tab, status=status, reaches=True)

    row.press("Approve")

    expect(tab.locator("#outcome")).to_have_text(UNCONFIRMED)
    expect(row.whole.locator(".notice")).to_contain_text("It was approved.")
    expect(row.whole.locator(".notice")).not_to_contain_text("Nothing of yours")
    expect(row.whole.get_by_role("button", name="Approve")).to_be_hidden()
    assert (posts.sent, read(link)["status"]) == (1, "approved")


def test_decision_is_not_sent_again_while_nobody_knows_whether_it_stands(
    ask_user: Ask, open_inbox: OpenTab
) -> None:
    link = ask_user()
    tab = open_inbox()
    row = opened_row(tab)
    posts = Posts(tab, status=None, reaches=True)
    tab.route("**/review/*", lambda route: route.abort())

    row.press("Approve")
    expect(tab.locator("#outcome")).to_have_text(UNCONFIRMED)
    with tab.expect_event("requestfailed", lambda failed: failed.url == link):
        row.press("Approve")

    expect(row.whole).not_to_have_attribute("aria-busy", "true")
    assert posts.sent == 1


def test_conflict_with_what_may_have_been_recorded_is_no_refusal(
    ask_user: Ask, open_inbox: OpenTab
) -> None:
    ask_user()
    tab = open_inbox()
    row = opened_row(tab)
    Posts(tab, status=None, reaches=False)
    row.press("Approve")
    expect(tab.locator("#outcome")).to_have_text(UNCONFIRMED)
    tab.unroute("**/inbox/*")
    posts = Posts(tab, status=409, reaches=False)

    with tab.expect_response(lambda answer: answer.status == 409):
        row.press("Approve")

    expect(tab.locator("#outcome")).to_have_text(UNCONFIRMED)
    expect(row.reason).to_have_value("Fine")
    assert posts.sent == 1


def test_decision_that_is_too_large_is_refused_as_a_page(
    ask_user: Ask, open_inbox: OpenTab
) -> None:
    link = ask_user()
    tab = open_inbox()
    row = opened_row(tab)
    row.modified.fill("x" * 300_000)

    row.press("Approve")

    expect(tab.get_by_role("heading", name="Nothing was recorded")).to_be_visible()
    expect(tab.locator("main")).to_contain_text("The body must be at most 262144 bytes.")
    assert read(link)["status"] == "pending"
