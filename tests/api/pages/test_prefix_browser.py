"""A browser behind a proxy with a path prefix and a trailing slash in the URL."""

import re
from collections.abc import Callable, Iterator

import httpx
import pytest
from playwright.sync_api import Page, expect

from tests.support import KEY, ServedAPI, web
from tests.support.prefix import PrefixProxy
from tests.support.questions import NEW
from tests.support.tabs import sign_in
from tests.support.visitors import ALICES_KEY

OpenTab = Callable[..., Page]


@pytest.fixture(scope="module")
def top(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of the proxy, without the slash."""
    proxy = PrefixProxy("/tools/loopin")
    settings = {
        "LOOPIN_BASE_URL": f"{proxy.url}/",
        "API_KEY_SECRET": KEY,
        "REVIEWER_KEYS": f"alice={ALICES_KEY}",
    }
    api = ServedAPI(tmp_path_factory.mktemp("prefixed"), settings)
    with proxy.before(api.url):
        yield proxy.url
    api.stop()


def ask(top: str, action: str) -> str:
    """Create an interrupt; returns its review link."""
    key = {"X-API-Key": KEY}
    answer = web.post(f"{top}/interrupts", json=NEW | {"action": action}, headers=key)
    return str(answer.raise_for_status().json()["reviewUrl"])


def test_reviewer_signs_in_decides_and_comes_back(top: str, open_tab: OpenTab) -> None:
    link = ask(top, "Pay")
    tab = open_tab(link)
    assert tab.url == link

    sign_in(tab)
    expect(tab.get_by_role("heading", name="An agent asks to Pay")).to_be_visible()
    here = tab.url
    assert re.fullmatch(rf"{top}/~[\w-]{{43}}/{link.removeprefix(top)[1:]}", here)
    # From now on the page holds its buttons for a moment, and a click waits for them.
    expect(tab.get_by_role("timer")).to_be_visible()
    tab.get_by_role("button", name="Approve").click()

    expect(tab.get_by_role("heading", name="Approved")).to_be_visible()
    assert tab.url == here
    tab.get_by_role("link", name="Inbox", exact=True).click()
    expect(tab).to_have_url(here.partition("review/")[0])


def test_pages_are_live_and_the_inbox_decides_beside_its_list(top: str, open_tab: OpenTab) -> None:
    tab = open_tab(f"{top}/")
    sign_in(tab)
    expect(tab.get_by_role("heading", name="Inbox")).to_be_visible()

    link = ask(top, "Publish the page")
    expect(tab.locator("#pane")).to_contain_text("Publish the page")
    other = tab.context.new_page()
    other.goto(link)
    tab.bring_to_front()
    tab.get_by_role("button", name="Approve", exact=True).click()

    expect(tab.get_by_role("heading", name="Approved")).to_be_visible()
    expect(tab).to_have_url(re.compile(rf"{top}/~[\w-]+/"))
    expect(other.get_by_role("heading", name="Approved")).to_be_visible()
    status = link.replace("/review/", "/interrupts/")
    read = httpx.get(status, headers={"X-API-Key": KEY}).json()
    assert read["decidedBy"] == "alice"
