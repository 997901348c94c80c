"""The six tools through the SDK's in-memory client, in both protocol eras."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import anyio
import pytest
import respx
from mcp import Client
from mcp_types import CallToolResult, Implementation, TextContent

from loopin_mcp.errors import ConfigurationError
from loopin_mcp.server import INSTRUCTIONS, create_server
from loopin_mcp.settings import TOOLS, Settings
from tests.support import PATIENCE_S

ERAS = {"legacy": "2025-11-25", "2026-07-28": "2026-07-28"}
URL = "https://loopin.example.com/prefix"
HOST = Implementation(name="test-host", version="1")
GOLDEN = Path(__file__).with_name("golden") / "tools.json"


@pytest.fixture(params=ERAS)
async def mcp(
    request: pytest.FixtureRequest, tmp_path: Path, anyio_backend: str
) -> AsyncIterator[Client]:
    """A client of a server with the embedded API, in each era."""
    server = create_server(Settings(data_dir=tmp_path / "data", port=0, user_id="u"))
    async with Client(server, mode=request.param, client_info=HOST) as client:
        assert client.protocol_version == ERAS[request.param]
        yield client


def remote(**settings: Any) -> Client:  # noqa: ANN401 - any setting
    """A client of a server with a remote API."""
    fixed = {"api_url": URL, "api_key": "k", "user_id": "u"} | settings
    return Client(create_server(Settings(**fixed)), client_info=HOST)


async def call(mcp: Client, name: str, **arguments: Any) -> dict[str, Any]:  # noqa: ANN401
    result = await mcp.call_tool(name, arguments)
    assert result.is_error is False, result
    content: dict[str, Any] = result.structured_content
    assert json.loads(text_of(result)) == content
    return content


async def refusal(mcp: Client, name: str, **arguments: Any) -> str:  # noqa: ANN401
    result = await mcp.call_tool(name, arguments)
    assert result.is_error is True, result
    assert result.structured_content is None
    return text_of(result)


def text_of(result: CallToolResult) -> str:
    [content] = result.content
    assert isinstance(content, TextContent)
    return content.text


async def test_tools_are_as_agreed() -> None:
    async with Client(create_server(Settings())) as client:
        listed = await client.list_tools()
    tools = [
        tool.model_dump(mode="json", by_alias=True, exclude_none=True) for tool in listed.tools
    ]

    assert tools == json.loads(GOLDEN.read_text(encoding="utf-8"))


async def test_tool_list_is_lean_and_complete(mcp: Client) -> None:
    listed = await mcp.list_tools()

    assert [tool.name for tool in listed.tools] == list(TOOLS)
    assert len(listed.model_dump_json(by_alias=True, exclude_none=True)) <= 12 * 1024
    for tool in listed.tools:
        assert tool.title
        assert tool.output_schema
        assert len((tool.description or "").encode()) <= 2048
        assert tool.annotations is not None
        hints = tool.annotations.model_dump(exclude={"title"})
        assert None not in hints.values(), tool.name


async def test_instructions_fit_and_name_the_workflow() -> None:
    async with Client(create_server(Settings())) as client:
        assert client.instructions == INSTRUCTIONS
    assert len(INSTRUCTIONS.encode()) <= 2048
    steps = ["create_interrupt", "reviewUrl", "get_interrupt_status", "waitSeconds", "approved"]
    positions = [INSTRUCTIONS.index(step) for step in steps]
    assert positions == sorted(positions)


async def test_approval_goes_from_question_to_answer(mcp: Client) -> None:
    created = await call(mcp, "create_interrupt", action="Pay", context={"amount": 1})
    pending = await call(mcp, "get_interrupt_status", interruptId=created["interruptId"])
    listed = await call(mcp, "list_pending_interrupts")
    decided = await call(
        mcp,
        "decide_interrupt",
        interruptId=created["interruptId"],
        decision="approved",
        reason="null",
        modifiedParams={"amount": 2},
    )
    status = await call(mcp, "get_interrupt_status", interruptId=created["interruptId"])
    analytics = await call(mcp, "get_interrupt_analytics")

    interrupt = {
        "interruptId": created["interruptId"],
        "agentId": "test-host",
        "userId": "u",
        "status": "pending",
        "action": "Pay",
        "context": {"amount": 1},
        "urgency": "medium",
        "createdAt": pending["createdAt"],
        "expiresAt": created["expiresAt"],
        "reviewUrl": created["reviewUrl"],
    }
    assert created["status"] == "pending"
    assert pending == interrupt | {"approved": False, "nextStep": pending["nextStep"]}
    assert "do not act" in pending["nextStep"]
    assert listed == {"userId": "u", "count": 1, "interrupts": [interrupt]}
    assert decided["status"] == "resolved"
    assert status == interrupt | {
        "status": "approved",
        "decision": "approved",
        "decidedAt": decided["decidedAt"],
        "decidedBy": "api-key",
        "reason": "null",
        "modifiedParams": {"amount": 2},
        "approved": True,
        "nextStep": status["nextStep"],
    }
    assert "modifiedParams" in status["nextStep"]
    assert analytics["byStatus"] == {"approved": 1}
    assert analytics["avgResponseTimeMs"] >= 0


@pytest.mark.parametrize(
    ("ending", "next_step"),
    [
        ("rejected", "A human rejected this: do not act"),
        ("cancelled", "The question was withdrawn: do not act"),
    ],
)
async def test_anything_but_an_approval_is_not_approved(
    mcp: Client, ending: str, next_step: str
) -> None:
    created = await call(mcp, "create_interrupt", action="Pay", context={})
    if ending == "cancelled":
        receipt = await call(mcp, "cancel_interrupt", interruptId=created["interruptId"])
        assert receipt["status"] == "cancelled"
    else:
        await call(mcp, "decide_interrupt", interruptId=created["interruptId"], decision="rejected")

    status = await call(mcp, "get_interrupt_status", interruptId=created["interruptId"])
    again = await refusal(mcp, "cancel_interrupt", interruptId=created["interruptId"])

    assert (status["status"], status["approved"]) == (ending, False)
    assert status["nextStep"].startswith(next_step)
    assert f"The interrupt's status is now {ending}." in again
    assert "get_interrupt_status" in again


async def test_snake_case_null_and_quoted_objects_are_taken(mcp: Client) -> None:
    created = await call(
        mcp,
        "create_interrupt",
        action="Pay",
        context='{"amount": [1]}',
        agent_id="[1]",
        user_id="null",
        expires_in=60.0,
        callback_url=None,
    )
    interrupt_id = created["interruptId"]
    await call(
        mcp,
        "decide_interrupt",
        interrupt_id=interrupt_id,
        decision="rejected",
        reason='{"a": 1}',
        modified_params='{"b": 2}',
    )
    status = await call(mcp, "get_interrupt_status", interrupt_id=interrupt_id, wait_seconds=0)

    assert status["context"] == {"amount": [1]}
    assert (status["agentId"], status["userId"]) == ("[1]", "null")
    assert (status["reason"], status["modifiedParams"]) == ('{"a": 1}', {"b": 2})


@pytest.mark.parametrize(
    ("tool", "arguments", "text"),
    [
        ("create_interrupt", {}, "action is required; context is required."),
        ("create_interrupt", {"action": None, "context": {}}, "action is required."),
        (
            "create_interrupt",
            {"action": " ", "context": "text", "userId": 5, "expiresIn": True, "zz": 1},
            "action must not be blank and must not contain NUL; context must be a JSON object; "
            "userId must be a string; expiresIn must be an integer; zz is not a known field.",
        ),
        (
            "create_interrupt",
            {"action": "Pay", "context": "NaN", "agent_id": "x" * 201, "callbackUrl": "x"},
            "context must be a JSON object; agentId must be at most 200 characters; "
            "callbackUrl must be an http or https URL with a host.",
        ),
        (
            "decide_interrupt",
            {"interruptId": "x", "decision": "yes"},
            "decision must be 'approved' or 'rejected'.",
        ),
        (
            "get_interrupt_status",
            {"interruptId": "x", "waitSeconds": -1},
            "waitSeconds must be at least 0.",
        ),
        ("list_pending_interrupts", {"limit": 201}, "limit must be at most 200."),
    ],
)
async def test_bad_arguments_are_named_as_the_wire_spells_them(
    mcp: Client, tool: str, arguments: dict[str, Any], text: str
) -> None:
    assert await refusal(mcp, tool, **arguments) == f"{text} Mend that and call again."


@pytest.mark.parametrize("interrupt_id", ["../analytics/u", "../interrupts?x=", "a/b", "é", "%2e"])
async def test_no_id_leads_to_another_resource(mcp: Client, interrupt_id: str) -> None:
    await call(mcp, "create_interrupt", action="Pay", context={})

    texts = [
        await refusal(mcp, "get_interrupt_status", interruptId=interrupt_id),
        await refusal(mcp, "decide_interrupt", interruptId=interrupt_id, decision="approved"),
        await refusal(mcp, "cancel_interrupt", interruptId=interrupt_id),
    ]

    assert all(text.startswith("Interrupt not found (HTTP 404") for text in texts)
    assert (await call(mcp, "get_interrupt_analytics"))["byStatus"] == {"pending": 1}


@pytest.mark.parametrize("interrupt_id", ["", ".", ".."])
async def test_ids_that_are_no_segment_are_refused(mcp: Client, interrupt_id: str) -> None:
    text = await refusal(mcp, "get_interrupt_status", interruptId=interrupt_id)

    assert text.startswith("interruptId must not be empty, '.' or '..'.")


async def test_list_goes_on_at_the_cursor(mcp: Client) -> None:
    for _ in range(3):
        await call(mcp, "create_interrupt", action="Pay", context={})

    first = await call(mcp, "list_pending_interrupts", limit=2)
    second = await call(mcp, "list_pending_interrupts", limit=2, cursor=first["nextCursor"])

    assert (first["count"], second["count"]) == (2, 1)
    assert "nextCursor" not in second
    ids = {item["interruptId"] for page in (first, second) for item in page["interrupts"]}
    assert len(ids) == 3


async def test_offered_tools_are_those_that_were_asked_for() -> None:
    settings = Settings.load({"LOOPIN_TOOLS": "get_interrupt_status, create_interrupt"})
    async with Client(create_server(settings)) as client:
        listed = [tool.name for tool in (await client.list_tools()).tools]
        text = await refusal(client, "decide_interrupt", interruptId="x", decision="approved")

    assert listed == ["get_interrupt_status", "create_interrupt"]
    assert text == "Unknown tool: decide_interrupt"


async def test_unusable_settings_are_told_by_every_call() -> None:
    server = create_server(ConfigurationError("LOOPIN_API_URL is wrong."))
    async with Client(server) as client:
        text = await refusal(client, "get_interrupt_status", interruptId="x")

    assert text == "LOOPIN_API_URL is wrong."


async def test_unusable_data_directory_is_told_by_every_call(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("in the way")
    server = create_server(Settings(data_dir=tmp_path / "data", port=0))
    async with Client(server) as client:
        texts = [await refusal(client, "get_interrupt_analytics") for _ in range(2)]

    assert "LOOPIN_DATA_DIR" in texts[0]
    assert texts[0] == texts[1]


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

    assert texts == {"userId is required: give it, or set LOOPIN_USER_ID."}


@respx.mock
async def test_client_without_a_name_has_to_name_the_agent() -> None:
    server = create_server(Settings(api_url=URL, user_id="u"))
    async with Client(server, client_info=Implementation(name=" ", version="1")) as client:
        text = await refusal(client, "create_interrupt", action="Pay", context={})

    assert text == "agentId is required: give it, or set LOOPIN_AGENT_ID."


@respx.mock
async def test_unknown_status_of_another_server_is_no_approval() -> None:
    respx.get(f"{URL}/interrupts/i").respond(
        200, json={"id": "i", "status": "resolved", "action": "Pay", "decision": "approved"}
    )
    async with remote() as client:
        status = await call(client, "get_interrupt_status", interruptId="i")

    assert status["approved"] is False
    assert status["nextStep"] == "The status is not known here, so it is no approval: do not act."


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
        f"Unauthorized (HTTP 401 from DELETE {URL}/interrupts/i). The API key is missing or wrong: "
        "ask the user to set LOOPIN_API_KEY to the key of this LoopIn API and to restart the MCP "
        "server."
    )
