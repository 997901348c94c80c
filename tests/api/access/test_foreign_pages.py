"""Web pages of other origins, in the browser of a signed-in reviewer: they get nothing."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from tests.support import KEY, PATIENCE_S, START_TIMEOUT_S, ServedAPI, web
from tests.support.browser import browser_of
from tests.support.questions import NEW
from tests.support.receiver import receiving
from tests.support.visitors import ALICES_KEY

SECRET = "Sell the factory in Rheine"
REVIEWERS = {"API_KEY_SECRET": KEY, "REVIEWER_KEYS": f"alice={ALICES_KEY}"}
# Every way in which a script can send a request; it reports the result.
TRY_ALL = """
async ([api, id, patienceMs]) => {
    const found = [];
    const late = () => new Promise((_, no) => setTimeout(() => no({name: "late"}), patienceMs));
    const attempt = async (name, act) => {
        try { found.push(`${name}: ${await Promise.race([act(), late()])}`); }
        catch (error) { found.push(`${name}: ${error.name}`); }
    };
    const paths = ["/", "/history", "/analytics", `/review/${id}`, `/interrupts/${id}`,
        "/interrupts/pending/u", "/inbox/events", `/review/${id}/events`, "/static/loopin.js"];
    for (const path of paths) for (const mode of ["cors", "no-cors"])
        await attempt(path, async () => {
            const answer = await fetch(api + path, {mode, credentials: "include"});
            return `${answer.type} ${await answer.text()}`;
        });
    const form = new URLSearchParams({decision: "approved"});
    const together = new URLSearchParams({pick: `${id} ${"0".repeat(64)}`, decision: "approved"});
    for (const path of ["/inbox/compare", "/inbox/decide", "/inbox/test"])
        await attempt(path, () => fetch(api + path,
            {method: "POST", mode: "no-cors", credentials: "include", body: together}));
    const json = JSON.stringify({decision: "approved"});
    for (const path of [`/review/${id}`, "/sign-out"])
        await attempt(path, () => fetch(api + path,
            {method: "POST", mode: "no-cors", credentials: "include", body: form}));
    for (const headers of [{"Content-Type": "application/json"}, {"Content-Type": "text/plain"}])
        await attempt("decide", () => fetch(`${api}/interrupts/${id}/decide`,
            {method: "POST", mode: "no-cors", credentials: "include", headers, body: json}));
    await attempt("delete", () => fetch(`${api}/interrupts/${id}`,
        {method: "DELETE", credentials: "include"}));
    await attempt("events", () => new Promise((done) => {
        const source = new EventSource(`${api}/inbox/events`, {withCredentials: true});
        source.onerror = () => { source.close(); done("closed"); };
        source.addEventListener("changed", () => done("told of a change"));
        source.addEventListener("beat", () => done("told of a beat"));
    }));
    await attempt("frame", async () => {
        const frame = document.createElement("iframe");
        frame.src = `${api}/review/${id}`;
        await new Promise((done) => { frame.onload = done; document.body.append(frame); });
        return frame.contentDocument.body.innerText;
    });
    return found;
}
"""


@pytest.fixture(scope="module")
def reviewed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of an API with a reviewer."""
    api = ServedAPI(tmp_path_factory.mktemp("reviewed"), REVIEWERS)
    yield api.url
    api.stop()


@pytest.fixture
def alices(browser: Browser, reviewed: str) -> Iterator[BrowserContext]:
    """The browser of a reviewer who is signed in."""
    context = browser.new_context()
    context.set_default_timeout(PATIENCE_S * 1000)
    tab = context.new_page()
    tab.goto(reviewed)
    tab.get_by_label("Your key").fill(ALICES_KEY)
    tab.get_by_role("button", name="Sign in").click()
    expect(tab.get_by_role("heading", name="Inbox")).to_be_visible()
    yield context
    # Whatever was tried, she is still signed in.
    tab.reload()
    expect(tab.get_by_role("heading", name="Inbox")).to_be_visible()
    context.close()


@pytest.fixture
def interrupt_id(reviewed: str) -> str:
    new = NEW | {"action": SECRET}
    answer = web.post(f"{reviewed}/interrupts", json=new, headers={"X-API-Key": KEY})
    return str(answer.raise_for_status().json()["interruptId"])


def status_of(reviewed: str, interrupt_id: str) -> str:
    path = f"{reviewed}/interrupts/{interrupt_id}"
    return str(web.get(path, headers={"X-API-Key": KEY}).json()["status"])


# The first is another site. The second is the same site, to which a browser sends all cookies.
@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])
def test_script_of_another_origin_reads_nothing_and_does_nothing(
    alices: BrowserContext,
    reviewed: str,
    interrupt_id: str,
    hostile_site: Callable[[str], int],
    host: str,
) -> None:
    port = hostile_site("<p>Win a prize</p>")
    tab = alices.new_page()
    tab.goto(f"http://{host}:{port}/")

    found = tab.evaluate(TRY_ALL, [reviewed, interrupt_id, PATIENCE_S * 1000])

    assert len(found) == 28
    assert SECRET not in str(found)
    assert {line.partition(": ")[2].strip() for line in found} <= {
        *("TypeError", "SecurityError", "opaque", "[object Response]", "closed")
    }
    assert status_of(reviewed, interrupt_id) == "pending"


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])
@pytest.mark.parametrize("path", ["review/ID", "inbox/decide", "sign-out"])
def test_form_of_another_origin_does_nothing(
    alices: BrowserContext,
    reviewed: str,
    interrupt_id: str,
    hostile_site: Callable[[str], int],
    host: str,
    path: str,
) -> None:
    action = f"{reviewed}/{path.replace('ID', interrupt_id)}"
    port = hostile_site(
        f'<form method="post" action="{action}">'
        '<button name="decision" value="approved">Win a prize</button></form>'
    )
    tab = alices.new_page()
    tab.goto(f"http://{host}:{port}/")

    tab.get_by_role("button").click()

    heading = "Still signed in" if path == "sign-out" else "Nothing was recorded"
    expect(tab.get_by_role("heading", level=1)).to_have_text(heading)
    assert status_of(reviewed, interrupt_id) == "pending"


def test_window_that_another_origin_opened_is_out_of_its_reach(
    alices: BrowserContext,
    reviewed: str,
    interrupt_id: str,
    hostile_site: Callable[[str], int],
) -> None:
    port = hostile_site("<p>Win a prize</p>")
    tab = alices.new_page()
    tab.goto(f"http://127.0.0.1:{port}/")

    with tab.expect_popup() as popup:
        tab.evaluate(
            "link => { window.opened = window.open(link); }", f"{reviewed}/review/{interrupt_id}"
        )

    expect(popup.value.get_by_text(SECRET)).to_be_visible()
    assert tab.evaluate("window.opened.closed")
    assert popup.value.evaluate("window.opener") is None


def test_name_that_was_made_to_lead_here_gets_no_page(
    alices: BrowserContext, reviewed: str, interrupt_id: str
) -> None:
    tab: Page = alices.new_page()

    for path in ("", "sign-in", f"review/{interrupt_id}", "interrupts/pending/u"):
        answer = tab.goto(f"{reviewed.replace('127.0.0.1', 'rebound.example')}/{path}")
        assert answer is not None
        # It has neither a key nor a session.
        assert answer.status in (401, 421)
        assert "cookie" not in answer.request.all_headers()
        assert SECRET not in tab.content()


def test_link_in_a_reviewers_chat_leads_to_the_request(
    alices: BrowserContext,
    reviewed: str,
    interrupt_id: str,
    hostile_site: Callable[[str], int],
) -> None:
    port = hostile_site(f'<a href="{reviewed}/review/{interrupt_id}">Please decide</a>')
    tab = alices.new_page()
    tab.goto(f"http://localhost:{port}/")

    tab.get_by_role("link").click()

    expect(tab.get_by_role("heading", name="Your decision as alice")).to_be_visible()


def test_file_that_the_browser_is_given_leads_to_the_inbox_signed_in(
    browser: Browser, tmp_path: Path
) -> None:
    with receiving() as receiver:
        desktop = browser_of(receiver, tmp_path)
        settings = {"API_KEY_SECRET": KEY, "LOOPIN_OPEN_REVIEW": "on", **desktop}
        api = ServedAPI(tmp_path / "data", settings)
        web.post(f"{api.url}/interrupts", json=NEW, headers={"X-API-Key": KEY})
        file = Path(receiver.next(START_TIMEOUT_S)["file"])
    tab = browser.new_page()

    tab.goto(file.as_uri())

    expect(tab.get_by_role("heading", name="Inbox")).to_be_visible()
    expect(tab).to_have_url(re.compile(rf"{api.url}/~[\w-]+/"))
    tab.close()
    api.stop()
