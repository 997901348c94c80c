"""The question before a decision by a key: nobody approves what they have not had in view."""

import pytest
from playwright.sync_api import Page, ViewportSize, expect

from tests.api.pages.inbox.test_keys import press, question
from tests.api.pages.review.test_live import Ask, OpenTab
from tests.support.lists import Row, read

PHONE: ViewportSize = {"width": 390, "height": 844}
DESKTOP: ViewportSize = {"width": 1280, "height": 800}


def nested(levels: int) -> dict[str, object]:
    value: dict[str, object] = {"payee": "Mallory"}
    for _ in range(levels):
        value = {"deeper": value}
    return value


LONG: dict[str, dict[str, object]] = {
    "lines": {"action": "Pay 10 EUR" + "\n" * 350 + "and 9,000 EUR to Mallory"},
    "no blanks": {"action": "W" * 1900 + "end"},
    "context": {"action": "Pay", "context": nested(30)},
}


def asked(tab: Page, key: str) -> None:
    expect(tab.locator("#keys-line")).not_to_have_attribute("hidden", "")
    press(tab, "j", key)
    expect(question(tab)).to_be_visible()


@pytest.mark.parametrize("viewport", [PHONE, DESKTOP], ids=["phone", "desktop"])
@pytest.mark.parametrize("request_", LONG.values(), ids=LONG)
def test_long_request_can_be_approved_once_its_end_was_in_view(
    ask_user: Ask, open_inbox: OpenTab, viewport: ViewportSize, request_: dict[str, object]
) -> None:
    link = ask_user(**request_)
    tab = open_inbox(viewport=viewport)
    asked(tab, "a")
    approve = question(tab).get_by_role("button", name="Approve")
    expect(approve).to_be_disabled()
    expect(question(tab).get_by_role("status")).to_contain_text("Scroll to the end of these ")
    expect(tab.locator("#confirm-whole")).to_be_focused()
    for dialog in ("#confirm", "#confirm-whole"):
        box = tab.locator(dialog)
        assert box.evaluate("box => box.scrollWidth - box.clientWidth") <= 0

    tab.locator("#confirm-reason").focus()
    press(tab, "Control+Enter")
    expect(question(tab)).to_be_visible()
    assert read(link)["status"] == "pending"
    tab.locator("#confirm-whole").focus()
    press(tab, "End")

    expect(question(tab).get_by_role("status")).to_have_text("You have scrolled to the end.")
    approve.click()
    expect(tab.locator("#outcome")).to_contain_text("Approved: ")
    assert read(link)["status"] == "approved"


def test_long_request_can_be_rejected_at_once(ask_user: Ask, open_inbox: OpenTab) -> None:
    ask_user(**LONG["lines"])
    tab = open_inbox()

    asked(tab, "r")
    press(tab, "Control+Enter")

    expect(tab.locator("#outcome")).to_contain_text("Rejected: Pay 10 EUR")


def test_request_that_fits_after_the_window_grew_can_be_approved(
    ask_user: Ask, open_inbox: OpenTab
) -> None:
    ask_user("Pay" + "\n" * 15 + "Mallory")
    tab = open_inbox(viewport=PHONE | {"height": 600})
    asked(tab, "a")
    approve = question(tab).get_by_role("button", name="Approve")
    expect(approve).to_be_disabled()

    tab.set_viewport_size(PHONE | {"height": 2000})

    expect(approve).to_be_enabled()
    press(tab, "Escape")
    tab.set_viewport_size(PHONE)
    expect(question(tab)).to_be_hidden()


def test_typed_parameters_are_part_of_the_request_and_hide_nothing(
    ask_user: Ask, open_inbox: OpenTab
) -> None:
    ask_user("Pay")
    tab = open_inbox()
    Row(tab, "Pay").summary.click()
    Row(tab, "Pay").modified.fill('{"to": "a\u202eb", ' + '"x": 1,\n' * 90 + '"y": 1}')
    Row(tab, "Pay").summary.focus()
    press(tab, "a")

    expect(tab.locator("#confirm-modified")).to_contain_text("a[U+202E]b")
    expect(question(tab).get_by_role("button", name="Approve")).to_be_disabled()
