"""The review page in the browser of a reviewer, signed in and signed out."""

from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Page, expect

from tests.api.pages.review.test_live import HIDE
from tests.support import KEY, ServedAPI, web
from tests.support.questions import NEW
from tests.support.visitors import ALICES_KEY, BOBS_KEY

OpenTab = Callable[..., Page]
AGENT = {"X-API-Key": KEY}


@pytest.fixture(scope="module")
def reviewed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of an API with two reviewers."""
    keys = f"alice={ALICES_KEY},bob={BOBS_KEY}"
    settings = {"API_KEY_SECRET": KEY, "REVIEWER_KEYS": keys}
    api = ServedAPI(tmp_path_factory.mktemp("reviewed"), settings)
    yield api.url
    api.stop()


@pytest.fixture
def link(reviewed: str) -> str:
    """The link of a request's review page."""
    created = web.post(f"{reviewed}/interrupts", json=NEW, headers=AGENT).raise_for_status()
    return str(created.json()["reviewUrl"])


def sign_in(tab: Page, key: str) -> None:
    tab.get_by_label("Your key").fill(key)
    tab.get_by_role("button", name="Sign in").click()
    expect(tab.get_by_role("heading", name="Your decision as")).to_be_visible()
    # From now on the page holds its buttons for a moment, and a click waits for them.
    expect(tab.get_by_role("timer")).to_be_visible()


def test_reviewer_who_decides_is_named_to_another_who_has_it_open(
    link: str, open_tab: OpenTab
) -> None:
    alices, bobs = open_tab(link), open_tab(link)
    sign_in(alices, ALICES_KEY)
    sign_in(bobs, BOBS_KEY)

    alices.get_by_role("button", name="Approve").click()

    expect(alices.get_by_text("alice, on this page").first).to_be_visible()
    expect(bobs.get_by_role("alert")).to_contain_text("Decided by: alice, on this page.")
    told = web.get(link.replace("/review/", "/interrupts/"), headers=AGENT).json()
    assert (told["decidedBy"], told["decidedVia"]) == ("alice", "review-page")


def test_page_says_when_its_reviewer_is_signed_out_and_keeps_what_was_typed(
    link: str, open_tab: OpenTab
) -> None:
    tab = open_tab(link)
    sign_in(tab, ALICES_KEY)
    tab.get_by_label("Reason").fill("Not on my watch.")
    other = tab.context.new_page()
    other.goto(link)
    other.get_by_role("button", name="Sign out").click()
    expect(other.get_by_label("Your key")).to_be_visible()

    # The page checks again when it becomes visible.
    tab.evaluate(HIDE, arg=True)
    tab.evaluate(HIDE, arg=False)

    notice = tab.get_by_role("alert")
    expect(notice).to_have_text(
        "You are signed out. Sign in again in another tab, then decide here. What you typed stays."
    )
    with tab.expect_popup() as popup:
        notice.get_by_role("link", name="Sign in again").click()
    sign_in(popup.value, ALICES_KEY)
    tab.get_by_role("button", name="Reject").click()
    expect(tab.get_by_role("heading", name="Rejected")).to_be_visible()
    expect(tab.get_by_text("Not on my watch.").first).to_be_visible()
