"""What the server declares to hosts of both eras, and what requests that break the protocol get."""

import base64
import json
import struct
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import anyio
import pytest
from mcp.server.runner import serve_dual_era_loop
from mcp.shared.message import SessionMessage

from loopin_mcp.mcp_server.stdio.lines import Lines, line_of
from loopin_mcp.mcp_server.tools import create_server
from loopin_mcp.settings.settings import Settings
from tests.support.host import ENVELOPE, LEGACY, MODERN, Message

INFO = "io.modelcontextprotocol/serverInfo"
HANDSHAKE: Message = {
    "protocolVersion": LEGACY,
    "capabilities": {},
    "clientInfo": {"name": "raw-host", "version": "1"},
}
Ask = Callable[..., Any]


@asynccontextmanager
async def host(tools: str = "") -> AsyncIterator[Ask]:
    """A raw host of the server, in the same process."""
    server = create_server(Settings.load({"LOOPIN_TOOLS": tools}))._lowlevel_server
    to_server, from_host = anyio.create_memory_object_stream[SessionMessage | Exception](9)
    to_host, from_server = anyio.create_memory_object_stream[SessionMessage](9)
    lines = Lines()

    async def ask(method: str, params: Message | None = None, *, note: bool = False) -> Message:
        ids = {} if note else {"id": 1}
        line = json.dumps({"jsonrpc": "2.0", **ids, "method": method, "params": params})
        message = lines.read(line.encode())
        assert message is not None
        await to_server.send(SessionMessage(message))
        if note:
            return {}
        answer: Message = json.loads(line_of((await from_server.receive()).message))
        return answer

    async with server.lifespan(server) as state, anyio.create_task_group() as tasks:
        tasks.start_soon(
            lambda: serve_dual_era_loop(server, from_host, to_host, lifespan_state=state)
        )
        async with to_server, from_server:
            yield ask


def era_of(era: str) -> Message:
    """The parameters of every request of an era."""
    return {"_meta": ENVELOPE} if era == MODERN else {}


async def begin(ask: Ask, era: str) -> None:
    if era == LEGACY:
        await ask("initialize", HANDSHAKE)


async def server_info(ask: Ask, era: str) -> tuple[Message, Message]:
    """The first answer that a host of an era gets, and what the server says of itself in it."""
    if era == LEGACY:
        result = (await ask("initialize", HANDSHAKE))["result"]
        return result, result["serverInfo"]
    result = (await ask("server/discover", era_of(era)))["result"]
    return result, result["_meta"][INFO]


@pytest.fixture(params=[LEGACY, MODERN])
def era(request: pytest.FixtureRequest) -> str:
    version: str = request.param
    return version


async def test_server_says_who_it_is(era: str) -> None:
    async with host() as ask:
        first, info = await server_info(ask, era)

    assert (info["name"], info["title"]) == ("loopin-mcp", "LoopIn")
    assert info["websiteUrl"].startswith("https://")
    assert info["version"]
    assert len(first["instructions"].encode()) <= 2048


async def test_only_tools_and_prompts_are_declared(era: str) -> None:
    async with host() as ask:
        first, _ = await server_info(ask, era)

    assert first["capabilities"] == {
        "tools": {"listChanged": False},
        "prompts": {"listChanged": False},
    }


def decoded(icon: Message) -> bytes:
    prefix = f"data:{icon['mimeType']};base64,"
    assert icon["src"].startswith(prefix)
    return base64.b64decode(icon["src"].removeprefix(prefix), validate=True)


async def test_icon_is_an_svg_and_a_png_that_come_along(era: str) -> None:
    async with host() as ask:
        first, info = await server_info(ask, era)

    svg, png = info["icons"]
    assert (svg["mimeType"], svg["sizes"]) == ("image/svg+xml", ["any"])
    assert (png["mimeType"], png["sizes"]) == ("image/png", ["48x48"])
    drawing, pixels = (decoded(icon) for icon in (svg, png))
    assert drawing.startswith(b'<svg xmlns="http://www.w3.org/2000/svg" viewBox=')
    assert pixels.startswith(b"\x89PNG\r\n\x1a\n")
    assert struct.unpack(">II", pixels[16:24]) == (48, 48)
    assert len(json.dumps(first)) < 6000


async def test_icon_is_not_repeated_in_other_results() -> None:
    async with host() as ask:
        listed = (await ask("prompts/list", era_of(MODERN)))["result"]

    assert listed["_meta"][INFO]["name"] == "loopin-mcp"
    assert "icons" not in listed["_meta"][INFO]


async def test_discover_names_every_version_that_is_served() -> None:
    async with host() as ask:
        discovered = (await ask("server/discover", era_of(MODERN)))["result"]

    assert discovered["supportedVersions"][:2] == [MODERN, LEGACY]
    for version in discovered["supportedVersions"][1:]:
        async with host() as ask:
            begun = (await ask("initialize", HANDSHAKE | {"protocolVersion": version}))["result"]
            assert begun["protocolVersion"] == version
            assert "tools" in (await ask("tools/list"))["result"]


@pytest.mark.parametrize(
    "method", ["resources/list", "resources/templates/list", "resources/read", "logging/setLevel"]
)
async def test_method_that_is_not_served_is_not_found(era: str, method: str) -> None:
    params = {"uri": "file:///x", "level": "info"} | era_of(era)

    async with host() as ask:
        await begin(ask, era)
        error = (await ask(method, params))["error"]

    has = "This server has tools/list, tools/call, prompts/list and prompts/get."
    assert error["code"] == -32601
    assert error["message"] == f"Method not found: {method}. {has}"


async def test_subscription_is_not_found() -> None:
    async with host() as ask:
        error = (await ask("subscriptions/listen", {"notifications": {}, **era_of(MODERN)}))[
            "error"
        ]

    assert error["code"] == -32601


async def test_odd_method_name_is_shown_short_and_plain() -> None:
    async with host() as ask:
        await begin(ask, LEGACY)
        error = (await ask("x\x1b[2J" + "y" * 5_000))["error"]

    assert error["code"] == -32601
    assert len(error["message"]) < 250
    assert "\x1b" not in error["message"]


async def test_unknown_name_is_refused_with_those_that_are_known(era: str) -> None:
    async with host("get_interrupt_status") as ask:
        await begin(ask, era)
        tool = (await ask("tools/call", {"name": "pay", **era_of(era)}))["error"]
        prompt = (await ask("prompts/get", {"name": "pay", **era_of(era)}))["error"]

    assert (tool["code"], prompt["code"]) == (-32602, -32602)
    assert tool["message"] == "Unknown tool: pay. The tools are get_interrupt_status."
    assert prompt["message"] == "Unknown prompt: pay. The prompts are review_pending."


@pytest.mark.parametrize(
    "method", ["tools/list", "prompts/list", "resources/list", "resources/templates/list"]
)
async def test_cursor_that_no_list_gave_is_refused(era: str, method: str) -> None:
    async with host() as ask:
        await begin(ask, era)
        error = (await ask(method, {"cursor": "x", **era_of(era)}))["error"]

    assert error["code"] == -32602
    assert error["message"] == "Unknown cursor: this list has one page. Leave cursor out."


async def test_empty_cursor_counts_as_left_out(era: str) -> None:
    async with host() as ask:
        await begin(ask, era)
        listed = [await ask("tools/list", {"cursor": c, **era_of(era)}) for c in ("", None)]

    assert [len(answer["result"]["tools"]) for answer in listed] == [6, 6]


async def test_request_before_initialize_is_told_to_send_it() -> None:
    async with host() as ask:
        early = (await ask("tools/list"))["error"]
        ping = await ask("ping")
        await begin(ask, LEGACY)
        listed = await ask("tools/list")

    assert early["code"] == -32602
    assert early["message"].startswith("Send initialize first, then notifications/initialized")
    assert ping["result"] == {}
    assert "result" in listed


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"clientInfo": {"name": "x"}}, "params.clientInfo.version is required."),
        ({"clientInfo": None}, "params.clientInfo is required."),
        ({"clientInfo": "x"}, "params.clientInfo must be a JSON object."),
        ({"protocolVersion": None}, "params.protocolVersion is required."),
        ({"protocolVersion": 1}, "params.protocolVersion must be a string."),
        (
            {"clientInfo": {}, "capabilities": {"roots": 5}},
            "params.capabilities.roots must be a JSON object; params.clientInfo.name is required; "
            "params.clientInfo.version is required.",
        ),
    ],
)
async def test_fault_of_initialize_is_named(changes: Message, fault: str) -> None:
    async with host() as ask:
        error = (await ask("initialize", HANDSHAKE | changes))["error"]
        again = await ask("initialize", HANDSHAKE)

    assert (error["code"], error["message"]) == (-32602, fault)
    assert "result" in again


async def test_capabilities_can_be_left_out_or_written_as_an_array() -> None:
    written: list[object] = [None, []]
    for capabilities in written:
        async with host() as ask:
            begun = await ask("initialize", HANDSHAKE | {"capabilities": capabilities})
        assert begun["result"]["protocolVersion"] == LEGACY


@pytest.mark.parametrize("arguments", [[], None, {}])
async def test_empty_arguments_however_written_are_the_same(era: str, arguments: object) -> None:
    async with host() as ask:
        await begin(ask, era)
        call = {"name": "get_interrupt_status", "arguments": arguments, **era_of(era)}
        result = (await ask("tools/call", call))["result"]
        prompt = {"name": "ask_before", "arguments": arguments, **era_of(era)}
        refused = (await ask("prompts/get", prompt))["error"]

    assert result["isError"] is True
    assert result["content"][0]["text"].startswith("interruptId is required")
    assert " is required" in refused["message"]


@pytest.mark.parametrize("arguments", ["x", 5, [1]])
async def test_arguments_that_are_no_object_are_refused(era: str, arguments: object) -> None:
    async with host() as ask:
        await begin(ask, era)
        call = {"name": "get_interrupt_status", "arguments": arguments, **era_of(era)}
        error = (await ask("tools/call", call))["error"]

    assert error["code"] == -32602
    assert error["message"] == "params.arguments must be a JSON object."


async def test_notifications_are_not_checked(caplog: pytest.LogCaptureFixture) -> None:
    async with host() as ask:
        await begin(ask, LEGACY)
        await ask("tools/call", {"name": "unknown"}, note=True)
        await ask("tools/list", {"cursor": "x"}, note=True)
        pinged = await ask("ping")

    assert pinged["result"] == {}
    assert [record for record in caplog.records if record.levelname == "ERROR"] == []
