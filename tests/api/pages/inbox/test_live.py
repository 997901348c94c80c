"""The open inbox: it says what has changed, and nothing in it moves by itself."""

from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.api.pages.review.test_live import HIDE, Ask, OpenTab, cancel, decide
from tests.support import START_TIMEOUT_S, ServedAPI, web
from tests.support.lists import Row


def test_first_request_appears_by_itself_and_the_next_wait_for_the_reviewer(
    ask_user: Ask, open_inbox: OpenTab
) -> None:
    tab = open_inbox()
    expect(tab).to_have_title("Inbox · LoopIn")
    expect(tab.get_by_text("Nothing found", exact=True)).to_have_count(1)

    ask_user("Pay the first")
    expect(tab).to_have_title("(1) Inbox · LoopIn")
    expect(tab.locator("#rows .action")).to_have_text(["Pay the first"])
    ask_user("Pay at once", urgency="high")
    ask_user("Pay later", urgency="low")

    expect(tab).to_have_title("(3) Inbox · LoopIn")
    expect(tab.locator("#news")).to_have_text("3 found")
    expect(tab.locator("#rows .action")).to_have_text(["Pay the first"])
    tab.get_by_role("button", name="2 new").click()
    actions = ["Pay at once", "Pay the first", "Pay later"]
    expect(tab.locator("#rows .action")).to_have_text(actions)
    expect(tab.locator("#newer")).to_be_hidden()
    expect(tab.get_by_role("heading", name="Inbox")).to_be_focused()


# How far things moved without the reviewer's doing, as browsers count it. What a clock beside it
# moves as its number grows, such as "9 seconds ago", does not count.
MOVED = """() => new Promise((resolve) => {
  let sum = 0;
  const CLOCKS = ":has(> [data-moment]), .line";
  const isClock = ({ node }) =>
    !node || Boolean((node.closest ? node : node.parentElement)?.closest(CLOCKS));
  new PerformanceObserver((list) => {
    for (const shift of list.getEntries()) if (!shift.sources.every(isClock)) sum += shift.value;
  }).observe({ type: "layout-shift", buffered: true });
  setTimeout(() => resolve(sum), 100);
})"""


@pytest.mark.parametrize(
    "viewport", [{"width": 390, "height": 844}, {"width": 1280, "height": 800}]
)
def test_nothing_moves_while_fifty_requests_come_and_some_go(
    ask_user: Ask, open_inbox: OpenTab, viewport: dict[str, int]
) -> None:
    links = [ask_user(f"Pay {number}", context={"amount": number}) for number in range(3)]
    decide(links[2])
    tab = open_inbox(viewport=viewport)
    before = tab.evaluate(MOVED)

    for number in range(50):
        ask_user(f"Pay at once {number}", urgency="high")
        if number == 25:
            cancel(links[0])
    expect(tab.get_by_role("button", name="50 new")).to_be_visible()
    expect(Row(tab, "Pay 0").link).to_contain_text("Cancelled")

    assert tab.evaluate(MOVED) == before
    assert before < 0.01


@pytest.mark.parametrize("state", ["Approved", "Rejected", "Cancelled"])
def test_request_settled_elsewhere_stays_in_its_place_with_its_outcome(
    ask_user: Ask, open_inbox: OpenTab, state: str
) -> None:
    link = ask_user("Pay the first")
    ask_user("Pay the second")
    tab = open_inbox()
    first, second = Row(tab, "Pay the first"), Row(tab, "Pay the second")
    place = second.whole.bounding_box()

    cancel(link) if state == "Cancelled" else decide(link, decision=state.lower())

    expect(first.link).to_contain_text(state)
    expect(first.box).to_have_count(0)
    expect(tab).to_have_title("(1) Inbox · LoopIn")
    assert second.whole.bounding_box() == place
    tab.get_by_role("button", name="Tidy up").click()
    expect(tab.locator("#rows .action")).to_have_text(["Pay the second"])
    expect(tab.locator("#recent .action")).to_have_text(["Pay the first"])
    expect(tab.locator("#tidy")).to_be_hidden()


def test_inbox_keeps_count_of_what_comes_and_goes_while_it_is_hidden_or_shown(
    ask_user: Ask, open_inbox: OpenTab
) -> None:
    tab = open_inbox(viewport={"width": 800, "height": 900})
    links = [ask_user("Pay 0")]
    expect(tab.locator("#rows .action")).to_have_text(["Pay 0"])
    links.append(ask_user("Pay 1", urgency="high"))
    tab.get_by_role("button", name="1 new").wait_for()
    links.append(ask_user("Pay 2", urgency="high"))
    tab.get_by_role("button", name="2 new").wait_for()
    cancel(links[1])
    tab.get_by_role("button", name="1 new").wait_for()
    decide(links[0])
    expect(Row(tab, "Pay 0").link).to_contain_text("Approved")

    tab.evaluate(HIDE, True)
    ask_user("Pay 3")

    expect(tab.locator("#rows .action")).to_have_text(["Pay 2", "Pay 3"])
    expect(tab.locator("#recent .action")).to_have_text(["Pay 0", "Pay 1"])


def test_list_that_cannot_be_loaded_says_so_until_it_can(
    ask_user: Ask, open_inbox: OpenTab
) -> None:
    tab = open_inbox()
    tab.route("**/?user=*", lambda route: route.fulfill(status=503, body="<p>A proxy</p>"))
    ask_user("Pay the first")

    stale = "This list may be out of date. LoopIn cannot load it right now."
    expect(tab.locator("#message")).to_have_text(stale)
    tab.unroute("**/?user=*")
    ask_user("Pay the second")
    expect(tab.locator("#message")).to_have_text("")
    expect(tab.locator("#rows .action")).to_have_text(["Pay the first", "Pay the second"])


def test_list_says_that_it_may_be_old_while_the_api_is_gone_and_recovers(
    open_tab: OpenTab, tmp_path: Path, free_port: int
) -> None:
    port = {"PORT": str(free_port)}
    api = ServedAPI(tmp_path, port)
    tab = open_tab(api.url)
    expect(tab.get_by_text("No requests yet")).to_be_visible()

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
