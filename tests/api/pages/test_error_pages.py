"""Errors of addresses that have no page of their own, in a browser and for programs."""

import httpx
import pytest

from loopin_mcp.api.store.store import Store
from tests.support import KEY, api_client
from tests.support.page import Page

BROWSER = {"accept": "text/html,application/xhtml+xml,*/*;q=0.8"}


@pytest.mark.parametrize(
    ("method", "path", "status", "heading", "text"),
    [
        ("GET", "/nothing/here", 404, "This page does not exist", "The link may be incomplete"),
        ("GET", "/interrupts/x", 404, "This page does not exist", "The link may be incomplete"),
        ("PUT", "/history", 405, "This page does not exist", "in another way"),
        ("POST", "/interrupts", 415, "LoopIn cannot answer this", "json"),
    ],
)
async def test_browser_gets_a_page_with_a_way_on(
    sqlite_store: Store, method: str, path: str, status: int, heading: str, text: str
) -> None:
    async with api_client(sqlite_store) as browser:
        shown = await browser.request(method, path, headers=BROWSER)
        program = await browser.request(method, path)

    page = Page(shown)
    assert (shown.status_code, page["h1"]) == (status, [heading])
    assert text in page["p"][0]
    assert "Open the inbox" in page["a"]
    assert shown.headers.get("allow") == program.headers.get("allow")
    assert program.status_code == status
    assert isinstance(program.json()["error"], str)


async def test_address_that_needs_a_key_gives_a_browser_a_page(sqlite_store: Store) -> None:
    async with api_client(sqlite_store, api_key=KEY) as browser:
        shown = await browser.get("/interrupts/x", headers=BROWSER)

    page = Page(shown)
    assert (shown.status_code, page["h1"]) == (401, ["This page does not exist"])
    assert "Programs that call this address need an API key." in page["p"]


async def test_foreign_host_name_gets_no_page(sqlite_store: Store) -> None:
    async with api_client(sqlite_store) as browser:
        answer = await browser.get("/", headers={**BROWSER, "host": "evil.example"})

    assert answer.status_code == 421
    assert answer.json()["error"].startswith("This host name is not served here")


async def test_fault_of_the_api_is_a_page_too(sqlite_store: Store) -> None:
    async def fail(*_: object) -> None:
        raise ZeroDivisionError

    sqlite_store.overview.queue = fail  # type: ignore[method-assign, assignment]
    async with api_client(sqlite_store) as browser:
        browser._transport.raise_app_exceptions = False  # type: ignore[attr-defined]
        created = await browser.post(
            "/interrupts",
            json={"agentId": "a", "userId": "u", "action": "Pay", "context": {}},
        )
        path = f"/review/{created.json()['interruptId']}"
        await browser.post(path, data={"decision": "approved"})
        answer: httpx.Response = await browser.get(path, headers=BROWSER)

    assert (answer.status_code, Page(answer)["h1"]) == (500, ["LoopIn has a fault"])
