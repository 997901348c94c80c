"""Fixtures for the API's tests: a Chromium, and clients with and without a session."""

import shutil
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from loopin_mcp.api.database.sqlite import SQLite
from loopin_mcp.api.database.steps import Database
from loopin_mcp.api.store.store import Store
from loopin_mcp.settings.settings import Settings
from tests.support import KEY, PATIENCE_S, PUBLIC_URL, Clock, ServedAPI, api_client, missing, web
from tests.support.forging import KEYS
from tests.support.visitors import ALICES_KEY, REVIEWERS, sign_in

FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    # A foreign name that resolves to this machine.
    "--host-resolver-rules=MAP rebound.example 127.0.0.1",
]

expect.set_options(timeout=PATIENCE_S * 1000)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """One browser per module: its event loop must be gone before the next async test."""
    names = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")
    found = next(filter(None, map(shutil.which, names)), None)
    if found is None:
        missing("Chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def open_tab(browser: Browser) -> Iterator[Callable[..., Page]]:
    """Open a URL in a new session; at the end, no tab may have logged an error."""
    tabs: list[Page] = []
    errors: list[str] = []

    def open_tab(url: str, **options: Any) -> Page:  # noqa: ANN401 - options of the browser
        tab = browser.new_context(**options).new_page()
        tabs.append(tab)
        tab.set_default_timeout(PATIENCE_S * 1000)
        tab.on("console", lambda message: errors.append(f"{message.type}: {message.text}"))
        tab.on("pageerror", lambda error: errors.append(str(error)))
        tab.goto(url)
        return tab

    yield open_tab
    for tab in tabs:
        tab.context.close()
    # Chromium also logs pages with an error status, such as refusals.
    assert [error for error in errors if "Failed to load resource" not in error] == []


@pytest.fixture
def hostile_site() -> Iterator[Callable[[str], int]]:
    """Serve a page on another loopback port; returns the port."""
    pages: list[bytes] = []

    class HostilePage(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(pages[0])

        def log_message(self, *_: object) -> None: ...

    site = ThreadingHTTPServer(("127.0.0.1", 0), HostilePage)
    thread = threading.Thread(target=site.serve_forever)
    thread.start()

    def serve(page: str) -> int:
        pages.append(page.encode())
        return int(site.server_address[1])

    yield serve
    site.shutdown()
    thread.join()
    site.server_close()


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of an API without a key, in its own process."""
    api = ServedAPI(tmp_path_factory.mktemp("served"), {"LOOPIN_RATE_LIMIT": "10000"})
    yield api.url
    api.stop()


@pytest.fixture
async def visitor(sqlite_store: Store) -> AsyncIterator[httpx.AsyncClient]:
    """A browser without the key of its API."""
    async with api_client(sqlite_store, api_key=KEY) as client:
        yield client


@pytest.fixture
async def inbox(visitor: httpx.AsyncClient) -> httpx.AsyncClient:
    """A browser that is signed in."""
    await sign_in(visitor)
    return visitor


@pytest.fixture
async def embedded(sqlite_store: Store) -> AsyncIterator[httpx.AsyncClient]:
    """A browser at the embedded API."""
    async with api_client(sqlite_store, api_key=KEY, embedded=True) as client:
        yield client


@pytest.fixture
async def stranger(sqlite_store: Store) -> AsyncIterator[httpx.AsyncClient]:
    """A browser at an API with reviewers, signed out."""
    async with api_client(sqlite_store, api_key=KEY, reviewers=REVIEWERS) as client:
        yield client


@pytest.fixture
async def alice(sqlite_store: Store) -> AsyncIterator[httpx.AsyncClient]:
    """The browser of a reviewer who is signed in."""
    async with api_client(sqlite_store, api_key=KEY, reviewers=REVIEWERS) as client:
        await sign_in(client, ALICES_KEY)
        yield client


@pytest.fixture
def ask(served: str) -> Callable[..., str]:
    """Create an interrupt on the served API; returns its review link."""

    def ask(**changes: object) -> str:
        question = {
            "agentId": "billing-agent",
            "userId": "accounts-payable",
            "action": "Transfer $4,200 to vendor account ending in 9821",
            "context": {"amount": 4200, "currency": "USD"},
        }
        answer = web.post(f"{served}/interrupts", json=question | changes).raise_for_status()
        return str(answer.json()["reviewUrl"])

    return ask


@pytest.fixture
def user(request: pytest.FixtureRequest) -> str:
    """A user only for this test, since others share the API."""
    return str(request.node.name)


@pytest.fixture
def open_inbox(served: str, user: str, open_tab: Callable[..., Page]) -> Callable[..., Page]:
    """Open the inbox of this test's user."""
    return lambda **options: open_tab(f"{served}/?user={quote(user)}", **options)


@pytest.fixture
def ask_user(ask: Callable[..., str], user: str) -> Callable[..., str]:
    """Create an interrupt for this test's user; returns its review link."""
    return lambda action="Pay", **changes: ask(**{"userId": user, "action": action} | changes)


@pytest.fixture
def settings(database: Database, request: pytest.FixtureRequest, tmp_path: Path) -> Settings:
    """Settings with the database of these tests."""
    if isinstance(database, SQLite):
        return Settings(database_url=f"sqlite:///{tmp_path / 'loopin.db'}")
    return Settings(database_url=request.getfixturevalue("postgres_url"))


@pytest.fixture
def keyed(database: Database, clock: Clock) -> Store:
    """A store whose events have keys."""
    return Store(database, PUBLIC_URL, clock, KEYS)
