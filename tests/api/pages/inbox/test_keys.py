"""The keyboard shortcuts of the inbox."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.api.pages.review.test_live import Ask, OpenTab, decide
from tests.support.lists import Row, read


@pytest.fixture
def tab(ask_user: Ask, open_inbox: OpenTab) -> Page:
    """An inbox with two requests."""
    ask_user("Pay the first", urgency="high", context={"amount": 4200})
    ask_user("Pay the second")
    tab = open_inbox()
    expect(tab.locator("#keys-line")).to_be_visible()
    return tab


def question(tab: Page) -> Locator:
    return tab.get_by_role("dialog", name="this request?")


def press(tab: Page, *keys: str) -> None:
    for key in keys:
        tab.keyboard.press(key)


def test_j_and_k_move_between_the_rows_and_stop_at_the_ends(tab: Page) -> None:
    first, second = Row(tab, "Pay the first"), Row(tab, "Pay the second")

    for key, row in zip("jjjkkj", (first, second, second, first, first, second), strict=True):
        press(tab, key)
        expect(row.summary).to_be_focused()


def test_enter_opens_the_request_and_closes_it_again(tab: Page) -> None:
    first = Row(tab, "Pay the first")

    press(tab, "j", "Enter")
    expect(first.whole.get_by_role("button", name="Approve")).to_be_visible()
    press(tab, "Enter")

    expect(first.whole.get_by_role("button", name="Approve")).to_be_hidden()


@pytest.mark.parametrize(
    ("key", "verb", "status"), [("a", "Approve", "approved"), ("r", "Reject", "rejected")]
)
def test_decision_is_asked_for_with_all_there_is_to_know_and_then_recorded(
    ask_user: Ask, open_inbox: OpenTab, key: str, verb: str, status: str
) -> None:
    link = ask_user("Pay the first", urgency="high", context={"amount": 4200})
    ask_user("Pay the second")
    tab = open_inbox()
    expect(tab.locator("#keys-line")).to_be_visible()

    press(tab, "j", key)
    asked = question(tab)
    expect(asked.get_by_role("heading", name=f"{verb} this request?")).to_be_visible()
    expect(asked.locator("#confirm-action")).to_have_text("Pay the first")
    expect(asked.locator("#confirm-who")).to_contain_text("billing-agent for test_decision_is")
    expect(asked.get_by_role("rowheader", name="amount")).to_be_visible()
    expect(asked.get_by_label("Reason")).to_be_focused()
    tab.keyboard.type("As ordered: a, j and r")
    press(tab, "Tab")
    expect(asked.get_by_role("button", name=verb)).to_be_focused()
    press(tab, "Enter")

    expect(tab.locator("#outcome")).to_contain_text(f"{status.capitalize()}: Pay the first")
    expect(Row(tab, "Pay the first").summary).to_be_focused()
    told = read(link)
    assert (told["status"], told["reason"]) == (status, "As ordered: a, j and r")


def test_control_and_enter_says_yes_from_the_reason(tab: Page) -> None:
    press(tab, "j", "r")
    tab.keyboard.type("No")
    press(tab, "Control+Enter")

    expect(tab.locator("#outcome")).to_contain_text("Rejected: Pay the first")


@pytest.mark.parametrize("leave", ["Escape", "Back"])
def test_leaving_the_question_records_nothing_and_returns_the_focus(
    ask_user: Ask, open_inbox: OpenTab, leave: str
) -> None:
    link = ask_user("Pay the first")
    tab = open_inbox()
    expect(tab.locator("#keys-line")).to_be_visible()

    press(tab, "j", "a")
    tab.keyboard.type("Perhaps")
    if leave == "Escape":
        press(tab, "Escape")
    else:
        question(tab).get_by_role("button", name="Back").click()

    expect(question(tab)).to_be_hidden()
    expect(Row(tab, "Pay the first").summary).to_be_focused()
    assert read(link)["status"] == "pending"
    press(tab, "a")
    expect(question(tab).get_by_label("Reason")).to_have_value("Perhaps")


def test_parameters_that_were_typed_stand_in_the_question_and_are_sent(
    ask_user: Ask, open_inbox: OpenTab
) -> None:
    link = ask_user("Pay the first")
    tab = open_inbox()
    expect(tab.locator("#keys-line")).to_be_visible()
    press(tab, "j", "Enter")
    Row(tab, "Pay the first").modified.fill('{"amount": 1}')
    Row(tab, "Pay the first").summary.focus()

    press(tab, "a")
    expect(question(tab).get_by_text("With your modified parameters")).to_contain_text(
        '{"amount": 1}'
    )
    press(tab, "Control+Enter")

    expect(tab.locator("#outcome")).to_contain_text("Approved: Pay the first")
    assert read(link)["modifiedParams"] == {"amount": 1}


def test_question_about_what_is_settled_meanwhile_is_withdrawn(
    ask_user: Ask, open_inbox: OpenTab
) -> None:
    link = ask_user("Pay the first")
    tab = open_inbox()
    expect(tab.locator("#keys-line")).to_be_visible()
    press(tab, "j", "r")
    tab.keyboard.type("My thoughts")

    decide(link)

    expect(question(tab)).to_be_hidden()
    first = Row(tab, "Pay the first")
    expect(first.whole).to_contain_text("It was approved. Decided by: Anonymous")
    expect(first.reason).to_have_value("My thoughts")
    assert read(link)["status"] == "approved"


def test_request_too_long_for_the_list_opens_its_page_instead_of_a_question(
    ask_user: Ask, open_inbox: OpenTab
) -> None:
    link = ask_user("Read it all", context={"text": "x" * 17_000})
    tab = open_inbox()
    expect(tab.locator("#keys-line")).to_be_visible()

    press(tab, "j", "a")

    expect(tab).to_have_url(link)


def type_in_the_search(tab: Page) -> None:
    press(tab, "/")
    expect(tab.get_by_role("searchbox", name="Search")).to_be_focused()
    tab.keyboard.type("jar?/")
    expect(tab.get_by_role("searchbox", name="Search")).to_have_value("jar?/")


def type_a_reason(tab: Page) -> None:
    press(tab, "j", "Enter")
    reason = Row(tab, "Pay the first").reason
    reason.focus()
    tab.keyboard.type("rajk?/")
    expect(reason).to_have_value("rajk?/")


def hold_control(tab: Page) -> None:
    press(tab, "j", "Control+a", "Alt+r", "Control+j")
    expect(Row(tab, "Pay the first").summary).to_be_focused()


def stand_outside_of_the_list(tab: Page) -> None:
    press(tab, "a", "r")


def turn_the_keys_off(tab: Page) -> None:
    press(tab, "?")
    tab.get_by_label("Use single-letter keys").uncheck()
    tab.get_by_role("button", name="Close").click()
    tab.reload()
    Row(tab, "Pay the first").summary.focus()
    press(tab, "a", "r", "j")
    expect(Row(tab, "Pay the first").summary).to_be_focused()


@pytest.mark.parametrize(
    "act",
    [
        type_in_the_search,
        type_a_reason,
        hold_control,
        stand_outside_of_the_list,
        turn_the_keys_off,
    ],
)
def test_letter_asks_nothing_where_it_is_not_meant_for_the_list(
    tab: Page, act: Callable[[Page], None]
) -> None:
    act(tab)

    expect(tab.get_by_role("dialog")).to_be_hidden()


def test_question_mark_shows_the_keys_even_where_they_are_off(tab: Page) -> None:
    keys = tab.get_by_role("dialog", name="Keys")
    press(tab, "?")
    expect(keys.get_by_text("Next and previous request")).to_be_visible()
    tab.get_by_label("Use single-letter keys").uncheck()
    press(tab, "Escape")

    press(tab, "?")
    tab.get_by_label("Use single-letter keys").check()
    press(tab, "Escape", "j")

    expect(Row(tab, "Pay the first").summary).to_be_focused()
