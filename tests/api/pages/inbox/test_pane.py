"""The selected request beside the list, its keys, and deciding several together there."""

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.api.pages.review.test_live import Ask, OpenTab, decide
from tests.support.lists import Row, read


@pytest.fixture
def tab(ask_user: Ask, open_inbox: OpenTab) -> Page:
    """An inbox with three requests, the first of them selected."""
    for action, urgency in (("first", "high"), ("second", "medium"), ("third", "low")):
        ask_user(f"Pay the {action}", urgency=urgency, context={"note": f"For the {action}"})
    tab = open_inbox()
    expect(pane(tab)).to_contain_text("For the first")
    return tab


def pane(tab: Page) -> Locator:
    return tab.locator("#pane")


def press(tab: Page, *keys: str) -> None:
    for key in keys:
        tab.keyboard.press(key)


def test_selected_request_is_shown_whole_beside_the_list(tab: Page) -> None:
    url = tab.url
    Row(tab, "Pay the third").link.click()

    expect(pane(tab)).to_contain_text("For the third")
    expect(Row(tab, "Pay the third").link).to_have_attribute("aria-current", "true")
    expect(tab.locator("[aria-current='true']")).to_have_count(1)
    for button in ("Approve", "Reject"):
        expect(pane(tab).get_by_role("button", name=button, exact=True)).to_be_in_viewport()
    assert tab.url == url


def test_keys_move_the_selection_and_stop_at_the_ends(tab: Page) -> None:
    for key, place in (
        ("j", "second"),
        ("ArrowDown", "third"),
        ("j", "third"),
        ("k", "second"),
        ("ArrowUp", "first"),
        ("k", "first"),
    ):
        press(tab, key)
        expect(Row(tab, f"Pay the {place}").link).to_be_focused()
        expect(pane(tab)).to_contain_text(f"For the {place}")
    press(tab, "Enter")
    expect(pane(tab)).to_be_focused()


def test_outcome_is_in_view_after_a_decision_far_below(ask_user: Ask, open_inbox: OpenTab) -> None:
    ask_user("Pay", context={f"fact {number}": "value" for number in range(40)})
    tab = open_inbox()
    expect(pane(tab)).to_contain_text("fact 39")
    pane(tab).get_by_label("Reason").focus()

    pane(tab).get_by_role("button", name="Approve").click()

    expect(pane(tab).get_by_role("heading", name="Approved")).to_be_in_viewport()


def test_newest_selection_wins_over_those_still_loading(tab: Page) -> None:
    slow = Row(tab, "Pay the second").link.get_attribute("href")
    tab.route(f"**{slow}", lambda route: None)

    with tab.expect_request(f"**{slow}"):
        press(tab, "j")
    press(tab, "j")

    expect(pane(tab)).to_contain_text("For the third")
    expect(pane(tab)).not_to_have_attribute("aria-busy", "true")


def test_request_that_cannot_be_loaded_is_a_link(tab: Page) -> None:
    link = Row(tab, "Pay the second").link.get_attribute("href")
    tab.route(f"**{link}", lambda route: route.abort())

    press(tab, "j")

    expect(pane(tab)).to_contain_text("This request cannot be loaded right now.")
    expect(pane(tab).get_by_role("link", name="Open it")).to_have_attribute(
        "href", re.compile(f"{link}$")
    )


def test_rows_are_links_where_there_is_no_room_beside_them(
    ask_user: Ask, open_inbox: OpenTab
) -> None:
    link = ask_user("Pay the first")
    tab = open_inbox(viewport={"width": 390, "height": 844})

    Row(tab, "Pay the first").link.click()

    expect(tab).to_have_url(link)


def test_decided_row_stays_until_the_reviewer_moves_on_by_key(
    ask_user: Ask, open_inbox: OpenTab
) -> None:
    links = [ask_user(f"Pay the {place}") for place in ("first", "second", "third")]
    tab = open_inbox()
    expect(pane(tab)).to_contain_text("Pay the first")

    decide(links[0])
    expect(Row(tab, "Pay the first").link).to_contain_text("Approved")
    expect(pane(tab)).to_contain_text("Approved")
    Row(tab, "Pay the third").link.click()
    expect(Row(tab, "Pay the first").whole).to_have_count(1)
    press(tab, "k")

    expect(tab.locator("#rows .action")).to_have_text(["Pay the second", "Pay the third"])
    expect(pane(tab)).to_contain_text("Pay the second")


def test_decision_by_keys_stays_in_the_list_and_next_goes_on(
    ask_user: Ask, open_inbox: OpenTab
) -> None:
    links = [ask_user(f"Pay the {place}") for place in ("first", "second")]
    tab = open_inbox()
    expect(pane(tab)).to_contain_text("Pay the first")

    approve = pane(tab).get_by_role("button", name="Approve")
    expect(approve).to_be_enabled()
    press(tab, "a")
    expect(pane(tab)).to_contain_text("Ctrl+Enter decides")
    assert read(links[0])["status"] == "pending"
    press(tab, "Control+Enter")

    expect(pane(tab).get_by_role("heading", name="Approved")).to_be_visible()
    first = Row(tab, "Pay the first")
    expect(first.link).to_contain_text("Approved")
    expect(first.link).to_have_attribute("aria-current", "true")
    assert read(links[0])["status"] == "approved"
    pane(tab).get_by_role("link", name="Next").click()
    expect(pane(tab)).to_contain_text("Pay the second")
    expect(tab.locator("#rows .action")).to_have_text(["Pay the second"])
    expect(approve).to_be_enabled()
    press(tab, "r")
    tab.keyboard.type("No: a, j and r")
    press(tab, "Control+Enter")
    expect(Row(tab, "Pay the second").link).to_contain_text("Rejected")
    assert read(links[1])["reason"] == "No: a, j and r"


def test_requests_that_are_alike_are_decided_together(ask_user: Ask, open_inbox: OpenTab) -> None:
    links = [ask_user(f"Pay invoice {number}", context={"amount": number}) for number in range(4)]
    ask_user("Sail", context={"amount": 1})
    tab = open_inbox()
    Row(tab, "Pay invoice 0").box.check()
    expect(Row(tab, "Sail").box).to_be_disabled()
    tab.get_by_role("button", name="Select 3 others like this").click()
    Row(tab, "Pay invoice 3").box.uncheck()
    expect(tab.locator("#chosen")).to_have_text("3 selected")
    decide(links[2], decision="rejected")
    expect(Row(tab, "Pay invoice 2").link).to_contain_text("Rejected")
    expect(tab.locator("#chosen")).to_have_text("2 selected")
    tab.get_by_role("button", name="Compare 2").click()
    expect(pane(tab).get_by_role("heading", name="Decide 2 requests together")).to_be_focused()
    expect(pane(tab).get_by_role("row")).to_have_count(3)

    decide(links[1], decision="rejected")
    pane(tab).get_by_role("button", name="Approve all 2").click()

    expect(pane(tab).get_by_role("heading", name="1 approved")).to_be_visible()
    expect(pane(tab)).to_contain_text("Pay invoice 1: It is already rejected.")
    expect(Row(tab, "Pay invoice 0").link).to_contain_text("Approved")
    statuses = [read(link)["status"] for link in links]
    assert statuses == ["approved", "rejected", "rejected", "pending"]


def test_selection_can_be_cleared_and_made_by_key(ask_user: Ask, open_inbox: OpenTab) -> None:
    for number in range(2):
        ask_user(f"Pay invoice {number}", context={"amount": number})
    tab = open_inbox()
    expect(pane(tab)).to_contain_text("Pay invoice 0")

    press(tab, "j", "x")
    expect(tab.locator("#chosen")).to_have_text("1 selected")
    tab.get_by_role("button", name="Clear", exact=True).click()

    expect(tab.get_by_role("button", name="Compare")).to_be_hidden()
    expect(Row(tab, "Pay invoice 0").box).to_be_enabled()


def test_filters_are_remembered_until_they_are_cleared(
    ask_user: Ask, open_inbox: OpenTab, served: str, user: str
) -> None:
    ask_user("Pay the first", urgency="low")
    tab = open_inbox()
    tab.get_by_label("Urgency").select_option("low")
    tab.get_by_role("button", name="Search").click()
    expect(tab).to_have_url(re.compile("urgency=low"))

    tab.get_by_role("link", name="Inbox").click()
    expect(tab).to_have_url(re.compile("urgency=low"))
    expect(tab.get_by_label("For")).to_have_value(user)
    tab.get_by_role("link", name="Clear filters").click()
    expect(tab).to_have_url(f"{served}/")
    tab.reload()

    expect(tab).to_have_url(f"{served}/")


def type_in_the_search(tab: Page) -> None:
    press(tab, "/")
    expect(tab.get_by_role("searchbox", name="Search")).to_be_focused()
    tab.keyboard.type("jar?/")
    expect(tab.get_by_role("searchbox", name="Search")).to_have_value("jar?/")


def hold_control(tab: Page) -> None:
    press(tab, "Control+a", "Alt+r", "Control+j")


def turn_the_keys_off(tab: Page) -> None:
    press(tab, "?")
    tab.get_by_label("Use single-letter keys").uncheck()
    tab.get_by_role("button", name="Close").click()
    press(tab, "j", "x")


@pytest.mark.parametrize("act", [type_in_the_search, hold_control, turn_the_keys_off])
def test_letter_does_nothing_where_it_is_not_meant_for_the_list(
    tab: Page, act: Callable[[Page], None]
) -> None:
    act(tab)

    expect(tab.get_by_role("dialog")).to_be_hidden()
    expect(Row(tab, "Pay the first").link).to_have_attribute("aria-current", "true")


def test_question_mark_shows_the_keys_even_where_they_are_off(tab: Page) -> None:
    keys = tab.get_by_role("dialog", name="Keys")
    press(tab, "?")
    expect(keys.get_by_text("Next and previous request")).to_be_visible()
    tab.get_by_label("Use single-letter keys").uncheck()
    press(tab, "Escape")

    press(tab, "?")
    tab.get_by_label("Use single-letter keys").check()
    press(tab, "Escape", "j")

    expect(Row(tab, "Pay the second").link).to_be_focused()
