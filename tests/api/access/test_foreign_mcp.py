"""Web pages of other origins, and MCP that needs no token: they call no tool of it."""

from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser, Page

from tests.support import PATIENCE_S, ServedAPI, web
from tests.support.over_http import request

NEW = {"action": "Pay", "context": {}, "userId": "u", "agentId": "a"}
CREATE = request("tools/call", {"name": "create_interrupt", "arguments": NEW})
# Every way in which a script can send a body; it reports the result.
TRY_ALL = """
async ([url, message]) => {
    const found = [];
    const attempt = async (act) => {
        try { found.push(await act()); } catch (error) { found.push(error.name); }
    };
    const body = JSON.stringify(message);
    const accept = "application/json, text/event-stream";
    for (const type of ["application/json", "text/plain"]) for (const mode of ["cors", "no-cors"])
        await attempt(async () => {
            const headers = {"Content-Type": type, "Accept": accept};
            const answer = await fetch(url, {method: "POST", mode, headers, body});
            return `${answer.type} ${answer.status}`;
        });
    await attempt(() => String(navigator.sendBeacon(url, new Blob([body], {type: "text/plain"}))));
    await attempt(async () => (await fetch(url, {mode: "no-cors"})).type);
    return found;
}
"""


@pytest.fixture(scope="module")
def keyless(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of an API without any key."""
    api = ServedAPI(tmp_path_factory.mktemp("keyless"), {})
    yield api.url
    api.stop()


@pytest.fixture
def tab(browser: Browser) -> Iterator[Page]:
    context = browser.new_context()
    context.set_default_timeout(PATIENCE_S * 1000)
    yield context.new_page()
    context.close()


def asked(keyless: str) -> list[object]:
    found: list[object] = web.get(f"{keyless}/interrupts/pending/u").json()
    return found


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])
def test_script_of_another_origin_calls_no_tool(
    keyless: str, tab: Page, hostile_site: Callable[[str], int], host: str
) -> None:
    tab.goto(f"http://{host}:{hostile_site('<p>Win a prize</p>')}/")

    found = tab.evaluate(TRY_ALL, [f"{keyless}/mcp", CREATE])

    assert found == ["TypeError", "opaque 0", "TypeError", "opaque 0", "true", "opaque"]
    assert asked(keyless) == []


def test_name_that_was_made_to_lead_here_calls_no_tool(keyless: str, tab: Page) -> None:
    rebound = keyless.replace("127.0.0.1", "rebound.example")
    tab.goto(f"{rebound}/health")

    found = tab.evaluate(TRY_ALL, [f"{rebound}/mcp", CREATE])

    assert found == ["basic 403", "basic 403", "basic 403", "basic 403", "true", "basic"]
    assert asked(keyless) == []


def test_the_attempts_would_succeed_from_its_own_origin(keyless: str, tab: Page) -> None:
    tab.goto(f"{keyless}/health")

    tab.evaluate(TRY_ALL, [f"{keyless}/mcp", CREATE])

    assert len(asked(keyless)) == 1
