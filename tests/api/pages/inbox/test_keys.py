"""The inbox by keys only: each action can be done, is announced, and never loses the focus."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.api.pages.review.test_live import decide
from tests.support.lists import Row, read

Ask = Callable[..., str]
OpenTab = Callable[..., Page]
MOST_TABS = 60


def go_to(tab: Page, part: Locator) -> None:
    """Move the focus there, as only a keyboard can."""
    expect(part).to_be_visible()
    for _ in range(MOST_TABS):
        if part.evaluate("(part) => part === document.activeElement"):
            return
        tab.keyboard.press("Tab")
    expect(part).to_be_focused()


def press(tab: Page, part: Locator) -> None:
    go_to(tab, part)
    tab.keyboard.press("Enter")


def test_several_are_decided_together_by_keys(ask_user: Ask, open_inbox: OpenTab) -> None:
    links = [ask_user("Pay", context={"amount": amount}) for amount in range(3)]
    tab = open_inbox()
    expect(tab.locator("#pane .approve")).to_be_enabled()

    tab.keyboard.press("j")
    tab.keyboard.press("x")
    expect(tab.locator("#chosen")).to_have_text("1 selected")
    press(tab, tab.get_by_role("button", name="Select 2 others like this"))
    expect(tab.get_by_role("button", name="Compare 3")).to_be_focused()
    tab.keyboard.press("Enter")
    expect(tab.get_by_role("heading", name="Decide 3 requests together")).to_be_focused()
    go_to(tab, tab.get_by_label("Reason"))
    tab.keyboard.type("By keys")
    press(tab, tab.get_by_role("button", name="Reject all 3"))

    expect(tab.get_by_role("heading", name="3 rejected")).to_be_focused()
    assert [read(link)["reason"] for link in links] == ["By keys"] * 3
    press(tab, tab.get_by_role("button", name="Tidy up"))
    expect(tab.get_by_role("heading", name="Inbox")).to_be_focused()
    expect(tab.locator("#rows > .row")).to_have_count(0)


def test_new_requests_are_announced_and_shown_by_keys(ask_user: Ask, open_inbox: OpenTab) -> None:
    ask_user("Pay the first")
    tab = open_inbox()
    expect(tab.locator("#pane .approve")).to_be_enabled()

    tab.keyboard.press("j")
    expect(Row(tab, "Pay the first").link).to_be_focused()
    ask_user("Pay at once", urgency="high")
    expect(tab.locator("#news")).to_have_text("2 found")
    expect(Row(tab, "Pay the first").link).to_be_focused()
    press(tab, tab.get_by_role("button", name="1 new"))
    expect(tab.get_by_role("heading", name="Inbox")).to_be_focused()
    expect(tab.locator("#rows .action")).to_have_text(["Pay at once", "Pay the first"])


def test_request_settled_elsewhere_keeps_the_focus_in_its_place(
    ask_user: Ask, open_inbox: OpenTab
) -> None:
    link = ask_user("Pay the first")
    tab = open_inbox()
    expect(tab.locator("#pane .approve")).to_be_enabled()
    go_to(tab, tab.locator("#pane").get_by_label("Reason"))
    tab.keyboard.type("Not now")

    decide(link)

    expect(tab.locator("#pane #outcome")).to_be_focused()
    expect(tab.locator("#pane [role=alert]")).to_contain_text("Not now")
    press(tab, tab.locator("#pane .next"))
    expect(tab.locator("#pane")).to_contain_text("Select a request")
    expect(tab.locator("#pane")).to_be_focused()


@pytest.mark.parametrize("viewport", [{"width": 390, "height": 844}, None])
def test_dialog_of_keys_gives_the_focus_back(
    ask_user: Ask, open_inbox: OpenTab, viewport: dict[str, int] | None
) -> None:
    ask_user("Pay")
    tab = open_inbox(viewport=viewport or {"width": 1280, "height": 800})
    row = Row(tab, "Pay").link
    go_to(tab, row)

    tab.keyboard.press("?")
    expect(tab.get_by_role("dialog", name="Keys")).to_be_visible()
    tab.keyboard.press("Escape")

    expect(row).to_be_focused()
