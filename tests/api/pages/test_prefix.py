"""Links begin with the path of LOOPIN_BASE_URL, which a proxy strips."""

from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from loopin_mcp.api.access.browser import root_of
from loopin_mcp.api.store.opening import open_sqlite
from loopin_mcp.api.store.store import Store
from tests.support import AGENT, KEY, Clock, api_app, new_interrupt
from tests.support.page import Page
from tests.support.prefix import under
from tests.support.visitors import ALICES_KEY, REVIEWERS, place_of

BASE_URLS = ["https://example.com/loopin", "https://example.com/tools/loopin"]


@pytest.fixture(params=BASE_URLS)
async def prefixed(
    request: pytest.FixtureRequest, tmp_path: Path, anyio_backend: str, clock: Clock
) -> AsyncIterator[Store]:
    """A store whose links begin with this URL."""
    database = await open_sqlite(tmp_path / "prefixed.db")
    yield Store(database, str(request.param), clock)
    await database.aclose()


@pytest.fixture
async def browser(prefixed: Store) -> AsyncIterator[httpx.AsyncClient]:
    """A signed-out browser behind a proxy that strips the prefix."""
    prefix = urlsplit(prefixed.public_url).path
    app = under(prefix, api_app(prefixed, api_key=KEY, reviewers=REVIEWERS))
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(
        transport=transport, base_url="https://example.com", follow_redirects=True
    ) as client:
        yield client


def links_of(page: Page) -> list[str]:
    names = ("href", "src", "action", "data-events", "data-review")
    return [str(each[name]) for each in page.attributes for name in names if each.get(name)]


async def test_reviewer_signs_in_decides_and_lands_back_under_the_prefix(
    browser: httpx.AsyncClient, prefixed: Store
) -> None:
    created = await prefixed.create_interrupt(new_interrupt(), AGENT)
    link = str(created.review_url)

    sign_in = await browser.get(link)
    action = str(Page(sign_in).element(**{"": "form"})["action"])
    review = await browser.post(action, data={"key": ALICES_KEY})
    form = Page(review).element(**{"": "form", "class": "column card"})
    decided = await browser.post(str(form["action"]), data={"decision": "approved"})

    here = f"{place_of(review.history[0])}review/{created.interrupt_id}"
    assert [review.url.path, decided.url.path] == [here, here]
    assert here.startswith(urlsplit(link).path.partition("review/")[0])
    assert Page(decided)["h1"] == ["Approved"]
    assert (await prefixed.get_interrupt_status(created.interrupt_id)).decided_by == "alice"


async def test_deciding_together_leads_back_to_the_inbox_under_the_prefix(
    browser: httpx.AsyncClient, prefixed: Store
) -> None:
    created = await prefixed.create_interrupt(new_interrupt(), AGENT)

    inbox = await browser.post(f"{prefixed.public_url}/sign-in", data={"key": ALICES_KEY})
    form = Page(inbox).element(**{"": "form", "id": "several"})
    pick = {"pick": created.interrupt_id}
    compared = Page(await browser.post(str(form["action"]), data=pick))
    form = compared.element(**{"": "form", "class": "column"})
    pick = {"pick": str(compared.element(name="pick")["value"])}
    decided = await browser.post(str(form["action"]), data=pick | {"decision": "rejected"})

    assert Page(decided)["h1"] == ["1 rejected"]
    assert Page(decided).element(**{"class": "button back"})["href"] == inbox.url.path


async def test_signing_out_and_back_in_stays_under_the_prefix(
    browser: httpx.AsyncClient, prefixed: Store
) -> None:
    top = prefixed.public_url
    inbox = await browser.post(f"{top}/sign-in", data={"key": ALICES_KEY})
    history = await browser.get(f"{inbox.url}sign-in?next=history")
    form = Page(history).element(**{"": "form", "method": "post"})

    signed_out = await browser.post(str(form["action"]))
    used_link = await browser.get(f"{top}/sign-in/unknown")

    assert [history.url, signed_out.url] == [
        f"{inbox.url}{path}" for path in ("history", "sign-in")
    ]
    assert (
        Page(signed_out).element(**{"": "form"})["action"] == f"{urlsplit(top).path}/sign-in?next="
    )
    assert Page(used_link)["a"] == ["Sign in with the key"]
    assert links_of(Page(used_link))[-1] == f"{urlsplit(top).path}/sign-in"


@pytest.mark.parametrize("path", ["/", "/history", "/analytics", "/sign-in", "/review/unknown"])
async def test_every_link_is_under_the_prefix(
    browser: httpx.AsyncClient, prefixed: Store, path: str
) -> None:
    top = prefixed.public_url
    await prefixed.create_interrupt(new_interrupt(), AGENT)
    prefix = f"{urlsplit(top).path}/"
    if path != "/sign-in":
        signed_in = await browser.post(f"{top}/sign-in", data={"key": ALICES_KEY})
        prefix = signed_in.url.path

    links = links_of(Page(await browser.get(f"https://example.com{prefix}{path[1:]}")))

    assert len(links) > 3
    # An installed app outlives the session, so its manifest is not at the session's place.
    app = f"{urlsplit(top).path}/app.webmanifest"
    assert [link for link in links if not link.startswith((prefix, "?", app))] == []
    assert (await browser.get(f"{top}/app.webmanifest")).status_code == 200
    static = [link for link in links if "/static/" in link]
    assert {(await browser.get(link)).status_code for link in static} == {200}


@pytest.mark.parametrize(
    ("public_url", "root"),
    [
        ("http://127.0.0.1:3002", "/"),
        ("https://example.com/", "/"),
        ("https://example.com/loopin", "/loopin/"),
        ("https://example.com/loopin/", "/loopin/"),
        ("https://example.com/tools/loopin", "/tools/loopin/"),
        # Two slashes would begin a link to another host.
        ("https://example.com//evil.example", "/evil.example/"),
    ],
)
def test_root_of_links_is_the_path_of_the_public_url(public_url: str, root: str) -> None:
    assert root_of(public_url) == root
