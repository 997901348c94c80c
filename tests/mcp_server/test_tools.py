"""The six tools through the SDK's in-memory client, in both protocol eras."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from mcp import Client
from mcp.shared.exceptions import MCPError
from mcp_types import ToolAnnotations
from pydantic import BaseModel

from loopin_mcp.errors import ConfigurationError
from loopin_mcp.mcp_server.tool_factory import PlainSpokenServer, tool_of
from loopin_mcp.mcp_server.tools import create_server
from loopin_mcp.settings.settings import TOOLS, Settings
from tests.support.server import call, refusal

GOLDEN = Path(__file__).parents[1] / "golden" / "tools.json"


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


async def test_every_argument_and_every_field_of_a_result_has_a_description(mcp: Client) -> None:
    listed = await mcp.list_tools()

    fields = [
        (f"{tool.name}: {name}", field)
        for tool in listed.tools
        for schema in (tool.input_schema, tool.output_schema or {})
        for name, field in fields_of(schema)
    ]
    assert [name for name, field in fields if not field.get("description")] == []
    assert len(fields) > 50


def fields_of(schema: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """The fields of a schema and of its definitions."""
    for name, part in schema.items():
        if name == "properties":
            yield from part.items()
        if isinstance(part, dict):
            yield from fields_of(part)


async def test_instructions_fit_and_name_the_workflow() -> None:
    async with Client(create_server(Settings())) as client:
        instructions = client.instructions or ""
    assert len(instructions.encode()) <= 2048
    steps = ["create_interrupt", "reviewUrl", "get_interrupt_status", "waitSeconds", "approved"]
    positions = [instructions.index(step) for step in [*steps, "decide_interrupt"]]
    assert positions == sorted(positions)


async def test_instructions_name_no_tool_for_deciding_where_none_is_offered() -> None:
    tools = tuple(name for name in TOOLS if name != "decide_interrupt")
    async with Client(create_server(Settings(tools=tools))) as client:
        instructions = client.instructions or ""
    assert "Never approve your own\nrequest." in instructions
    assert "decide_interrupt" not in instructions


async def test_approval_goes_from_question_to_answer(mcp: Client) -> None:
    created = await call(mcp, "create_interrupt", action="Pay", context={"amount": 1})
    pending = await call(
        mcp, "get_interrupt_status", interruptId=created["interruptId"], waitSeconds=0
    )
    listed = await call(mcp, "list_pending_interrupts")
    decided = await call(
        mcp,
        "decide_interrupt",
        interruptId=created["interruptId"],
        decision="approved",
        reason="Nil",
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
        "urgency": "medium",
        "createdAt": pending["createdAt"],
        "expiresAt": created["expiresAt"],
        "reviewUrl": created["reviewUrl"],
    }
    assert created["status"] == "pending"
    assert pending == interrupt | {
        "payloadDigest": status["payloadDigest"],
        "eventsHead": pending["eventsHead"],
        "approved": False,
        "nextStep": pending["nextStep"],
    }
    assert "do not act" in pending["nextStep"]
    assert listed == {"userId": "u", "count": 1, "interrupts": [interrupt]}
    assert decided["status"] == "resolved"
    assert status == interrupt | {
        "context": {"amount": 1},
        "status": "approved",
        "decision": "approved",
        "decidedAt": decided["decidedAt"],
        "settledAt": decided["decidedAt"],
        "decidedBy": "api-key",
        "decidedVia": "mcp",
        "reason": "Nil",
        "modifiedParams": {"amount": 2},
        "payloadDigest": pending["payloadDigest"],
        "eventsHead": status["eventsHead"],
        "approved": True,
        "nextStep": status["nextStep"],
    }
    assert "modifiedParams" in status["nextStep"]
    assert pending["eventsHead"] != status["eventsHead"]
    assert analytics["byStatus"] == {"approved": 1}
    assert analytics["avgResponseTimeMs"] >= 0


@pytest.mark.parametrize(
    ("ending", "next_step"),
    [
        ("rejected", "A rejection was recorded through an MCP server: do not act"),
        ("cancelled", "The interrupt was cancelled: do not act"),
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
    assert again.startswith(f"Cannot cancel an interrupt with status: {ending}. ")
    assert "get_interrupt_status" in again


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
        with pytest.raises(MCPError) as refused:
            await client.call_tool("decide_interrupt", {"interruptId": "x"})

    assert listed == ["get_interrupt_status", "create_interrupt"]
    assert refused.value.code == -32602
    known = "The tools are get_interrupt_status, create_interrupt."
    assert refused.value.message == f"Unknown tool: decide_interrupt. {known}"


async def test_unusable_settings_are_told_by_every_call() -> None:
    server = create_server(ConfigurationError("LOOPIN_API_URL is wrong."))
    async with Client(server) as client:
        text = await refusal(client, "get_interrupt_status", interruptId="x")

    assert text == "LOOPIN_API_URL is wrong. Nothing is approved: do not act."


async def test_unusable_data_directory_is_told_by_every_call(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("in the way")
    server = create_server(Settings(data_dir=tmp_path / "data", port=0))
    async with Client(server) as client:
        texts = [await refusal(client, "get_interrupt_analytics") for _ in range(2)]

    assert "LOOPIN_DATA_DIR" in texts[0]
    assert texts[0] == texts[1]


async def test_crash_tells_nothing_of_itself() -> None:
    class Nothing(BaseModel):
        """The result."""

    async def boom() -> Nothing:
        """Crash."""
        raise RuntimeError("secret")

    tool = tool_of(boom, "Boom", ToolAnnotations())
    server: PlainSpokenServer[Any] = PlainSpokenServer("crashing", tools=[tool])
    async with Client(server) as client:
        text = await refusal(client, "boom")

    assert "secret" not in text
