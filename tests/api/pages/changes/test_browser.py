"""Changing values in a browser: what they were, Reset, the button's words, faults while typing."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.api.pages.changes.faults import FAULTS
from tests.support import web
from tests.support.changing import json_field, open_fields

Ask = Callable[..., str]
OpenTab = Callable[..., Page]
MEMO = "Dear Ann,\r\nplease pay.\r\nBob"
CONTEXT = {"amount": 4200, "memo": MEMO, "urgent": True, "at": "2026-03-07T14:05:00Z", "n": None}
OPTIONS = {"options": {"currency": ["USD", "EUR"]}, "context": {**CONTEXT, "currency": "USD"}}


def params(link: str) -> object:
    answer: dict[str, object] = web.get(link.replace("/review/", "/interrupts/")).json()
    return answer.get("modifiedParams")


@pytest.mark.parametrize("with_script", [True, False])
def test_values_are_changed_without_writing_json(
    ask: Ask, open_tab: OpenTab, with_script: bool
) -> None:
    link = ask(**OPTIONS)
    tab = open_tab(link, java_script_enabled=with_script)
    open_fields(tab)

    tab.get_by_label("amount", exact=True).fill("4000")
    tab.get_by_label("memo", exact=True).fill("Dear Ann,\nplease wait.\nBob")
    tab.get_by_label("urgent", exact=True).select_option("false")
    tab.get_by_label("currency", exact=True).select_option("EUR")
    tab.get_by_label("at", exact=True).fill("2026-03-08T09:30")
    name = "Approve with 5 changes" if with_script else "Approve"
    tab.get_by_role("button", name=name, exact=True).click()

    expect(tab.get_by_role("heading", level=1, name="Approved")).to_be_visible()
    assert params(link) == {
        "amount": 4000,
        "memo": "Dear Ann,\r\nplease wait.\r\nBob",
        "urgent": False,
        "currency": "EUR",
        "at": "2026-03-08T09:30:00Z",
    }


@pytest.mark.parametrize("with_script", [True, False])
def test_untouched_fields_change_nothing(ask: Ask, open_tab: OpenTab, with_script: bool) -> None:
    link = ask(**OPTIONS)
    tab = open_tab(link, java_script_enabled=with_script)

    tab.get_by_role("button", name="Approve", exact=True).click()

    expect(tab.get_by_role("heading", level=1, name="Approved")).to_be_visible()
    assert params(link) is None


def test_changed_field_says_what_it_was_and_is_reset(ask: Ask, open_tab: OpenTab) -> None:
    tab = open_tab(ask(**OPTIONS))
    open_fields(tab)
    amount, approve = tab.get_by_label("amount", exact=True), tab.locator("button.approve")

    amount.fill("4000")
    tab.get_by_label("currency", exact=True).select_option("EUR")
    expect(approve).to_have_text("Approve with 2 changes")
    expect(amount).to_have_accessible_description("was 4200 Reset amount")
    expect(tab.get_by_text("2 changed")).to_be_visible()

    tab.get_by_role("button", name="Reset amount").click()
    expect(amount).to_have_value("4200")
    expect(amount).to_be_focused()
    expect(approve).to_have_text("Approve with 1 change")

    tab.get_by_role("button", name="Reset all").click()
    expect(tab.get_by_label("currency", exact=True)).to_have_value("0")
    expect(approve).to_have_text("Approve")
    expect(tab.get_by_role("button", name="Reset all")).to_be_hidden()


def test_long_text_that_was_changed_shows_what_it_was(ask: Ask, open_tab: OpenTab) -> None:
    tab = open_tab(ask(**OPTIONS))
    open_fields(tab)
    memo, was = tab.get_by_label("memo", exact=True), tab.locator(".was-text")
    expect(was).to_be_hidden()

    memo.fill("Dear Ann,\nplease do not pay.\nBob")
    was.locator("summary").press("Enter")

    expect(was.locator("p")).to_have_text("Dear Ann,\nplease pay.\nBob", use_inner_text=True)
    expect(was.locator("del")).to_be_empty()
    memo.fill("Dear Ann,\nplease wait and see.\nBob")
    expect(was.locator("del")).to_have_text("pay.")
    memo.fill("Hello")
    expect(was.locator("del")).to_have_text(MEMO.replace("\r", ""))
    tab.get_by_role("button", name="Reset memo").click()
    expect(was).to_be_hidden()
    expect(memo).to_have_value(MEMO.replace("\r", ""))


def test_long_text_shows_what_it_was_without_script(ask: Ask, open_tab: OpenTab) -> None:
    tab = open_tab(ask(**OPTIONS), java_script_enabled=False)
    open_fields(tab)
    tab.get_by_label("memo", exact=True).fill("Hello")
    tab.get_by_label("amount", exact=True).fill("much")

    tab.get_by_role("button", name="Approve").click()

    tab.get_by_text("What it was").click()
    expect(tab.locator(".was-text p")).to_contain_text("please pay.")
    expect(tab.get_by_label("memo", exact=True)).to_have_value("Hello")


def test_faults_of_json_are_said_while_it_is_typed(ask: Ask, open_tab: OpenTab) -> None:
    tab = open_tab(ask())
    field, said = json_field(tab), tab.locator("[data-fault]")

    field.fill('{"ammount": 4000}')
    field.blur()
    expect(said).to_have_text('"ammount" is not in the request. Did you mean "amount"?')
    field.fill('{"amount": 4000}')
    expect(said).to_be_hidden()
    expect(tab.locator("button.approve")).to_have_text("Approve with 1 change")

    # The same words as those of the server.
    found = field.evaluate(
        """(field, texts) => texts.map((text) => {
            field.value = text;
            field.dispatchEvent(new Event("change", { bubbles: true }));
            return document.querySelector("[data-fault]").textContent;
        })""",
        [text for text, _, _ in FAULTS],
    )
    assert found == [f"This is not valid JSON. At {place}, {words}." for _, place, words in FAULTS]


@pytest.mark.parametrize("with_script", [True, False])
def test_second_press_adds_a_key_that_the_request_does_not_have(
    ask: Ask, open_tab: OpenTab, with_script: bool
) -> None:
    link = ask()
    tab = open_tab(link, java_script_enabled=with_script)

    json_field(tab).fill('{"ammount": 4000}')
    tab.locator("button.approve").click()
    expect(tab.get_by_text('This has "ammount", which the request does not have.')).to_be_visible()
    json_field(tab).fill('{"amounts": 4000}')
    tab.locator("button.approve").click()
    expect(tab.get_by_text('This has "amounts", which the request does not have.')).to_be_visible()
    assert params(link) is None
    tab.locator("button.approve").click()

    expect(tab.get_by_role("heading", level=1, name="Approved")).to_be_visible()
    assert params(link) == {"amounts": 4000}
