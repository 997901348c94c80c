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
            f"Interrupt not found (HTTP 404 from DELETE {STATUS}). Check the interruptId: it must "
            "be one that create_interrupt returned on this API.",
        ),
        (
            httpx.Response(404, html=TRACE),
            f"DELETE {STATUS} answered text/html (HTTP 404), {NOT_LOOPIN} {FOREIGN}",
        ),
        (
            httpx.Response(302, headers={"Location": "/login"}),
            f"DELETE {STATUS} is redirected to /login (HTTP 302), and redirects are not followed, "
            "so that the key goes nowhere else. If the LoopIn API is there, use that address. "
            f"{FOREIGN}",
        ),
        (
            httpx.Response(502, html=TRACE),
            f"The request failed (HTTP 502 from DELETE {STATUS}).{DOUBT} The LoopIn API has a "
            "fault or is restarting: wait a minute before the next call.",
        ),
        (
            httpx.ReadTimeout(""),
            f"The LoopIn API at {URL} did not answer DELETE /interrupts/int-1 within 10 s. Check "
            f"that it is healthy, or give it more time.{DOUBT} {ABSENT}",
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

    assert text == "LOOPIN_API_URL has a host that cannot be connected to: check it."
