"""The review page in a real Chromium."""

from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.support import web
from tests.support.changing import json_field
from tests.support.tabs import press

Ask = Callable[..., str]
OpenTab = Callable[..., Page]


def interrupt(link: str) -> dict[str, Any]:
    """The interrupt of a review link as the agent sees it, without times."""
    answer: dict[str, Any] = web.get(link.replace("/review/", "/interrupts/")).json()
    fields = ("status", "decision", "reason", "modifiedParams", "decidedBy")
    return {name: answer[name] for name in fields if name in answer}


def expect_heading(tab: Page, name: str) -> None:
    expect(tab.get_by_role("heading", level=1, name=name)).to_be_visible()


def test_approve_button_approves_and_shows_it(ask: Ask, open_tab: OpenTab) -> None:
    link = ask()
    tab = open_tab(link)

    press(tab, "Approve")

    expect_heading(tab, "Approved")
    assert tab.url == link
    assert interrupt(link) == {
        "status": "approved",
        "decision": "approved",
        "decidedBy": "review-link",
    }


def test_reason_for_a_rejection_reaches_the_agent_as_typed(ask: Ask, open_tab: OpenTab) -> None:
    link = ask()
    tab = open_tab(link)

    tab.get_by_label("Reason").fill("Wrong vendor: «Müller & Söhne».\n\n<b>Ask again.</b>")
    press(tab, "Reject")

    expect_heading(tab, "Rejected")
    assert interrupt(link) == {
        "status": "rejected",
        "decision": "rejected",
        "reason": "Wrong vendor: «Müller & Söhne».\n\n<b>Ask again.</b>",
        "decidedBy": "review-link",
    }


def test_wrong_parameters_are_corrected_and_then_recorded(ask: Ask, open_tab: OpenTab) -> None:
    link = ask()
    tab = open_tab(link)
    parameters = json_field(tab)

    tab.get_by_label("Reason").fill("\nA little less.")
    parameters.fill('{"amount": }')
    press(tab, "Approve")
    expect(parameters).to_be_focused()
    expect(parameters).to_have_value('{"amount": }')
    expect(parameters).to_have_accessible_description(
        "This is not valid JSON. At line 1, column 12, a value is missing. A JSON object with the "
        'values to change, such as {"amount": 100}.'
    )
    parameters.fill('{"amount": 4000}')
    press(tab, "Approve")

    expect_heading(tab, "Approved")
    assert interrupt(link) == {
        "status": "approved",
        "decision": "approved",
        "reason": "\nA little less.",
        "modifiedParams": {"amount": 4000},
        "decidedBy": "review-link",
    }


def test_late_opener_sees_the_outcome_and_no_buttons(ask: Ask, open_tab: OpenTab) -> None:
    link = ask()
    decide_url = link.replace("/review/", "/interrupts/") + "/decide"
    web.post(decide_url, json={"decision": "approved", "reason": "Fine."}).raise_for_status()

    tab = open_tab(link)

    expect_heading(tab, "Approved")
    outcome = tab.get_by_role("region", name="Approved")
    expect(outcome.get_by_text("Anonymous")).to_be_visible()
    expect(tab.get_by_text("Fine.")).to_be_visible()
    expect(tab.locator("form").get_by_role("button")).to_have_count(0)


def test_of_two_people_one_decides_and_the_other_sees_it_without_script_too(
    ask: Ask, open_tab: OpenTab
) -> None:
    link = ask()
    first, second = open_tab(link), open_tab(link, java_script_enabled=False)

    press(first, "Approve")
    expect_heading(first, "Approved")
    second.get_by_label("Reason").fill("Not on my watch.")
    press(second, "Reject")

    expect(second.get_by_role("alert")).to_contain_text("Your decision was not recorded.")
    expect(second.get_by_role("alert")).to_contain_text("Not on my watch.")
    expect_heading(second, "Approved")
    assert interrupt(link)["status"] == "approved"


def test_page_is_complete_without_javascript(ask: Ask, open_tab: OpenTab) -> None:
    link = ask()
    tab = open_tab(link, java_script_enabled=False)

    # Without a script it would stand still.
    expect(tab.get_by_role("timer")).to_have_count(0)
    json_field(tab).fill('{"amount": 1}')
    press(tab, "Approve")

    expect_heading(tab, "Approved")
    assert interrupt(link)["modifiedParams"] == {"amount": 1}


def test_keyboard_reaches_every_control_in_order(ask: Ask, open_tab: OpenTab) -> None:
    # Without others like it, which it would link to.
    link = ask(agentId="keyboard-agent")
    tab = open_tab(link)

    for name in ("Inbox", "History", "Analytics", "Notifications"):
        tab.keyboard.press("Tab")
        expect(tab.get_by_role("link", name=name)).to_be_focused()
    for name in ("Copy amount", "Copy currency"):
        tab.keyboard.press("Tab")
        expect(tab.get_by_role("button", name=name)).to_be_focused()
    for name in ("Times and digest", "Activity"):
        tab.keyboard.press("Tab")
        expect(tab.locator("summary", has_text=name)).to_be_focused()
    tab.keyboard.press("Tab")
    expect(tab.get_by_label("Reason")).to_be_focused()
    tab.keyboard.type("By keyboard")
    tab.keyboard.press("Tab")
    expect(tab.locator("[name=usualReason]").first).to_be_focused()
    tab.keyboard.press("Tab")
    expect(tab.locator("summary", has_text="Change values")).to_be_focused()
    tab.keyboard.press("Enter")
    tab.keyboard.press("Tab")
    expect(tab.get_by_label("amount", exact=True)).to_be_focused()
    tab.keyboard.press("Tab")
    tab.keyboard.press("Tab")
    expect(tab.locator("summary", has_text="Other changes")).to_be_focused()
    tab.keyboard.press("Tab")
    expect(tab.get_by_role("button", name="Approve")).to_be_focused()
    tab.keyboard.press("Tab")
    expect(tab.get_by_role("button", name="Reject")).to_be_focused()
    tab.keyboard.press("Enter")

    expect_heading(tab, "Rejected")
    assert interrupt(link)["reason"] == "By keyboard"


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
@pytest.mark.parametrize("referrer", ["no-referrer", "unsafe-url"])
def test_page_of_another_origin_cannot_decide(
    ask: Ask, open_tab: OpenTab, hostile_site: Callable[[str], int], host: str, referrer: str
) -> None:
    link = ask()
    port = hostile_site(
        f'<meta name="referrer" content="{referrer}"><form method="post" action="{link}">'
        '<button name="decision" value="approved">Win a prize</button></form>'
    )
    tab = open_tab(f"http://{host}:{port}/")

    press(tab, "Win a prize")

    expect_heading(tab, "Nothing was recorded")
    assert interrupt(link) == {"status": "pending"}


def test_page_of_another_origin_cannot_frame_the_review(
    ask: Ask, browser: Browser, hostile_site: Callable[[str], int]
) -> None:
    port = hostile_site(f'<iframe src="{ask()}"></iframe>')
    tab = browser.new_page()

    tab.goto(f"http://127.0.0.1:{port}/")

    [_, frame] = tab.frames
    assert frame.url == "chrome-error://chromewebdata/"
    tab.close()
