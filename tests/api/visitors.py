"""A browser at an API that has a key, and its ways in."""

import httpx

from tests.support import KEY


async def sign_in(browser: httpx.AsyncClient, key: str = KEY, **query: str) -> httpx.Response:
    return await browser.post("/sign-in", data={"key": key}, params=query)


async def sees_the_inbox(browser: httpx.AsyncClient) -> bool:
    return (await browser.get("/")).status_code == 200
