"""Errors as a model reads them: what happened, and what to do next."""

from pathlib import Path

import httpx
import pytest
import respx
from mcp import Client

from loopin_mcp.errors import APIError, ConfigurationError, LoopinError, RateLimitedError
from loopin_mcp.mcp_server.remedies import for_model
from loopin_mcp.mcp_server.tools import create_server
from loopin_mcp.settings.settings import Settings
from tests.support.client import DOUBT, NOT_LOOPIN, STATUS, TRACE, URL
from tests.support.server import refusal

GOLDEN = Path(__file__).parents[1] / "golden" / "errors.txt"
FOREIGN = "Ask the user to check that LOOPIN_API_URL names a LoopIn API."
AWAY = httpx.Response(
    503,
    json={"error": "The database cannot be used right now: there is no connection"},
    headers={"Retry-After": "9"},
)
QUESTION = {"action": "Pay", "context": {}}
ABSENT = (
    "Ask the user to check the LoopIn API, and LOOPIN_API_URL and LOOPIN_TIMEOUT if they are set."
)


def test_every_refusal_has_its_remedy() -> None:
    kinds = sorted(APIError.__subclasses__(), key=lambda kind: kind.status)

    table = [f"{kind.status} {kind.__name__} {for_model(kind('Said.'))[6:]}" for kind in kinds]

    assert table == GOLDEN.read_text(encoding="utf-8").splitlines()


@pytest.mark.parametrize(
    "error",
    [
        LoopinError("This host cannot ask a human."),
        ConfigurationError("LOOPIN_API_URL is not a URL."),
        RateLimitedError("Too many. Try again in 7 s.", retry_after_s=7),
    ],
)
def test_error_that_says_what_to_do_is_left_as_it_is(error: LoopinError) -> None:
    assert for_model(error) == str(error)


@respx.mock
@pytest.mark.parametrize(
    ("answer", "text"),
    [
        (
            httpx.Response(404, json={"error": "Interrupt not found"}),
            "Interrupt not found. Check the interruptId: it must be one that create_interrupt "
            f"returned on this API. (HTTP 404 from DELETE {STATUS})",
        ),
        (
            httpx.Response(404, html=TRACE),
            f"The address answered text/html (HTTP 404), {NOT_LOOPIN} {FOREIGN} "
            f"(HTTP 404 from DELETE {STATUS})",
        ),
        (
            httpx.Response(302, headers={"Location": "/login"}),
            "The address is redirected to /login (HTTP 302), and redirects are not followed, "
            "so that the key goes nowhere else. If the LoopIn API is there, use that address. "
            f"{FOREIGN} (HTTP 302 from DELETE {STATUS})",
        ),
        (
            httpx.Response(502, html=TRACE),
            f"The request failed.{DOUBT} The LoopIn API has a fault or is restarting: wait a "
            f"minute before the next call. (HTTP 502 from DELETE {STATUS})",
        ),
        (
            httpx.ReadTimeout(""),
            "The LoopIn API did not answer within 10 s. Check that it is healthy, or give it more "
            f"time.{DOUBT} {ABSENT} (DELETE {STATUS})",
        ),
        (
            httpx.DecodingError("it is odd"),
            "The answer of the LoopIn API cannot be read: it is odd. Check the API and any proxy "
            f"before it.{DOUBT} {ABSENT} (DELETE {STATUS})",
        ),
        (
            httpx.ReadError(""),
            "The LoopIn API broke off its answer: the connection was lost. Check the API and any "
            f"proxy before it.{DOUBT} {ABSENT} (DELETE {STATUS})",
        ),
    ],
)
async def test_tool_error_says_what_happened_and_what_to_do(
    answer: httpx.Response | httpx.RequestError, text: str
) -> None:
    respx.route().mock(side_effect=[answer])
    async with Client(create_server(Settings(api_url=URL, user_id="u"))) as client:
        assert await refusal(client, "cancel_interrupt", interruptId="int-1") == text


async def test_host_that_cannot_be_used_is_told_by_the_name_of_its_setting() -> None:
    server = create_server(Settings.load({"LOOPIN_API_URL": "http://999.1.1.1"}))
    async with Client(server) as client:
        text = await refusal(client, "get_interrupt_status", interruptId="x")

    assert text == (
        "LOOPIN_API_URL has a host that cannot be connected to: check it. Nothing is approved: do "
        "not act."
    )


@pytest.mark.parametrize("tool", ["create_interrupt", "get_interrupt_status"])
@pytest.mark.parametrize(
    ("answer", "end"),
    [
        (httpx.Response(401), " (HTTP 401 from "),
        (httpx.Response(404, html=TRACE), " (HTTP 404 from "),
        (httpx.Response(200, json={"status": "approved"}), " (HTTP 200 from "),
        (httpx.ConnectError(""), " ("),
        (httpx.ReadTimeout(""), " ("),
        (AWAY, " (HTTP 503 from "),
    ],
)
@respx.mock
async def test_error_of_a_tool_that_asks_says_that_nothing_is_approved(
    answer: httpx.Response | httpx.RequestError, end: str, tool: str
) -> None:
    respx.route().mock(side_effect=[answer] * 9)
    arguments = {"interruptId": "i"} if tool == "get_interrupt_status" else QUESTION
    async with Client(create_server(Settings(api_url=URL, user_id="u", agent_id="a"))) as client:
        text = await refusal(client, tool, **arguments)
        bad = await refusal(client, tool, interruptId="i", waitSeconds="soon", action="", note=1)

    said, last, request = text.partition("Nothing is approved: do not act.")
    assert said
    assert URL not in said
    assert last
    assert request[: len(end)] == end
    assert "Nothing is approved: do not act. Ignored unknown arguments: " in bad


@respx.mock
async def test_error_stays_short_however_long_the_id() -> None:
    respx.route().respond(404, json={"error": "Interrupt not found"})
    async with Client(create_server(Settings(api_url=URL, user_id="u"))) as client:
        text = await refusal(client, "cancel_interrupt", interruptId="x" * 20_000)

    assert len(text) < 600
