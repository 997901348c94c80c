"""The tools with a remote API: the requests, and how answers are reported."""

import json
from typing import Any

import anyio
import pytest
import respx
from mcp import Client
from mcp_types import Implementation

from loopin_mcp.mcp_server.tools import create_server
from loopin_mcp.settings.settings import Settings
from tests.support import PATIENCE_S
from tests.support.server import HOST, call, refusal

URL = "https://loopin.example.com/prefix"


def remote(**settings: Any) -> Client:  # noqa: ANN401 - any setting
    """A client of a server with a remote API."""
    fixed = {"api_url": URL, "api_key": "k", "user_id": "u"} | settings
    return Client(create_server(Settings(**fixed)), client_info=HOST)


@respx.mock
async def test_remote_api_gets_the_key_and_the_defaults_of_the_settings() -> None:
    route = respx.post(f"{URL}/interrupts").respond(
        201, json={"interruptId": "i", "status": "pending", "expiresAt": "2030-01-01T00:00:00Z"}
    )
    async with remote(agent_id="a") as client:
        created = await call(client, "create_interrupt", action="Pay", context={})

    request = route.calls.last.request
    assert request.headers["X-API-Key"] == "k"
    assert json.loads(request.content) == {
        "agentId": "a",
        "userId": "u",
        "action": "Pay",
        "context": {},
        "urgency": "medium",
        "expiresIn": 3600,
    }
    assert (created["interruptId"], created["expiresAt"]) == ("i", "2030-01-01T00:00:00.000Z")


@respx.mock
async def test_remote_api_needs_a_named_user_or_a_default() -> None:
    async with remote(user_id=None) as client:
        texts = {
            await refusal(client, "create_interrupt", action="Pay", context={}),
            await refusal(client, "list_pending_interrupts"),
            await refusal(client, "get_interrupt_analytics"),
        }

    missing = "userId is required: give it, or set LOOPIN_USER_ID."
    assert texts == {missing, f"{missing} Nothing is approved: do not act."}


@respx.mock
async def test_client_without_a_name_has_to_name_the_agent() -> None:
    server = create_server(Settings(api_url=URL, user_id="u"))
    async with Client(server, client_info=Implementation(name=" ", version="1")) as client:
        text = await refusal(client, "create_interrupt", action="Pay", context={})

    assert text.startswith("agentId is required: give it, or set LOOPIN_AGENT_ID.")


@pytest.mark.parametrize(
    ("name", "title", "agent"),
    [
        ("codex-mcp-client", None, "Codex"),
        ("@cline/core", None, "Cline"),
        ("claude-code", None, "Claude Code"),
        ("gemini-cli-mcp-client", None, "Gemini CLI"),
        ("mcp", " ", "MCP client"),
        ("acme-agent", "Acme\n Agent", "Acme Agent"),
        ("@acme/bot-client", None, "bot"),
        ("@acme/sdk", None, "acme"),
        ("acme/robot", None, "robot"),
        ("Paul's Bot", None, "Paul's Bot"),
        ("-client", None, "-client"),
        ("x" * 300, None, "x" * 200),
    ],
)
@respx.mock
async def test_agent_has_the_plain_name_of_its_client(
    name: str, title: str | None, agent: str
) -> None:
    route = respx.post(f"{URL}/interrupts").respond(
        201, json={"interruptId": "i", "status": "pending", "expiresAt": "2030-01-01T00:00:00Z"}
    )
    client_info = Implementation(name=name, title=title, version="1")
    server = create_server(Settings(api_url=URL, user_id="u"))
    async with Client(server, client_info=client_info) as client:
        await call(client, "create_interrupt", action="Pay", context={})

    assert json.loads(route.calls.last.request.content)["agentId"] == agent


@respx.mock
async def test_unknown_status_of_another_server_is_no_approval() -> None:
    respx.get(f"{URL}/interrupts/i").respond(
        200, json={"id": "i", "status": "resolved", "action": "Pay", "decision": "approved"}
    )
    async with remote() as client:
        status = await call(client, "get_interrupt_status", interruptId="i")

    assert status["approved"] is False
    assert (
        status["nextStep"] == "This status is unknown here, so it is not an approval: do not act."
    )


@respx.mock
async def test_wait_is_cut_at_the_cap_and_ends_with_pending() -> None:
    respx.get(f"{URL}/interrupts/i").respond(
        200, json={"interruptId": "i", "status": "pending", "action": "Pay"}
    )
    with anyio.fail_after(PATIENCE_S):
        async with remote(max_wait_s=0.01) as client:
            status = await call(client, "get_interrupt_status", interruptId="i", waitSeconds=3600)

    assert (status["status"], status["approved"]) == ("pending", False)
    assert "waitSeconds" in status["nextStep"]


@respx.mock
async def test_refusal_of_the_api_is_a_tool_error_in_plain_words() -> None:
    respx.route().respond(401, json={"error": "Unauthorized"})
    async with remote() as client:
        text = await refusal(client, "cancel_interrupt", interruptId="i")

    assert text == (
        "Unauthorized. The API key is missing or wrong: ask the user to set LOOPIN_API_KEY to the "
        "key of this LoopIn API and to restart the MCP server. "
        f"(HTTP 401 from DELETE {URL}/interrupts/i)"
    )
