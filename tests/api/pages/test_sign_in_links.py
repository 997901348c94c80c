"""Sign-in links of the embedded API: they work once."""

from urllib.parse import urlsplit

import httpx
import pytest

from tests.support import KEY, PUBLIC_URL, Clock
from tests.support.page import Page
from tests.support.visitors import enter, place_of, sees_the_inbox, sign_in


async def new_link(embedded: httpx.AsyncClient) -> httpx.Response:
    return await embedded.post("/sign-in-links", headers={"X-API-Key": KEY})


async def test_link_signs_in_once(embedded: httpx.AsyncClient) -> None:
    created = await new_link(embedded)
    link = created.json()["url"]
    assert (created.status_code, created.headers["cache-control"]) == (201, "no-store")
    assert created.json() == {"url": link, "expiresAt": "2025-06-15T15:07:40.000Z"}

    first = await embedded.get(link)
    place = place_of(first)
    assert (first.status_code, first.headers["location"]) == (303, place)
    enter(embedded, first)
    assert await sees_the_inbox(embedded)
    # The script leads there from the used link.
    assert (await embedded.get(urlsplit(link).path)).headers["location"] == place
    embedded.base_url = httpx.URL(PUBLIC_URL)
    second = await embedded.get(link)

    page = Page(second)
    assert (second.status_code, page["h1"]) == (404, ["This link no longer works"])
    told = "Sign-in links work once, within a minute. Run loopin-mcp inbox for a new one."
    assert page["p"][0] == told
    assert page.element(href="/sign-in")[""] == "a"
    assert not await sees_the_inbox(embedded)


async def test_link_signs_in_for_a_minute(embedded: httpx.AsyncClient, clock: Clock) -> None:
    links = [(await new_link(embedded)).json()["url"] for _ in range(2)]

    clock.advance(59)
    assert (await embedded.get(links[0])).status_code == 303
    embedded.cookies.clear()
    clock.advance(1)
    assert (await embedded.get(links[1])).status_code == 404
    await new_link(embedded)
    assert (await embedded.get(f"{PUBLIC_URL}/sign-in/unknown")).status_code == 404


async def test_preview_of_a_link_does_not_use_it_up(embedded: httpx.AsyncClient) -> None:
    link = (await new_link(embedded)).json()["url"]

    preview = await embedded.head(link)

    assert (preview.status_code, "set-cookie" in preview.headers) == (404, False)
    assert (await embedded.get(link)).status_code == 303


@pytest.mark.parametrize("headers", [{}, {"X-API-Key": "wrong"}])
async def test_link_is_for_holders_of_the_key_and_no_session(
    embedded: httpx.AsyncClient, headers: dict[str, str]
) -> None:
    await sign_in(embedded)

    answer = await embedded.post("/sign-in-links", headers=headers)

    assert answer.status_code == 401


async def test_api_that_serves_a_team_gives_no_links(visitor: httpx.AsyncClient) -> None:
    assert (await new_link(visitor)).status_code == 404
