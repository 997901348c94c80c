"""The look of the review page: screenshots, contrast, width, roles and names."""

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import FloatRect, Page, expect

from tests.support import web
from tests.support.changing import json_field
from tests.support.looks import look_at

Ask = Callable[..., str]
OpenTab = Callable[..., Page]

QUESTIONS: dict[str, dict[str, object]] = {
    "flat": {
        "urgency": "high",
        "context": {
            "vendor": "Harbour Print Ltd",
            "invoice": "INV-2025-0187",
            "amount": 4200,
            "note": "The vendor changed its bank account last week. " * 4,
        },
    },
    "nested": {
        "context": {
            "region": "eu-central-1",
            "snapshots": [{"id": "snap-0a1", "sizeGb": 88.5, "tags": {"שם": "ערך", "ok": None}}],
            "matrix": {"a": {"b": {"c": {"d": {"e": {"f": {"g": ["x" * 200]}}}}}}},
        },
    },
    "hostile": {
        "agentId": "وكيل-الفواتير",
        "userId": "u" * 200,
        "action": "העבר 4,200 ש״ח \u202eknaB livE\u202c בחשבון " + "x" * 300,
        "urgency": "low",
        "context": {"הערה": "تحويل\u200b إلى 👩‍💻 ❤️", "k" * 90: "Z" + "\u0301\u0336" * 200, "": ""},
    },
}


def approve(tab: Page) -> None:
    """Press Approve, twice for high urgency."""
    for _ in range(1 + tab.locator(".urgency-high").count()):
        tab.get_by_role("button", name="Approve").click()


def faulty(tab: Page) -> None:
    json_field(tab).fill('{"amount": }')
    approve(tab)
    expect(tab.get_by_role("alert")).to_be_visible()


def approved(tab: Page) -> None:
    tab.get_by_label("Reason").fill("Checked with the vendor by phone.")
    json_field(tab).fill('{"amount": 4000}')
    approve(tab)
    expect(tab.get_by_role("heading", level=1)).to_have_text("Approved")


def rejected(tab: Page) -> None:
    tab.get_by_role("button", name="Reject").click()
    expect(tab.get_by_role("heading", level=1)).to_have_text("Rejected")


def settled_meanwhile(tab: Page) -> None:
    tab.get_by_label("Reason").fill("Is this the vendor's new account?")
    cancelled = web.delete(tab.url.replace("/review/", "/interrupts/"))
    cancelled.raise_for_status()
    expect(tab.get_by_role("alert")).to_be_visible()


def disconnected(tab: Page) -> None:
    tab.route(re.compile("/events$"), lambda route: route.abort())
    tab.evaluate("dispatchEvent(new Event('online'))")
    expect(tab.get_by_text("Connection lost.")).to_be_visible()


def pending(_: Page) -> None: ...


@pytest.mark.parametrize(
    ("question", "state"),
    [
        ("flat", pending),
        ("nested", pending),
        ("hostile", pending),
        ("flat", faulty),
        ("flat", approved),
        ("nested", rejected),
        ("flat", settled_meanwhile),
        ("flat", disconnected),
    ],
)
def test_page_is_readable_in_every_state(
    ask: Ask, open_tab: OpenTab, question: str, state: Callable[[Page], None]
) -> None:
    tab = open_tab(ask(**QUESTIONS[question]))

    state(tab)

    look_at(tab, f"{question}-{state.__name__}")


@pytest.mark.parametrize("question", QUESTIONS)
def test_narrow_phone_does_not_scroll_sideways(ask: Ask, open_tab: OpenTab, question: str) -> None:
    tab = open_tab(ask(**QUESTIONS[question]), viewport={"width": 360, "height": 640})

    assert tab.evaluate("document.documentElement.scrollWidth") == 360


def test_dark_mode_is_dark(ask: Ask, open_tab: OpenTab) -> None:
    link = ask()
    background = "getComputedStyle(document.body).backgroundColor"

    light = open_tab(link, color_scheme="light").evaluate(background)
    dark = open_tab(link, color_scheme="dark").evaluate(background)

    assert (light, dark) == ("rgb(244, 245, 249)", "rgb(15, 17, 24)")


def test_buttons_are_large_and_apart_on_a_phone(ask: Ask, open_tab: OpenTab) -> None:
    tab = open_tab(ask(), viewport={"width": 360, "height": 640})

    approve, reject = (box(tab, name) for name in ("Approve", "Reject"))

    assert min(approve["height"], reject["height"]) >= 44
    assert reject["x"] - (approve["x"] + approve["width"]) >= 12


def box(tab: Page, button: str) -> FloatRect:
    found = tab.get_by_role("button", name=button).bounding_box()
    assert found is not None
    return found


def test_note_explains_codes_only_where_characters_hide(ask: Ask, open_tab: OpenTab) -> None:
    plain, hiding = open_tab(ask()), open_tab(ask(action="Pay\u200b"))

    note = "Characters that could mislead are shown by their code"
    expect(plain.get_by_text(note)).to_be_hidden()
    expect(hiding.get_by_text(note)).to_be_visible()


def test_text_that_begins_with_a_hidden_character_keeps_its_direction(
    ask: Ask, open_tab: OpenTab
) -> None:
    tab = open_tab(ask(action="\u200bשלום"))

    expect(tab.locator(".action")).to_have_css("direction", "rtl")


@pytest.mark.parametrize("width", [390, 1280])
def test_screen_reader_meets_the_request_then_the_form(
    ask: Ask, open_tab: OpenTab, width: int
) -> None:
    tab = open_tab(ask(), viewport={"width": width, "height": 900})

    expect(tab.locator("body")).to_match_aria_snapshot("""
        - banner: LoopIn
        - main:
          - article "An agent asks to Transfer $4,200 to vendor account ending in 9821":
            - heading "An agent asks to Transfer $4,200 to vendor account ending in 9821" [level=1]
            - term: Urgency
            - definition: Medium urgency
            - term: Agent
            - definition: billing-agent
            - term: For
            - definition: accounts-payable
            - term: Asked
            - definition: /^(now|\\d+ (second|minute)s? ago)$/
            - term: Expires
            - definition: /^in \\d+ minutes$/
            - heading "Context from the agent" [level=2]
            - table:
              - rowgroup:
                - row "Name Value":
                  - columnheader "Name"
                  - columnheader "Value"
              - rowgroup:
                - row "amount 4200 Copy amount":
                  - rowheader "amount"
                  - cell "4200 Copy amount"
                - row "currency USD Copy currency":
                  - rowheader "currency"
                  - cell "USD Copy currency"
          - form "Your decision":
            - heading "Your decision" [level=2]
            - textbox "Reason (optional)"
            - group: Change values (2)
            - button "Approve"
            - button "Reject"
    """)
