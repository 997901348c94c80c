"""Browsers at an API that has keys, and ways to sign in."""

import re

import httpx

from tests.support import KEY

ALICES_KEY = "alices-key-that-is-long-enough-0001"
BOBS_KEY = "bobs-key-that-is-long-enough-000002"
REVIEWERS = {"alice": ALICES_KEY, "bob": BOBS_KEY}


async def sign_in(browser: httpx.AsyncClient, key: str = KEY, **query: str) -> httpx.Response:
    """Sign in; from now on, the paths of this browser are within its session's place."""
    answer = await browser.post("/sign-in", data={"key": key}, params=query)
    enter(browser, answer)
    return answer


def enter(browser: httpx.AsyncClient, answer: httpx.Response) -> None:
    """Go where an answer signed this browser in."""
    if place := place_of(answer):
        browser.base_url = browser.base_url.copy_with(path=place)


def place_of(answer: httpx.Response) -> str:
    """The path of the session that an answer begins, such as `/~abc/`; empty if it begins none."""
    found = re.match(r".*/~[\w-]{43}/", answer.headers.get("location", ""))
    return found[0] if found else ""


def within(browser: httpx.AsyncClient, link: str | None) -> str:
    """A link of a signed-in page, without the place of its session, in which it has to be."""
    place = browser.base_url.path.rstrip("/")
    assert link is not None
    assert place.startswith("/~")
    assert link.startswith(f"{place}/")
    return link.removeprefix(place)


def move(browser: httpx.AsyncClient, other: httpx.AsyncClient) -> None:
    """Give a browser the session of another one: its cookies and its place."""
    browser.cookies = other.cookies
    browser.base_url = browser.base_url.copy_with(path=other.base_url.path)


async def sees_the_inbox(browser: httpx.AsyncClient) -> bool:
    return (await browser.get("/")).status_code == 200
