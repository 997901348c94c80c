"""Deciding on the review page: what is asked once more, and what is kept when something fails."""

from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, Route, expect

from tests.support import ServedAPI, web
from tests.support.questions import NEW
from tests.support.tabs import press

Ask = Callable[..., str]
OpenTab = Callable[..., Page]

ASKED = "Press it again to decide."
KEPT = "What you typed is kept."


def status_of(link: str) -> str:
    return str(web.get(link.replace("/review/", "/interrupts/")).json()["status"])


@pytest.mark.parametrize("script", [True, False])
@pytest.mark.parametrize(("button", "outcome"), [("Approve", "approved"), ("Reject", "rejected")])
def test_high_urgency_is_asked_once_more_at_the_same_place(
    ask: Ask, open_tab: OpenTab, button: str, outcome: str, *, script: bool
) -> None:
    link = ask(urgency="high")
    tab = open_tab(link, java_script_enabled=script)
    place = tab.get_by_role("button", name=button).bounding_box()

    press(tab, button)

    expect(tab.get_by_text(ASKED)).to_be_visible()
    assert status_of(link) == "pending"
    assert tab.get_by_role("button", name=button).bounding_box() == place
    press(tab, button)
    expect(tab.get_by_role("heading", level=1, name=outcome.capitalize())).to_be_visible()
    assert status_of(link) == outcome


def test_double_click_is_not_asked_and_answered_at_once(ask: Ask, open_tab: OpenTab) -> None:
    link = ask(urgency="high")
    tab = open_tab(link)

    tab.get_by_role("button", name="Approve").dblclick()

    expect(tab.get_by_text(ASKED)).to_be_visible()
    assert status_of(link) == "pending"


def test_other_button_is_asked_for_itself(ask: Ask, open_tab: OpenTab) -> None:
    link = ask(urgency="high")
    tab = open_tab(link)

    press(tab, "Approve")
    press(tab, "Reject")

    expect(tab.locator("[data-asked]")).to_have_text("Reject")
    assert status_of(link) == "pending"


def test_changed_value_is_asked_about_again(ask: Ask, open_tab: OpenTab) -> None:
    link = ask(urgency="high", context={"amount": 4200})
    tab = open_tab(link)
    tab.get_by_text("Change values").click()

    press(tab, "Approve")
    expect(tab.get_by_text(ASKED)).to_be_visible()
    tab.get_by_label("amount", exact=True).fill("60")
    expect(tab.get_by_text(ASKED)).to_have_count(0)
    press(tab, "Approve with 1 change")
    expect(tab.get_by_text(ASKED)).to_be_visible()
    assert status_of(link) == "pending"

    tab.get_by_label("Reason").fill("Only sixty.")
    press(tab, "Approve with 1 change")
    expect(tab.get_by_role("heading", level=1, name="Approved")).to_be_visible()


def test_keys_decide_after_they_asked(ask: Ask, open_tab: OpenTab) -> None:
    link = ask()
    tab = open_tab(link)
    asked = tab.get_by_text("Ctrl+Enter decides, Esc goes back.")

    tab.keyboard.press("Control+Enter")
    expect(asked).to_be_visible()
    tab.keyboard.press("Escape")
    expect(asked).to_have_count(0)
    tab.get_by_label("Reason").press("Control+Enter")
    assert status_of(link) == "pending"
    expect(tab.locator(".keys")).to_be_visible()
    tab.keyboard.press("Control+Enter")

    expect(tab.get_by_role("heading", level=1, name="Approved")).to_be_visible()
    expect(tab.locator(".keys")).to_be_hidden()
    assert status_of(link) == "approved"


def test_outcome_leads_to_the_next_request_until_none_waits(
    tmp_path: Path, open_tab: OpenTab
) -> None:
    api = ServedAPI(tmp_path, {})
    links = [web.post(f"{api.url}/interrupts", json=NEW).json()["reviewUrl"] for _ in range(2)]
    tab = open_tab(links[1])

    press(tab, "Approve")
    tab.get_by_role("link", name="Next (1 waiting)").click()
    expect(tab).to_have_url(links[0])
    press(tab, "Reject")

    expect(tab.get_by_role("link", name="Nothing else is waiting: open the inbox")).to_be_visible()
    assert [status_of(link) for link in links] == ["rejected", "approved"]
    api.stop()


def test_nothing_typed_is_lost_while_the_server_is_away(
    tmp_path: Path, open_tab: OpenTab, free_port: int
) -> None:
    environment = {"PORT": str(free_port)}
    api = ServedAPI(tmp_path, environment)
    link = web.post(f"{api.url}/interrupts", json=NEW).json()["reviewUrl"]
    tab = open_tab(link)
    tab.get_by_label("Reason").fill("Ask the vendor first.")
    api.stop()

    press(tab, "Reject")

    alert = tab.get_by_role("alert")
    expect(alert).to_contain_text(KEPT)
    expect(tab.get_by_label("Reason")).to_have_value("Ask the vendor first.")
    api = ServedAPI(tmp_path, environment)
    assert status_of(link) == "pending"
    tab.reload()
    expect(tab.get_by_label("Reason")).to_have_value("Ask the vendor first.")
    press(tab, "Reject")
    expect(tab.get_by_role("heading", level=1, name="Rejected")).to_be_visible()
    rejected = web.get(link.replace("/review/", "/interrupts/")).json()
    assert rejected["reason"] == "Ask the vendor first."
    api.stop()


@pytest.mark.parametrize("sent_again", [True, False])
def test_own_decision_whose_answer_was_lost_is_not_called_unrecorded(
    ask: Ask, open_tab: OpenTab, *, sent_again: bool
) -> None:
    link = ask()
    tab = open_tab(link)
    tab.get_by_label("Reason").fill("Ask the vendor first.")

    sent: list[Route] = []

    def lose(route: Route) -> None:
        is_sent = route.request.method == "POST"
        if is_sent and not sent:
            route.fetch(max_redirects=0)
        if is_sent:
            sent.append(route)
        # The page must not learn the outcome in another way.
        is_lost = len(sent) == 1 if is_sent else sent_again
        route.abort() if is_lost else route.continue_()

    tab.route(link, lose)
    press(tab, "Reject")
    if sent_again:
        expect(tab.get_by_role("alert")).to_contain_text(KEPT)
        press(tab, "Reject")

    expect(tab.get_by_role("heading", level=1, name="Rejected")).to_be_visible()
    expect(tab.locator(".notices")).to_contain_text("this may be your decision")
    expect(tab.locator(".notices dd")).to_have_text(["Ask the vendor first."])
    assert "not recorded" not in tab.locator("main").inner_text()
    assert status_of(link) == "rejected"


def test_draft_goes_with_the_decision(ask: Ask, open_tab: OpenTab) -> None:
    tab = open_tab(ask())
    tab.get_by_label("Reason").fill("Fine")
    assert tab.evaluate("sessionStorage.length") == 1

    press(tab, "Approve")

    expect(tab.get_by_role("heading", level=1, name="Approved")).to_be_visible()
    assert tab.evaluate("sessionStorage.length") == 0
