"""The proof of the API to an open page: only the API that made the page can give it."""

from collections.abc import Callable
from hashlib import sha256

import httpx
import pytest
from playwright.sync_api import Page as Tab

from loopin_mcp.api.app import create_app
from loopin_mcp.api.store.store import Store
from loopin_mcp.settings.api_options import Options
from tests.support import KEY, PUBLIC_URL
from tests.support.page import Page

CHALLENGE = "0123456789abcdef" * 2
OWN = b"a key of the database"


def browser_at(
    store: Store, options: Options, port: int = 3002, key: bytes = OWN
) -> httpx.AsyncClient:
    """A browser at an API that listens on this port."""
    app = create_app(store, options, port=port, page_key=key).app
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=store.public_url)


async def page_of(store: Store, options: Options) -> dict[str, str | None]:
    """The attributes of a page."""
    async with browser_at(store, options) as browser:
        return Page(await browser.get("/")).element(**{"": "html"})


async def is_proven(
    store: Store,
    page: dict[str, str | None],
    options: Options,
    port: int = 3002,
    key: bytes = OWN,
) -> bool:
    """Whether an API answers a page's challenge as only that page's API can."""
    async with browser_at(store, options, port, key) as browser:
        answer = await browser.get(f"/proofs/{page['data-page']}/{CHALLENGE}")
    assert (answer.status_code, answer.headers["cache-control"]) == (200, "no-store")
    return answer.text == sha256(f"{page['data-secret']}{CHALLENGE}".encode()).hexdigest()


async def test_api_proves_itself_to_each_page_also_after_a_restart(sqlite_store: Store) -> None:
    pages = [await page_of(sqlite_store, Options()) for _ in range(2)]

    assert [await is_proven(sqlite_store, page, Options()) for page in pages] == [True, True]
    crossed = {**pages[0], "data-secret": pages[1]["data-secret"]}
    assert not await is_proven(sqlite_store, crossed, Options())


SHARED = Options(public_url="http://loopin.test")
EMBEDDED = Options(public_url="http://loopin.test", embedded=True, api_key=KEY)


@pytest.mark.parametrize(
    ("options", "port", "key", "proves"),
    [
        (Options(), 3002, OWN, True),
        (Options(), 3003, OWN, False),
        (Options(), 3002, b"another", False),
        # Behind one address, each copy proves itself for all.
        (SHARED, 3003, OWN, True),
        (SHARED, 3003, b"another", False),
        # The embedded API is reached at its own port.
        (EMBEDDED, 3002, OWN, True),
        (EMBEDDED, 3003, OWN, False),
    ],
)
async def test_proof_is_for_one_address_and_one_database(
    sqlite_store: Store, options: Options, port: int, key: bytes, *, proves: bool
) -> None:
    sqlite_store.public_url = options.public_url or PUBLIC_URL
    page = await page_of(sqlite_store, options)

    assert await is_proven(sqlite_store, page, options, port, key) == proves


async def test_who_only_reads_the_database_proves_nothing(sqlite_store: Store) -> None:
    page = await page_of(sqlite_store, Options(audit_keys=(KEY,)))

    assert await is_proven(sqlite_store, page, Options(audit_keys=(KEY, "earlier")))
    assert not await is_proven(sqlite_store, page, Options())


@pytest.mark.parametrize(
    ("page_id", "challenge"),
    [("x" * 32, CHALLENGE), (CHALLENGE, "x"), (CHALLENGE, CHALLENGE + "0"), (CHALLENGE[1:], "x")],
)
async def test_challenge_of_another_form_gets_no_proof(
    visitor: httpx.AsyncClient, page_id: str, challenge: str
) -> None:
    answer = await visitor.get(f"/proofs/{page_id}/{challenge}")

    assert (answer.status_code, answer.json()) == (
        404,
        {"error": "A proof takes a page's id and a challenge"},
    )


async def test_page_on_https_asks_for_no_proof(sqlite_store: Store) -> None:
    sqlite_store.public_url = "https://loopin.test"

    page = await page_of(sqlite_store, Options(public_url=sqlite_store.public_url))

    assert page.keys() == {"", "lang", "data-home"}


def test_script_computes_the_digest_of_any_text(served: str, open_tab: Callable[..., Tab]) -> None:
    tab = open_tab(served)
    texts = ["a" * length for length in range(200)] + ["ü", "\0", "€" * 70, "x" * 10_000]

    digests = tab.evaluate("texts => texts.map(sha256)", texts)

    assert digests == [sha256(text.encode()).hexdigest() for text in texts]
