"""Signing in with a key, and how long it lasts."""

import httpx
import pytest

from loopin_mcp.api.store.store import Store
from tests.support import KEY, PUBLIC_URL, api_client
from tests.support.page import Page
from tests.support.visitors import place_of, sees_the_inbox, sign_in, within

PAGES = ("/", "/history", "/analytics")


@pytest.mark.parametrize("path", [*PAGES, "/history?q=pay+%26+go&status=approved"])
async def test_visitor_is_asked_for_the_key_and_comes_to_the_page_they_wanted(
    visitor: httpx.AsyncClient, path: str
) -> None:
    page = await visitor.get(path)
    form = Page(page).element(**{"": "form"})

    answer = await visitor.post(page.url.join(str(form["action"])), data={"key": f" {KEY}\n"})

    assert (page.status_code, answer.status_code) == (401, 303)
    assert answer.next_request is not None
    assert answer.headers["location"] == f"{place_of(answer)}{path[1:]}"
    assert (await visitor.get(answer.next_request.url)).status_code == 200


@pytest.mark.parametrize("path", ["/sign-in?next=history", "/history?q=a", "/"])
async def test_sign_in_page_is_at_the_number_of_this_machine_and_not_at_its_name(
    visitor: httpx.AsyncClient, path: str
) -> None:
    answer = await visitor.get(path, headers={"Host": "localhost:3002"})

    assert (answer.status_code, answer.headers["location"]) == (303, f"{PUBLIC_URL}{path}")


async def test_api_whose_address_is_a_name_signs_in_by_that_name(sqlite_store: Store) -> None:
    sqlite_store.public_url = "http://localhost:3002"
    async with api_client(sqlite_store, api_key=KEY) as browser:
        assert (await browser.get("/sign-in")).status_code == 200


@pytest.mark.parametrize("key", ["", "wrong", KEY[:-1], KEY + "x", "clé", "\0"])
async def test_wrong_key_is_told_and_signs_nobody_in(visitor: httpx.AsyncClient, key: str) -> None:
    answer = await sign_in(visitor, key, next="history")

    page = Page(answer)
    assert answer.status_code == 401
    assert "set-cookie" not in answer.headers
    assert page["alert"] == ["That key is not valid. Check it and try again."]
    assert page.element(id="key")["aria-invalid"] == "true"
    assert page.element(**{"": "form"})["action"] == "/sign-in?next=history"
    assert key not in answer.text or key == ""
    assert not await sees_the_inbox(visitor)


@pytest.mark.parametrize(
    "target",
    [
        "//evil.example",
        "https://evil.example",
        "/\\evil.example",
        "history\r\nSet-Cookie: a=b",
        "review/../../x",
        "review/..",
        "review/%2e%2e",
        "review//evil.example",
        "review/",
        "javascript:alert(1)",
        "sign-out",
    ],
)
async def test_signing_in_leads_to_pages_of_our_own_alone(
    visitor: httpx.AsyncClient, target: str
) -> None:
    answer = await sign_in(visitor, next=target)

    assert answer.headers["location"] == place_of(answer) != ""


async def test_signing_out_ends_it_in_this_browser(visitor: httpx.AsyncClient) -> None:
    await sign_in(visitor)
    inbox = Page(await visitor.get("/"))
    forms = [each["action"] for each in inbox.attributes if each.get("method") == "post"]
    assert "/sign-out" in [within(visitor, action) for action in forms]

    answer = await visitor.post("/sign-out")

    target = within(visitor, answer.headers["location"])
    assert (answer.status_code, target) == (303, "/sign-in")
    assert not await sees_the_inbox(visitor)


@pytest.mark.parametrize("path", ["/sign-in", "/sign-out"])
async def test_form_of_another_web_page_signs_nobody_in_or_out(
    visitor: httpx.AsyncClient, path: str
) -> None:
    if path == "/sign-out":
        await sign_in(visitor)
    before = await sees_the_inbox(visitor)

    answer = await visitor.post(path, data={"key": KEY}, headers={"Origin": "https://evil.example"})

    assert answer.status_code == 403
    assert await sees_the_inbox(visitor) == before


async def test_form_that_cannot_be_read_signs_nobody_in(visitor: httpx.AsyncClient) -> None:
    answer = await visitor.post("/sign-in", json={"key": KEY})

    assert (answer.status_code, Page(answer)["h1"]) == (415, ["Not signed in"])


async def test_who_is_signed_in_is_not_asked_again(visitor: httpx.AsyncClient) -> None:
    await sign_in(visitor)

    answer = await visitor.get("/sign-in?next=history")

    assert (answer.status_code, answer.headers["location"]) == (
        303,
        f"{visitor.base_url.path}history",
    )


async def test_keyless_api_asks_nobody_and_offers_no_signing_out(sqlite_store: Store) -> None:
    async with api_client(sqlite_store) as browser:
        answers = [await browser.get(path) for path in PAGES]
        asked = await browser.get("/sign-in")
        signed_in = await sign_in(browser, "")

    assert [answer.status_code for answer in answers] == [200, 200, 200]
    assert "sign-out" not in answers[0].text
    assert (asked.status_code, asked.headers["location"]) == (303, "/")
    assert "set-cookie" not in signed_in.headers


@pytest.mark.parametrize("path", [*PAGES, "/sign-in", "/sign-in/x", "/inbox/x", "/inbox/events"])
async def test_pages_answer_to_known_hosts_alone(visitor: httpx.AsyncClient, path: str) -> None:
    answer = await visitor.get(path, headers={"Host": "evil.example"})

    assert answer.status_code == 421


async def test_page_says_how_to_get_in(
    visitor: httpx.AsyncClient, embedded: httpx.AsyncClient
) -> None:
    alone, own = [Page(await browser.get("/sign-in")) for browser in (visitor, embedded)]

    assert "API_KEY_SECRET" in alone["code"]
    assert "loopin-mcp inbox" in own["code"]
    assert alone["nav"] == own["nav"] == []
