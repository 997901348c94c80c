"""Secrets of the API appear in no answer, page, log line or event."""

import logging
from collections.abc import AsyncIterator

import httpx
import pytest

from loopin_mcp.api.store.store import Store
from loopin_mcp.settings.settings import Settings
from tests.support import PUBLIC_URL, Clock, Down, api_client
from tests.support.receiver import (
    LOOPBACK,
    decide_with_callback,
    deliver_due,
    delivering,
    receiving,
)
from tests.support.secrets import (
    AGENTS_KEY,
    ALICES_KEY,
    BOBS_KEY,
    CALLBACK_URL,
    LONG,
    MARK,
    SECRETS,
    shows_secret,
)
from tests.support.visitors import enter, sign_in

WRONG = f"wrong-{LONG}"
NEW = {"agentId": "a", "userId": "u", "action": "Pay", "context": {}, "callbackUrl": CALLBACK_URL}
PAGES = ["/", "/history", "/analytics", "/review/{id}", "/sign-in", "/inbox/events"]
READS = [
    *("/interrupts/{id}", "/interrupts/{id}/events", "/interrupts/pending/u", "/analytics/u"),
    *("/interrupts/none", "/nothing", "/health", "/openapi.json"),
]


class Witness:
    """A caller of the API, who keeps every answer."""

    def __init__(self, browser: httpx.AsyncClient, **headers: str) -> None:
        self._browser = browser
        self._headers = headers
        self.seen: list[httpx.Response] = []

    async def __call__(
        self, method: str, path: str, body: object = None, **headers: str
    ) -> httpx.Response:
        named = {name.replace("_", "-"): value for name, value in (self._headers | headers).items()}
        answer = await self._browser.request(method, path, json=body, headers=named)
        self.seen.append(answer)
        return answer


@pytest.fixture(autouse=True)
def _log_everything(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    # It logs the requests of the tests themselves.
    caplog.set_level(logging.WARNING, "httpx")


@pytest.fixture
async def browser(sqlite_store: Store) -> AsyncIterator[httpx.AsyncClient]:
    """A browser at an API with every kind of secret."""
    settings = Settings.load(SECRETS | {"LOOPIN_CALLBACK_ALLOW": "127.0.0.0/8"}, "api")
    options = {
        "api_key": settings.api_key_secret,
        "reviewers": settings.reviewer_keys,
        "callback_secret": settings.callback_secret,
        "callback_allow": settings.callback_allow,
    }
    async with api_client(sqlite_store, sleep=_at_once, **options) as client:
        yield client


async def _at_once(_seconds: float) -> None: ...


def shown_in(*answers: httpx.Response) -> list[str]:
    """The answers that show a secret anywhere but in the cookie of a session."""
    texts = [
        "\n".join([str(answer.status_code), *map(str, answer.headers.items()), answer.text])
        for answer in answers
    ]
    return [text for text in texts if shows_secret(text)]


async def test_nothing_of_keys_and_callbacks_is_answered_or_logged(
    browser: httpx.AsyncClient, caplog: pytest.LogCaptureFixture
) -> None:
    agent = Witness(browser, X_API_Key=AGENTS_KEY)
    reviewer = Witness(browser, X_API_Key=ALICES_KEY)
    created = await agent("POST", "/interrupts", NEW, Idempotency_Key=f'"{LONG}"')
    again = await agent("POST", "/interrupts", NEW, Idempotency_Key=f'"{LONG}"')
    other = await agent("POST", "/interrupts", NEW | {"action": "A"}, Idempotency_Key=f'"{LONG}"')
    await agent("POST", "/interrupts", NEW, Idempotency_Key=f'"{LONG}')
    for url in (f"ftp://{MARK}:{LONG}@x", f"http://{MARK}:{LONG}@10.0.0.1/{LONG}", LONG * 100):
        await agent("POST", "/interrupts", NEW | {"callbackUrl": url})
    await agent("POST", "/interrupts", NEW | {"callbackUrl": [LONG], "action": {LONG: LONG}})
    path = f"/interrupts/{created.json()['interruptId']}"
    verdict = {"decision": "approved", "payloadDigest": "0" * 64}
    forbidden = await agent("POST", f"{path}/decide", verdict)
    mismatch = await reviewer("POST", f"{path}/decide", verdict)
    decided = await reviewer("POST", f"{path}/decide", {"decision": "approved"})
    conflict = await reviewer("DELETE", path)
    for read in READS:
        for who in (agent, reviewer):
            await who("GET", read.format(id=created.json()["interruptId"]))

    assert [created.status_code, again.status_code, other.status_code] == [201, 201, 422]
    assert [forbidden.status_code, mismatch.status_code] == [403, 409]
    assert [decided.status_code, conflict.status_code] == [200, 409]
    assert shown_in(*agent.seen, *reviewer.seen) == []
    assert not shows_secret(caplog.text)


async def test_wrong_keys_are_not_told_again(
    browser: httpx.AsyncClient, caplog: pytest.LogCaptureFixture
) -> None:
    stranger = Witness(browser)
    for key in (WRONG, AGENTS_KEY[:-1], BOBS_KEY + MARK, ALICES_KEY.upper()) * 5:
        await stranger("POST", "/interrupts", NEW, X_API_Key=key)
        await stranger("GET", "/interrupts/none", X_API_Key=key, Cookie=f"loopin={key}")
        stranger.seen.append(await sign_in(browser, key, next="review/x"))

    assert {answer.status_code for answer in stranger.seen} == {401}
    assert shown_in(*stranger.seen) == []
    assert not shows_secret(caplog.text)


async def test_pages_of_a_reviewer_show_neither_keys_nor_callbacks_nor_the_session(
    browser: httpx.AsyncClient, caplog: pytest.LogCaptureFixture
) -> None:
    agent, reviewer = Witness(browser, X_API_Key=AGENTS_KEY), Witness(browser)
    ids = [(await agent("POST", "/interrupts", NEW)).json()["interruptId"] for _ in range(2)]
    signed_in = await sign_in(browser, ALICES_KEY)
    [session] = browser.cookies.values()
    place = browser.base_url.path.strip("/~")
    agent.seen += [await browser.get(f"/interrupts/{ids[0]}", headers={"X-API-Key": AGENTS_KEY})]
    form = {"decision": "approved", "reason": "Fine"}
    reviewer.seen.append(await browser.post(f"/review/{ids[0]}", data=form))
    reviewer.seen.append(await browser.post(f"/review/{ids[0]}", data=form))
    for page in PAGES[:-1]:
        for interrupt_id in ids:
            await reviewer("GET", page.format(id=interrupt_id))

    assert signed_in.status_code == 303
    assert {answer.status_code for answer in reviewer.seen} == {200, 303, 409}
    assert shown_in(*reviewer.seen) == []
    assert [answer.url for answer in reviewer.seen if session in answer.text] == []
    assert not shows_secret(caplog.text)
    assert session not in caplog.text
    assert place not in caplog.text
    assert [answer.url for answer in agent.seen if place in f"{answer.headers}{answer.text}"] == []


async def test_link_that_signs_in_is_told_to_who_asked_and_nobody_else(
    sqlite_store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    async with api_client(sqlite_store, api_key=AGENTS_KEY, embedded=True) as browser:
        agent, human = Witness(browser, X_API_Key=AGENTS_KEY), Witness(browser)
        link = (await agent("POST", "/sign-in-links")).json()["url"]
        token = link.rpartition("/")[2]
        opened = [await human("GET", link)]
        enter(browser, opened[0])
        opened += [await human("GET", f"/sign-in/{token}"), await human("GET", "/")]

    assert [answer.status_code for answer in opened] == [303, 303, 200]
    assert [answer.url for answer in opened if token in f"{answer.headers}{answer.text}"] == []
    assert token not in caplog.text


async def test_database_that_is_down_is_told_without_anything_that_was_sent(
    clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    store = Store(Down(), PUBLIC_URL, clock)
    async with api_client(store, api_key=AGENTS_KEY, callback_allow=LOOPBACK) as browser:
        agent = Witness(browser, X_API_Key=AGENTS_KEY)
        await agent("POST", "/interrupts", NEW, Idempotency_Key=f'"{LONG}"')
        for read in READS[:4]:
            await agent("GET", read.format(id="x"))

    assert {answer.status_code for answer in agent.seen} == {503}
    assert shown_in(*agent.seen) == []
    assert not shows_secret(caplog.text)


async def test_receiver_that_fails_is_told_by_its_host_alone(
    sqlite_store: Store, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "httpx")
    with receiving(500) as receiver:
        hook = CALLBACK_URL.replace(":1/", f":{receiver.server_port}/")
        interrupt_id = await decide_with_callback(sqlite_store, hook)
        async with delivering(sqlite_store) as outbox:
            await deliver_due(outbox)
            clock.advance(3 * 86_400)
            await deliver_due(outbox)
        [first, _second] = receiver.received
    events = await sqlite_store.list_events(interrupt_id)

    assert first.path == f"/{LONG}?token={LONG}"
    assert events[-1].type == "callback-given-up"
    assert "given up" in caplog.text
    assert not shows_secret(caplog.text + repr(events))


async def test_only_files_without_secrets_are_compressed(browser: httpx.AsyncClient) -> None:
    script = await browser.get("/static/loopin.js")
    page = await browser.get("/")

    assert script.headers["Content-Encoding"] == "gzip"
    assert "Content-Encoding" not in page.headers
