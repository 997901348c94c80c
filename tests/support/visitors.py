"""Browsers at an API that has keys, and ways to sign in."""

import httpx

from tests.support import KEY

ALICES_KEY = "alices-key-that-is-long-enough-0001"
BOBS_KEY = "bobs-key-that-is-long-enough-000002"
REVIEWERS = {"alice": ALICES_KEY, "bob": BOBS_KEY}


async def sign_in(browser: httpx.AsyncClient, key: str = KEY, **query: str) -> httpx.Response:
    return await browser.post("/sign-in", data={"key": key}, params=query)


async def sees_the_inbox(browser: httpx.AsyncClient) -> bool:
    return (await browser.get("/")).status_code == 200
