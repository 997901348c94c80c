"""The open inbox: changes appear by themselves, and input stays."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.api.pages.inbox.test_keys import press
from tests.api.pages.review.test_live import HIDE, Ask, OpenTab, cancel, decide
from tests.support import START_TIMEOUT_S, ServedAPI, web
from tests.support.lists import Row, read


def test_new_request_appears_by_itself_and_counts_in_the_title(
    ask_user: Ask, open_inbox: OpenTab
) -> None:
    tab = open_inbox()
    expect(tab).to_have_title("Inbox · LoopIn")
    expect(tab.get_by_text("Nothing found")).to_have_count(2)

    ask_user("Pay the first")
    expect(tab).to_have_title("(1) Inbox · LoopIn")
    ask_user("Pay at once", urgency="high")

    expect(tab).to_have_title("(2) Inbox · LoopIn")
    expect(tab.locator(".row .action")).to_have_text(["Pay at once", "Pay the first"])
    expect(tab.locator("#summary")).to_have_text("2 found")
    expect(tab.locator("#news")).to_have_text("2 found")
    expect(tab.get_by_text("Nothing found", exact=True)).to_have_count(0)


def test_what_the_human_does_stays_as_it_is_while_the_list_changes(
    ask_user: Ask, open_inbox: OpenTab
) -> None:
    ask_user("Pay the first")
    tab = open_inbox()
    first = Row(tab, "Pay the first")
    first.summary.click()
    first.reason.fill("Half a senten")

    ask_user("Pay at once", urgency="high")
    expect(tab).to_have_title("(2) Inbox · LoopIn")
    tab.keyboard.type("ce")

    expect(first.reason).to_have_value("Half a sentence")
    expect(first.reason).to_be_focused()


@pytest.mark.parametrize("state", ["Approved", "Rejected", "Cancelled"])
def test_request_settled_elsewhere_stays_in_its_place_with_its_outcome(
    ask_user: Ask, open_inbox: OpenTab, state: str
) -> None:
    link = ask_user("Pay the first")
    other = ask_user("Pay the second")
    tab = open_inbox()
    first, second = Row(tab, "Pay the first"), Row(tab, "Pay the second")
    first.summary.focus()
    place = second.whole.bounding_box()

    cancel(link) if state == "Cancelled" else decide(link, decision=state.lower())

    expect(first.summary).to_contain_text(state)
    expect(tab).to_have_title("(1) Inbox · LoopIn")
    expect(tab.locator(".settled .what .action")).to_have_text(["Pay the first"])
    expect(first.summary).to_be_focused()
    assert second.whole.bounding_box() == place
    press(tab, "a", "Control+Enter")
    expect(tab.get_by_role("dialog")).to_be_hidden()
    assert read(other)["status"] == "pending"


def test_settled_requests_go_when_the_reviewer_tidies_up(
    ask_user: Ask, open_inbox: OpenTab
) -> None:
    link = ask_user()
    tab = open_inbox()
    Row(tab, "Pay").summary.focus()
    cancel(link)
    expect(Row(tab, "Pay").summary).to_contain_text("Cancelled")

    tab.get_by_role("button", name="Tidy up").click()

    empty = "Nothing found Try fewer words, or clear the filters."
    expect(tab.locator("#rest")).to_have_text(empty)
    expect(tab.locator(".row")).to_have_count(0)
    expect(tab.get_by_role("heading", name="Inbox")).to_be_focused()
    expect(tab.locator("#tidy")).to_be_hidden()


def test_settled_requests_go_while_another_tab_is_in_front_unless_they_are_in_use(
    ask_user: Ask, open_inbox: OpenTab
) -> None:
    links = [ask_user(f"Pay {number}") for number in range(3)]
    tab = open_inbox()
    Row(tab, "Pay 1").summary.click()
    decide(links[0])
    decide(links[1])
    for number in range(2):
        expect(Row(tab, f"Pay {number}").summary).to_contain_text("Approved")

    tab.evaluate(HIDE, True)
    decide(links[2])

    expect(tab.locator(".row .action")).to_have_text(["Pay 1", "Pay 2"])


def test_request_that_is_being_read_stays_and_says_how_it_ended(
    ask_user: Ask, open_inbox: OpenTab
) -> None:
    link = ask_user("Pay the first")
    tab = open_inbox()
    first = Row(tab, "Pay the first")
    first.summary.click()
    first.reason.fill("My thoughts")

    decide(link)

    expect(first.whole.locator(".notice")).to_have_text(
        "It was approved. Decided by: Anonymous, via the API. Your input was not recorded."
    )
    expect(first.reason).to_have_value("My thoughts")
    expect(first.whole.get_by_role("button", name="Approve")).to_be_hidden()
    first.summary.click()
    expect(first.summary).to_contain_text("Approved")


@pytest.mark.parametrize("use", ["open", "focus", "hover", "type"])
def test_new_request_waits_for_the_reviewer_if_it_would_push_what_they_use(
    ask_user: Ask, open_inbox: OpenTab, use: str
) -> None:
    ask_user("Pay the first")
    tab = open_inbox()
    first = Row(tab, "Pay the first")
    if use == "focus":
        first.summary.focus()
    elif use == "hover":
        first.summary.hover()
    else:
        first.summary.click()
        tab.mouse.move(0, 0)
    if use == "type":
        first.reason.fill("Half a sentence")
        first.summary.click()
        tab.mouse.move(0, 0)
        tab.locator("#search").focus()
    place = first.whole.bounding_box()

    ask_user("Pay at once", urgency="high")
    ask_user("Pay later", urgency="low")

    expect(tab.locator("#news")).to_have_text("3 found")
    expect(tab.locator(".row .action")).to_have_text(["Pay the first", "Pay later"])
    assert first.whole.bounding_box() == place
    tab.get_by_role("button", name="Show 1 new").click()
    actions = ["Pay at once", "Pay the first", "Pay later"]
    expect(tab.locator(".row .action")).to_have_text(actions)


def test_nothing_decides_for_half_a_second_after_rows_have_moved(
    ask_user: Ask, open_inbox: OpenTab
) -> None:
    ask_user("Pay the first")
    tab = open_inbox()
    first = Row(tab, "Pay the first")
    first.summary.click()
    ask_user("Pay at once", urgency="high")
    tab.clock.install()
    approve = first.whole.get_by_role("button", name="Approve")
    approve.focus()
    tab.get_by_role("button", name="Show 1 new").wait_for()
    tab.clock.pause_at(datetime.now(UTC) + timedelta(hours=1))

    tab.get_by_role("button", name="Show 1 new").click()

    expect(Row(tab, "Pay at once").whole).to_have_count(1)
    tab.clock.run_for(499)
    expect(approve).to_be_disabled()
    tab.clock.run_for(1)
    expect(approve).to_be_enabled()


def test_double_click_decides_one_request(ask_user: Ask, open_inbox: OpenTab) -> None:
    ask_user("Pay the first")
    link = ask_user("Pay the second")
    tab = open_inbox()
    for action in ("Pay the first", "Pay the second"):
        Row(tab, action).summary.click()
    approve = Row(tab, "Pay the first").whole.get_by_role("button", name="Approve")
    box = approve.bounding_box()
    assert box

    tab.mouse.dblclick(box["x"] + 9, box["y"] + 9)

    expect(Row(tab, "Pay the first").whole.locator(".notice")).to_be_visible()
    expect(tab.locator("#outcome")).to_have_text("Approved: Pay the first View")
    tab.mouse.dblclick(box["x"] + 9, box["y"] + 9)
    assert read(link)["status"] == "pending"


def test_request_that_slips_to_the_next_part_stays_where_it_is_read(
    ask_user: Ask, open_inbox: OpenTab
) -> None:
    for number in range(50):
        ask_user(f"Pay {number}", urgency="low")
    tab = open_inbox()
    last = Row(tab, "Pay 49")
    last.summary.click()

    ask_user("Pay at once", urgency="high")

    expect(tab).to_have_title("(51) Inbox · LoopIn")
    expect(last.whole.get_by_role("button", name="Approve")).to_be_visible()
    expect(tab.get_by_role("link", name="Next")).to_be_visible()


def test_deciding_happens_in_place_and_leaves_what_was_typed_elsewhere(
    ask_user: Ask, open_inbox: OpenTab
) -> None:
    link = ask_user("Pay the first")
    ask_user("Pay the second")
    tab = open_inbox()
    first, second = Row(tab, "Pay the first"), Row(tab, "Pay the second")
    second.summary.click()
    second.reason.fill("Not yet")
    first.summary.click()
    first.reason.fill("Fine")
    first.modified.fill('{"amount": 1}')

    first.press("Approve")

    expect(tab.locator("#outcome")).to_have_text("Approved: Pay the first View")
    expect(first.summary).to_contain_text("Approved")
    expect(first.summary).to_be_focused()
    expect(second.reason).to_have_value("Not yet")
    expect(tab).to_have_title("(1) Inbox · LoopIn")
    told = read(link)
    assert (told["status"], told["reason"], told["modifiedParams"]) == (
        "approved",
        "Fine",
        {"amount": 1},
    )


def test_decision_that_is_refused_is_shown_as_a_page_with_what_was_typed(
    ask_user: Ask, open_inbox: OpenTab
) -> None:
    link = ask_user()
    tab = open_inbox()
    only = Row(tab, "Pay")
    only.summary.click()
    only.reason.fill("Because")
    only.modified.fill("{")

    only.press("Reject")
    expect(tab.get_by_text("Nothing was recorded yet.")).to_be_visible()
    expect(tab.get_by_label("Reason")).to_have_value("Because")
    tab.get_by_label("Modified parameters").fill("")
    tab.get_by_role("button", name="Reject").click()

    expect(tab.locator("#outcome")).to_have_text("Rejected: Pay View")
    assert read(link)["reason"] == "Because"


def test_decision_that_may_not_have_arrived_is_told_and_can_be_made_again(
    ask_user: Ask, open_inbox: OpenTab
) -> None:
    ask_user()
    tab = open_inbox()
    only = Row(tab, "Pay")
    only.summary.click()
    only.reason.fill("Fine")
    tab.route("**/inbox/*", lambda route: route.abort())

    only.press("Approve")
    expect(tab.locator("#outcome")).to_have_text(
        "We could not confirm your decision. Check the request before trying again. View"
    )
    expect(only.reason).to_have_value("Fine")
    tab.unroute("**/inbox/*")
    only.press("Approve")

    expect(tab.locator("#outcome")).to_have_text("Approved: Pay View")


def test_double_click_decides_once(ask_user: Ask, open_inbox: OpenTab) -> None:
    link = ask_user()
    tab = open_inbox()
    sent = []
    tab.on("request", lambda request: sent.append(request.method))
    only = Row(tab, "Pay")
    only.summary.click()

    only.whole.get_by_role("button", name="Reject").dblclick()

    expect(tab.locator("#outcome")).to_have_text("Rejected: Pay View")
    assert sent.count("POST") == 1
    assert read(link)["status"] == "rejected"


def test_list_says_that_it_may_be_old_while_the_api_is_gone_and_recovers(
    open_tab: OpenTab, tmp_path: Path, free_port: int
) -> None:
    port = {"PORT": str(free_port)}
    api = ServedAPI(tmp_path, port)
    tab = open_tab(api.url)
    expect(tab.get_by_text("You're all caught up")).to_be_visible()

    api.stop()
    lost = tab.get_by_text("Connection lost. This list may be out of date. Reconnecting…")
    expect(lost).to_be_visible()
    api = ServedAPI(tmp_path, port)
    web.post(
        f"{api.url}/interrupts",
        json={"agentId": "a", "userId": "u", "action": "Pay", "context": {}},
    ).raise_for_status()

    # The page tries again every ten seconds.
    expect(tab).to_have_title("(1) Inbox · LoopIn", timeout=START_TIMEOUT_S * 1000)
    expect(lost).to_be_hidden()
    api.stop()


def test_tab_behind_another_one_rests_and_looks_again_when_it_is_shown(
    ask_user: Ask, open_inbox: OpenTab
) -> None:
    behind = open_inbox()
    before = behind.context.new_page()
    with behind.expect_response("**/inbox/events"):
        behind.evaluate(HIDE, True)
    with behind.expect_event("requestfailed", lambda request: "/events" in request.url):
        before.goto(behind.url)

    ask_user()
    expect(before).to_have_title("(1) Inbox · LoopIn")
    assert behind.title() == "Inbox · LoopIn"
    behind.evaluate(HIDE, False)

    expect(behind).to_have_title("(1) Inbox · LoopIn")


COUNT_STREAMS = """
  const count = name => {
    const counts = document.documentElement.dataset;
    counts[name] = Number(counts[name] ?? 0) + 1;
  };
  window.EventSource = class extends EventSource {
    constructor(url) {
      super(url);
      count("opened");
      this.addEventListener("error", () => count("ended"));
    }
  };
"""


def test_inbox_whose_stream_ends_at_once_asks_less_and_less_often(
    user: str, served: str, open_tab: OpenTab
) -> None:
    tab = open_tab("about:blank")
    tab.clock.install(time="2001-02-03T04:05:06Z")
    tab.clock.pause_at("2001-02-03T04:05:07Z")
    tab.add_init_script(COUNT_STREAMS)
    told = "event: beat\ndata:\n\nevent: changed\ndata:\n\n"
    events = {"content_type": "text/event-stream", "body": told}
    tab.route("**/inbox/events", lambda route: route.fulfill(**events))
    tab.goto(f"{served}/?user={user}")
    page = tab.locator("html")

    for streams, wait_ms in enumerate([500, 1000, 2000, 4000, 8000, 10_000, 10_000], start=1):
        expect(page).to_have_attribute("data-ended", str(streams))
        tab.clock.run_for(wait_ms - 1)
        expect(page).to_have_attribute("data-opened", str(streams))
        tab.clock.run_for(1)
        expect(page).to_have_attribute("data-opened", str(streams + 1))
