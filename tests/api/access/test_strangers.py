"""Other programs on the ports of 127.0.0.1: what they are given decides nothing."""

from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Page, expect

from tests.support import KEY, ServedAPI, web
from tests.support.questions import NEW
from tests.support.strangers import Stranger, relay_to, stranger_on
from tests.support.tabs import sign_in
from tests.support.visitors import ALICES_KEY

OpenTab = Callable[..., Page]
Start = Callable[..., str]
AGENT = {"X-API-Key": KEY}
# Signing out leads to the sign-in page, whether or not there was a session.
REFUSED = {303, 401, 405}
REVIEWERS = {"API_KEY_SECRET": KEY, "REVIEWER_KEYS": f"alice={ALICES_KEY}"}


@pytest.fixture
def running() -> Iterator[list[ServedAPI]]:
    """The APIs that run now; a test stops one by taking it out."""
    apis: list[ServedAPI] = []
    yield apis
    for api in apis:
        api.stop()


@pytest.fixture
def start(tmp_path: Path, free_port: int, running: list[ServedAPI]) -> Start:
    """Start the API on the same data; returns its URL."""

    def start(port: int = free_port, **settings: str) -> str:
        running.append(ServedAPI(tmp_path / "data", {"PORT": str(port), **settings}))
        return running[-1].url

    return start


def ask(url: str, action: str = "Pay") -> str:
    """Create an interrupt; returns its id."""
    new = NEW | {"action": action}
    created = web.post(f"{url}/interrupts", json=new, headers=AGENT).raise_for_status()
    return str(created.json()["interruptId"])


def status_of(url: str, interrupt_id: str) -> str:
    return str(web.get(f"{url}/interrupts/{interrupt_id}", headers=AGENT).json()["status"])


def forms_of(interrupt_id: str) -> tuple[str, ...]:
    return (f"/review/{interrupt_id}", "/inbox/decide", "/", "/sign-out")


def only_asked_for_proofs(stranger: Stranger) -> bool:
    """Whether it got nothing that leads to a session or a request."""
    given = [{"cookie", "referer"} & headers.keys() for _, _, headers in stranger.received]
    return stranger.paths == {"proofs"} and not any(given)


def test_page_on_another_port_that_loads_itself_again_is_given_nothing(
    start: Start, open_tab: OpenTab
) -> None:
    url = start(**REVIEWERS)
    interrupt_id = ask(url)
    tab = open_tab(url)
    sign_in(tab)
    expect(tab.get_by_role("heading", name="Inbox")).to_be_visible()

    with stranger_on(0, '<meta http-equiv="refresh" content="0">Win a prize') as stranger:
        tab.context.new_page().goto(f"http://127.0.0.1:{stranger.port}/")
        stranger.wait_for("/", 5)
        statuses = stranger.replay(url, *forms_of(interrupt_id))

    assert stranger.cookies == []
    assert set(statuses) <= REFUSED
    assert status_of(url, interrupt_id) == "pending"
    tab.reload()
    expect(tab.get_by_role("heading", name="Inbox")).to_be_visible()


def test_open_inbox_gives_a_program_that_took_the_port_nothing(
    start: Start, open_tab: OpenTab, running: list[ServedAPI], free_port: int
) -> None:
    url = start(**REVIEWERS)
    interrupt_id = ask(url)
    tab = open_tab(url)
    sign_in(tab)
    tab.get_by_label("Reason").first.fill("Too much.")

    running.pop().stop()
    with stranger_on(free_port) as stranger:
        stranger.wait_for("/proofs/", 2)
        expect(tab.get_by_text("Connection lost.").first).to_be_visible()
        for action in ("click", "Enter", "form"):
            seen = len(stranger.received)
            if action == "click":
                tab.get_by_role("link", name="History").click()
            elif action == "Enter":
                tab.get_by_role("button", name="Approve", exact=True).click()
            else:
                tab.get_by_role("button", name="Sign out").click()
            stranger.wait_for("/proofs/", seen + 1)
        assert only_asked_for_proofs(stranger), stranger.received
    start(**REVIEWERS)

    # The session ended with the restart, and what was typed is still there.
    expect(tab.locator("#message")).to_contain_text("You are signed out")
    expect(tab.get_by_label("Reason").first).to_have_value("Too much.")
    assert status_of(url, interrupt_id) == "pending"
    with tab.expect_popup() as popup:
        tab.locator("#message").get_by_role("link", name="Sign in again").click()
    sign_in(popup.value)
    expect(popup.value.get_by_role("heading", name="Inbox")).to_be_visible()
    expect(tab.locator("#message")).to_have_text("")
    tab.get_by_role("button", name="Reject", exact=True).click()
    expect(tab.get_by_role("heading", name="Rejected")).to_be_visible()
    assert status_of(url, interrupt_id) == "rejected"


def test_session_that_was_given_away_by_loading_a_page_again_is_worth_nothing(
    start: Start, open_tab: OpenTab, running: list[ServedAPI], free_port: int
) -> None:
    url = start(**REVIEWERS)
    interrupt_id = ask(url)
    tab = open_tab(f"{url}/review/{interrupt_id}")
    sign_in(tab)
    expect(tab.get_by_role("heading", name="Your decision as alice")).to_be_visible()

    running.pop().stop()
    with stranger_on(free_port) as stranger:
        tab.reload()
        expect(tab.get_by_role("heading", name="Taken over")).to_be_visible()
        stranger.wait_for("/kept")
        other = tab.context.new_page()
        other.goto(f"{url}/review/{interrupt_id}")
    assert stranger.cookies != []
    again = start(**REVIEWERS)
    elsewhere = start(0, **REVIEWERS)

    statuses = {*stranger.replay(again, *forms_of(interrupt_id))}
    statuses |= {*stranger.replay(elsewhere, *forms_of(interrupt_id))}
    assert statuses <= REFUSED
    assert status_of(url, interrupt_id) == "pending"


def test_review_link_that_decides_without_reviewers_stays_with_its_page(
    start: Start, open_tab: OpenTab, running: list[ServedAPI], free_port: int
) -> None:
    url = start(API_KEY_SECRET=KEY)
    interrupt_id = ask(url)
    tab = open_tab(f"{url}/review/{interrupt_id}")
    tab.get_by_label("Reason").fill("Too much.")

    running.pop().stop()
    with stranger_on(free_port) as stranger:
        stranger.wait_for("/proofs/")
        tab.get_by_role("button", name="Approve").click()
        stranger.wait_for("/proofs/", 2)
        assert only_asked_for_proofs(stranger), stranger.received
    start(API_KEY_SECRET=KEY)

    expect(tab.locator("#connection")).to_have_text("")
    tab.get_by_role("button", name="Reject").click()
    expect(tab.get_by_role("heading", name="Rejected")).to_be_visible()
    expect(tab.get_by_text("Too much.").first).to_be_visible()


def test_proof_that_is_fetched_from_the_api_at_another_port_proves_nothing(
    start: Start, open_tab: OpenTab, running: list[ServedAPI], free_port: int
) -> None:
    url = start(**REVIEWERS)
    interrupt_id = ask(url)
    tab = open_tab(f"{url}/review/{interrupt_id}")
    sign_in(tab)
    expect(tab.get_by_role("heading", name="Your decision as alice")).to_be_visible()
    moved = start(0, **REVIEWERS)
    running.pop(0).stop()

    with stranger_on(free_port, answer=relay_to(moved)) as stranger:
        stranger.wait_for("/proofs/", 2)
        tab.get_by_role("button", name="Approve").click()
        stranger.wait_for("/proofs/", 3)

        assert only_asked_for_proofs(stranger), stranger.received
    assert status_of(moved, interrupt_id) == "pending"


def test_what_a_program_had_the_browser_keep_is_not_used_afterwards(
    start: Start, open_tab: OpenTab, running: list[ServedAPI], free_port: int
) -> None:
    url = start(**REVIEWERS)
    scripts: list[str] = []
    tab = open_tab(url)
    tab.on("response", lambda got: scripts.append(urlsplit(got.url).query))
    scripts += tab.evaluate("[...document.scripts].map(script => new URL(script.src).search)")
    running.pop().stop()
    with stranger_on(free_port, "document.title = 'Taken over'"):
        tab.goto(f"{url}/static/loopin.js{scripts[0]}")
    start(**REVIEWERS)

    tab.goto(f"{url}/history")

    fresh = tab.evaluate("[...document.scripts].map(script => new URL(script.src).search)")
    assert set(fresh).isdisjoint(scripts)
    expect(tab).to_have_title("Sign in · LoopIn")


def test_cookies_of_another_port_lock_nobody_out(start: Start, open_tab: OpenTab) -> None:
    url = start(**REVIEWERS)
    link = f"{url}/review/{ask(url)}"
    # As many as a browser keeps for one host, each as large as it may be.
    flood = "for (let n = 100; n < 280; n += 1) document.cookie = `c${n}=${'x'.repeat(4092)}`;"
    with stranger_on(0, "Win a prize") as stranger:
        foreign = open_tab(f"http://127.0.0.1:{stranger.port}/")
        foreign.evaluate(flood)
        assert foreign.evaluate("document.cookie.length") > 600_000
        tab = foreign.context.new_page()

        tab.goto(link)
        sign_in(tab)
        expect(tab.get_by_role("heading", name="Your decision as alice")).to_be_visible()
        cookies = len(str(tab.context.cookies()))
    tab.reload()
    tab.get_by_role("button", name="Approve").click()

    expect(tab.get_by_role("heading", name="Approved")).to_be_visible()
    assert cookies > 600_000


@pytest.mark.parametrize("script", ["/worker.js", "/sw.js"])
def test_service_worker_that_a_program_installed_is_removed(
    start: Start, open_tab: OpenTab, running: list[ServedAPI], free_port: int, script: str
) -> None:
    url = start(**REVIEWERS)
    tab = open_tab(url)
    running.pop().stop()
    worker = """addEventListener("fetch", (event) => event.respondWith(new Response(
        "<h1>Taken over</h1>", {headers: {"Content-Type": "text/html"}})));"""
    page = f"<script>navigator.serviceWorker.register('{script}')</script>"
    with stranger_on(free_port, answer=lambda path: worker if path == script else page):
        tab.goto(url)
        tab.evaluate("navigator.serviceWorker.ready.then(() => true)")
    start(**REVIEWERS)

    tab.goto(f"{url}/history")

    expect(tab.get_by_label("Your key")).to_be_visible()
    assert tab.evaluate("navigator.serviceWorker.getRegistrations().then(all => all.length)") == 0
