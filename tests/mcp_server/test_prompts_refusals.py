"""Errors of the prompts: bad arguments, an API that refuses, invalid settings."""

from typing import Any

import pytest
import respx
from mcp import Client

from loopin_mcp.errors import ConfigurationError
from loopin_mcp.mcp_server.tool_factory import PlainSpokenServer, prompt_of
from loopin_mcp.mcp_server.tools import create_server
from tests.support.prompts import URL, host, refusal
from tests.support.server import in_each_era


@in_each_era
@pytest.mark.parametrize(
    ("prompt", "arguments", "message"),
    [
        ("ask_before", {}, "actions is required."),
        ("ask_before", {"actions": " "}, "actions is required."),
        ("ask_before", {"actions": "."}, "actions is required."),
        ("ask_before", {"actions": "x" * 2001}, "actions must be at most 2000 characters."),
        ("review_pending", {"userId": "x" * 201}, "userId must be at most 200 characters."),
    ],
)
async def test_bad_arguments_are_refused_in_plain_words(
    era: str, prompt: str, arguments: dict[str, str], message: str
) -> None:
    async with host(era) as client:
        error = await refusal(client, prompt, **arguments)

    assert (error.code, error.message) == (-32602, f"{message} Correct that and call again.")


@in_each_era
async def test_unknown_prompt_is_refused(era: str) -> None:
    async with host(era, LOOPIN_TOOLS="list_pending_interrupts,get_interrupt_status") as client:
        error = await refusal(client, "ask_before", actions="pay")

    told = "Unknown prompt: ask_before. The prompts are review_pending."
    assert (error.code, error.message) == (-32602, told)


@in_each_era
@respx.mock
async def test_refusal_of_the_api_is_a_plain_error(era: str) -> None:
    respx.get(f"{URL}/interrupts/pending/u").respond(401, json={"error": "Unauthorized"})
    async with host(era) as client:
        error = await refusal(client, "review_pending")

    assert error.code == -32603
    assert error.message.startswith("Unauthorized. The API key is missing or wrong")
    assert "(HTTP 401 from GET https://loopin.example.com/" in error.message


async def test_missing_user_and_unusable_settings_are_plain_errors() -> None:
    async with host(LOOPIN_USER_ID="") as client:
        nobody = await refusal(client, "review_pending")
    async with Client(create_server(ConfigurationError("LOOPIN_API_URL is wrong."))) as client:
        unusable = await refusal(client, "review_pending", userId="u")

    assert nobody.message == "userId is required: give it, or set LOOPIN_USER_ID."
    assert unusable.message == "LOOPIN_API_URL is wrong."


async def test_crash_tells_nothing_of_itself() -> None:
    async def boom() -> str:
        """Crash."""
        raise RuntimeError("secret")

    server: PlainSpokenServer[Any] = PlainSpokenServer("crashing")
    server.add_prompt(prompt_of(boom, "Boom"))
    async with Client(server) as client:
        error = await refusal(client, "boom")

    assert "secret" not in error.message
