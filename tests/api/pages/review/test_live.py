"""The open review page: its countdown, and decisions by others."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.support import PATIENCE_S, ServedAPI, web
from tests.support.changing import json_field
from tests.support.questions import NEW

Ask = Callable[..., str]
OpenTab = Callable[..., Page]

NOTICE = "This request was settled while you had it open."
LOST = "Connection lost. Reconnecting…"
EXPIRE_S = (3, 10, 30)
HIDE = """hidden => {
  Object.defineProperty(document, "hidden", { value: hidden, configurable: true });
  document.dispatchEvent(new Event("visibilitychange"));
}"""


def interrupts(link: str) -> str:
    return link.replace("/review/", "/interrupts/")


def decide(link: str, **decision: object) -> None:
    decision = {"decision": "approved"} | decision
    web.post(f"{interrupts(link)}/decide", json=decision).raise_for_status()


def cancel(link: str) -> None:
    web.delete(interrupts(link)).raise_for_status()


def open_with_clock(open_tab: OpenTab, link: str, **options: object) -> Page:
    """Open a page whose clock is years slow and stands still until the test moves it."""
    tab = open_tab("about:blank", **options)
    tab.clock.install(time="2001-02-03T04:05:06Z")
    tab.clock.pause_at("2001-02-03T04:05:07Z")
    with tab.expect_response(re.compile("/events$")):
        tab.goto(link)
    return tab


def seconds_left(text: str) -> int:
    found = re.fullmatch(r"(\d+) min (\d+) s left", text)
    assert found, text
    return 60 * int(found[1]) + int(found[2])


def test_countdown_ticks_by_the_clock_of_the_api(ask: Ask, open_tab: OpenTab) -> None:
    tab = open_with_clock(open_tab, ask(expiresIn=3000))
    timers = tab.get_by_role("timer")
    first = timers.first.inner_text()

    tab.clock.run_for(5000)

    assert 1000 <= seconds_left(first) <= 3000
    left = seconds_left(first) - 5
    expect(timers).to_have_text(f"{left // 60} min {left % 60} s left")


@pytest.mark.parametrize(
    ("seconds", "shown"), [(2_592_000, "29 d 23 h left"), (7200, "1 h 59 min left")]
)
def test_long_time_is_counted_in_larger_units(
    ask: Ask, open_tab: OpenTab, seconds: int, shown: str
) -> None:
    tab = open_tab(ask(expiresIn=seconds))

    expect(tab.get_by_role("timer").first).to_have_text(shown)


def test_last_minute_is_urgent_and_announced_once(ask: Ask, open_tab: OpenTab) -> None:
    tab = open_with_clock(open_tab, ask(expiresIn=100))
    announced = tab.get_by_role("status").filter(has_text="Less than a minute left to decide.")
    badge = tab.get_by_role("timer").first
    expect(announced).to_have_count(0)
    expect(badge).not_to_have_class(re.compile("urgent"))

    tab.clock.run_for(41_000)

    expect(announced).to_have_count(1)
    expect(badge).to_have_class(re.compile("urgent"))
    expect(badge).not_to_have_attribute("aria-live", re.compile("."))


@pytest.mark.parametrize(("motion", "animations"), [("no-preference", 1), ("reduce", 0)])
def test_urgent_countdown_is_calm_for_those_who_want_it(
    ask: Ask, open_tab: OpenTab, motion: str, animations: int
) -> None:
    tab = open_tab(ask(expiresIn=60), reduced_motion=motion)

    expect(tab.get_by_role("timer").first).to_have_class(re.compile("urgent"))
    assert tab.evaluate("document.getAnimations().length") == animations


def test_times_are_the_readers_with_utc_in_reach(ask: Ask, open_tab: OpenTab) -> None:
    link = ask()
    utc = open_tab(link, java_script_enabled=False).locator("time").first.text_content()
    time = open_tab(link, timezone_id="Asia/Kathmandu").locator("time").first

    expect(time).to_have_text(re.compile(r"^\d+ \w+ 20\d\d, \d\d:\d\d:\d\d GMT\+5:45$"))
    assert utc is not None
    assert utc.endswith(" UTC")
    expect(time).to_have_attribute("title", utc)


def test_distances_in_time_go_on_while_the_page_is_open(ask: Ask, open_tab: OpenTab) -> None:
    tab = open_with_clock(open_tab, ask(expiresIn=7230))

    tab.clock.run_for(600_000)

    expect(tab.get_by_text("10 minutes ago").first).to_be_visible()
    expect(tab.get_by_text("in 110 minutes")).to_be_visible()


@pytest.mark.parametrize(
    ("settle", "heading", "outcome"),
    [
        (
            decide,
            "Approved",
            "It was approved. Decided by: Anonymous, via the API.",
        ),
        (cancel, "Cancelled", "It was cancelled before anyone decided."),
    ],
)
def test_page_says_at_once_what_others_did_and_keeps_what_was_typed(
    ask: Ask, open_tab: OpenTab, settle: Callable[[str], None], heading: str, outcome: str
) -> None:
    link = ask()
    tab = open_tab(link)
    tab.get_by_label("Reason").fill("Only <b>half</b>.\n\nThen ask again.")
    json_field(tab).fill('{"amount": ')
    tab.get_by_role("textbox", name="currency").fill("EUR")
    tab.get_by_role("button", name="Approve").focus()
    tab.evaluate("window.loadedOnce = true")

    settle(link)

    alert = tab.get_by_role("alert")
    expect(alert).to_contain_text(f"{NOTICE} {outcome} Your input was not recorded.")
    expect(alert.locator("dd")).to_have_text(
        ["Only <b>half</b>.\n\nThen ask again.", "EUR", '{"amount": '], use_inner_text=True
    )
    expect(tab.get_by_role("heading", level=1, name=heading)).to_be_focused()
    expect(tab).to_have_title(re.compile(f"^Transfer .* · {heading} · LoopIn$"))
    expect(tab.locator("form").get_by_role("button")).to_have_count(0)
    assert tab.evaluate("[scrollY, window.loadedOnce]") == [0, True]


def open_until_it_expires(ask: Ask, open_tab: OpenTab) -> Page:
    """Open a page in time to be open when it expires, however slow the machine is."""
    for seconds in EXPIRE_S:
        tab = open_tab(ask(expiresIn=seconds))
        # By now it may have expired while it was open.
        if tab.get_by_role("button", name="Approve").or_(tab.get_by_role("alert")).count():
            return tab
    pytest.fail("No page was opened before it expired")


def test_page_says_that_it_expired_at_its_moment(ask: Ask, open_tab: OpenTab) -> None:
    tab = open_until_it_expires(ask, open_tab)

    expired = tab.get_by_role("heading", level=1, name="Expired")
    expect(expired).to_be_visible(timeout=(EXPIRE_S[-1] + PATIENCE_S) * 1000)
    expect(tab.locator("form").get_by_role("button")).to_have_count(0)
    expect(tab.get_by_role("alert")).to_have_text(
        f"{NOTICE} It expired before anyone decided.", use_inner_text=True
    )


def test_own_decision_is_not_shown_as_that_of_others(ask: Ask, open_tab: OpenTab) -> None:
    tab = open_tab(ask())

    tab.get_by_role("button", name="Approve").click()

    expect(tab.get_by_role("heading", level=1, name="Approved")).to_be_visible()
    expect(tab.get_by_role("alert")).to_have_count(0)


@pytest.mark.parametrize(("button", "outcome"), [("Approve", "Approved"), ("Reject", "Rejected")])
def test_double_click_decides_once_and_leads_to_the_outcome(
    ask: Ask, open_tab: OpenTab, button: str, outcome: str
) -> None:
    tab = open_tab(ask())
    sent: list[str] = []
    tab.on("request", lambda request: sent.append(request.method))

    tab.get_by_role("button", name=button).dblclick()

    expect(tab.get_by_role("heading", level=1, name=outcome)).to_be_visible()
    expect(tab.get_by_role("alert")).to_have_count(0)
    assert sent.count("POST") == 1


def test_hidden_page_has_no_stream_and_looks_again_when_it_is_shown(
    ask: Ask, open_tab: OpenTab
) -> None:
    link = ask()
    tab = open_tab("about:blank")
    with tab.expect_response(re.compile("/events$")) as stream:
        tab.goto(link)

    with tab.expect_event("requestfailed") as closed:
        tab.evaluate(HIDE, arg=True)
    decide(link)
    expect(tab.get_by_role("button", name="Approve")).to_be_visible()
    tab.evaluate(HIDE, arg=False)

    assert closed.value == stream.value.request
    expect(tab.get_by_role("heading", level=1, name="Approved")).to_be_visible()
    expect(tab.get_by_role("alert")).to_contain_text(NOTICE)


def test_lost_connection_is_said_quietly_and_recovers(
    tmp_path: Path, open_tab: OpenTab, free_port: int
) -> None:
    environment = {"PORT": str(free_port)}
    api = ServedAPI(tmp_path, environment)
    link = web.post(f"{api.url}/interrupts", json=NEW).json()["reviewUrl"]
    tab = open_with_clock(open_tab, link)
    connection = tab.get_by_role("status").filter(has_text=LOST)

    api.stop()
    with tab.expect_event("requestfailed"):
        tab.clock.run_for(1000)
    expect(connection).to_be_visible()
    api = ServedAPI(tmp_path, environment)
    tab.clock.run_for(10_000)
    expect(connection).to_have_count(0)
    decide(link)

    expect(tab.get_by_role("heading", level=1, name="Approved")).to_be_visible()
    expect(tab.get_by_role("alert")).to_contain_text(NOTICE)
    api.stop()


def test_connection_that_died_in_silence_is_opened_anew(ask: Ask, open_tab: OpenTab) -> None:
    link = ask()
    tab = open_with_clock(open_tab, link)

    with tab.expect_response(re.compile("/events$")):
        tab.clock.run_for(41_000)
    decide(link)

    expect(tab.get_by_role("heading", level=1, name="Approved")).to_be_visible()


def test_page_that_a_click_led_to_takes_no_decision_for_half_a_second(
    ask: Ask, open_tab: OpenTab
) -> None:
    link = ask()
    tab = open_tab("about:blank")
    tab.clock.install(time="2001-02-03T04:05:06Z")
    tab.clock.pause_at("2001-02-03T04:05:07Z")
    tab.goto(link.partition("/review/")[0] + "/history")
    approve = tab.get_by_role("button", name="Approve")

    with tab.expect_navigation():
        tab.evaluate("link => { location.href = link; }", link)

    expect(approve).to_be_disabled()
    tab.clock.run_for(499)
    expect(approve).to_be_disabled()
    tab.clock.run_for(1)
    expect(approve).to_be_enabled()


def test_page_that_was_opened_from_elsewhere_takes_a_decision_at_once(
    ask: Ask, open_tab: OpenTab
) -> None:
    tab = open_with_clock(open_tab, ask())

    expect(tab.get_by_role("button", name="Approve")).to_be_enabled()
