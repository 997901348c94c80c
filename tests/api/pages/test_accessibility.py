"""axe finds nothing to complain about, on any page and in any state of it."""

from collections.abc import Callable
from urllib.parse import urlsplit

import pytest
from axe_playwright_python.sync_playwright import Axe  # type: ignore[import-untyped]
from playwright.sync_api import Page, expect

from tests.support import web
from tests.support.tabs import press

Ask = Callable[..., str]
OpenTab = Callable[..., Page]

CONTEXT = {
    "amount": 4200,
    "payee": {"name": "Harbour Print Ltd", "accounts": [{"iban": "GB29", "main": True}] * 40},
    "note_md": "# Why\n\nSee [the invoice](https://example.com/1).\n\n- one\n- two",
    "script_sh": "\n".join(f"echo {line} && sleep 1" for line in range(200)),
    "change_diff": "--- a\n+++ b\n@@ -1,2 +1,2 @@\n one\n-two words\n+two other words\n",
    "empty": "",
}


def pending(_: Page) -> None: ...


def unfolded(tab: Page) -> None:
    tab.evaluate("document.querySelectorAll('details').forEach((each) => { each.open = true; })")


def asked(tab: Page) -> None:
    press(tab, "Approve")
    expect(tab.locator("[data-asked]")).to_be_visible()


def faulty(tab: Page) -> None:
    unfolded(tab)
    tab.locator("textarea[name=modifiedParams]").fill("{")
    press(tab, "Reject")
    press(tab, "Reject")
    expect(tab.locator(".notice")).to_be_visible()


def approved(tab: Page) -> None:
    unfolded(tab)
    tab.locator("textarea[name=modifiedParams]").fill('{"empty": "Now it says something"}')
    press(tab, "Approve")
    press(tab, "Approve")
    expect(tab.get_by_role("heading", level=1)).to_have_text("Approved")
    unfolded(tab)


def findings(tab: Page) -> list[str]:
    """The rules that axe sees broken, and where."""
    return [
        f"{rule['id']}: {node['target']} {node['failureSummary']}"
        for rule in Axe().run(tab).response["violations"]
        for node in rule["nodes"]
    ]


@pytest.mark.parametrize("state", [pending, unfolded, asked, faulty, approved])
def test_review_page_is_accessible(
    ask: Ask, open_tab: OpenTab, state: Callable[[Page], None]
) -> None:
    tab = open_tab(ask(urgency="high", context=CONTEXT), viewport={"width": 1280, "height": 800})

    state(tab)

    for scheme in ("light", "dark"):
        tab.emulate_media(color_scheme=scheme)
        assert findings(tab) == []
    tab.set_viewport_size({"width": 320, "height": 640})
    assert findings(tab) == []
    assert tab.evaluate("document.documentElement.scrollWidth") == 320


def test_other_pages_are_accessible(ask: Ask, open_tab: OpenTab) -> None:
    link = ask()
    root = "{0.scheme}://{0.netloc}".format(urlsplit(link))
    settled = ask().replace("/review/", "/interrupts/")
    body = {"decision": "rejected", "reason": "No"}
    web.post(f"{settled}/decide", json=body).raise_for_status()
    tab = open_tab(link)

    for path in ("/", "/history", "/analytics", "/notifications", "/nothing", "/review/nothing"):
        for width in (1280, 320):
            tab.set_viewport_size({"width": width, "height": 800})
            tab.goto(f"{root}{path}")
            assert findings(tab) == [], (path, width)
            assert tab.evaluate("document.documentElement.scrollWidth") == width, path
