"""The tools for hosts: who is offered them, and what they say about a tool call."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest
from mcp import Client
from mcp.shared.exceptions import MCPError
from mcp_types import Implementation

from loopin_mcp import Decision, LoopinClient
from loopin_mcp.errors import ConfigurationError
from loopin_mcp.mcp_server import gate_tools
from loopin_mcp.mcp_server.tools import create_server
from loopin_mcp.settings.embedded_files import load_api_key
from loopin_mcp.settings.settings import GATE_TOOLS, TOOLS, Settings, Switch
from tests.support import PATIENCE_S
from tests.support.server import ERAS, call, in_each_era, text_of

CLAUDE_CODE = Implementation(name="claude-code", version="2.1", title="Claude Code")
CODEX = Implementation(name="codex-mcp-client", version="0.1")
BASH = {"tool_name": "Bash", "tool_input": '{"command": "ls"}', "session_id": "s-1", "cwd": "/w"}
PROMPT = {"tool_name": "Bash", "input": {"command": "ls"}, "tool_use_id": "toolu_1"}


@asynccontextmanager
async def client_of(
    settings: Settings | ConfigurationError, host: Implementation = CLAUDE_CODE, era: str = "legacy"
) -> AsyncIterator[Client]:
    async with Client(create_server(settings), mode=era, client_info=host) as client:
        assert client.protocol_version == ERAS[era]
        yield client


@pytest.fixture
async def claude(tmp_path: Path, anyio_backend: str) -> AsyncIterator[Client]:
    """Claude Code with a server that has the embedded API."""
    settings = Settings(data_dir=tmp_path / "data", port=0, user_id="u")
    async with client_of(settings) as client:
        yield client


async def ask(client: Client, tool: str, **arguments: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON
    """What a tool says: one text, and nothing beside it."""
    result = await client.call_tool(tool, arguments)
    assert result.is_error is False, result
    assert result.structured_content is None
    said: dict[str, Any] = json.loads(text_of(result))
    return said


async def answered(
    client: Client,
    data_dir: Path,
    tool: str,
    arguments: dict[str, Any],
    **decision: Any,  # noqa: ANN401 - JSON
) -> dict[str, Any]:
    """What a tool says when a human decides in another program while it waits."""
    found: list[dict[str, Any]] = []

    async def wait() -> None:
        found.append(await ask(client, tool, **arguments))

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(wait)
        with anyio.fail_after(PATIENCE_S):
            while not (page := await call(client, "list_pending_interrupts"))["count"]:
                await anyio.lowlevel.checkpoint()
        [interrupt] = page["interrupts"]
        url = interrupt["reviewUrl"].partition("/review/")[0]
        async with LoopinClient(url, load_api_key(data_dir)) as human:
            decided = Decision.model_validate(decision)
            await human.decide_interrupt(interrupt["interruptId"], decided)
    return found[0]


async def names(client: Client) -> tuple[str, ...]:
    return tuple(tool.name for tool in (await client.list_tools()).tools)


@in_each_era
@pytest.mark.parametrize(
    ("host", "gate", "is_offered"),
    [
        (CLAUDE_CODE, "auto", True),
        (Implementation(name="claude-code", version="1"), "auto", True),
        (CODEX, "auto", True),
        (Implementation(name="gemini-cli-mcp-client", version="1"), "auto", False),
        (Implementation(name="github-copilot-developer", version="1"), "auto", False),
        (Implementation(name="claude-ai", version="1"), "auto", False),
        (Implementation(name="claude-code-like", version="1"), "auto", False),
        (Implementation(name="gemini-cli-mcp-client", version="1"), "on", True),
        (CLAUDE_CODE, "off", False),
    ],
)
async def test_tools_are_offered_where_the_host_keeps_them_from_the_model(
    era: str, host: Implementation, gate: Switch, is_offered: bool
) -> None:
    async with client_of(Settings(gate=gate), host, era) as client:
        listed = await names(client)
        unknown = None
        try:
            await client.call_tool("gate_call", {})
        except MCPError as error:
            unknown = error.message

    assert listed == (TOOLS + GATE_TOOLS if is_offered else TOOLS)
    assert (unknown is None) is is_offered
    assert unknown is None or unknown.startswith("Unknown tool: gate_call. The tools are create_")


async def test_tools_are_marked_as_not_for_the_model(claude: Client) -> None:
    tools = {tool.name: tool for tool in (await claude.list_tools()).tools}

    for name in GATE_TOOLS:
        assert (tools[name].meta or {})["ui"] == {"visibility": ["app"]}
        assert tools[name].output_schema is None
        hints = tools[name].annotations
        assert hints is not None
        assert None not in hints.model_dump(exclude={"title"}).values()
    arguments = {name: [*tools[name].input_schema["properties"]] for name in GATE_TOOLS}
    assert arguments == {
        "permission_prompt": ["tool_name", "input", "tool_use_id"],
        "gate_call": [
            "tool_name",
            "tool_input",
            "session_id",
            "tool_use_id",
            "cwd",
            "hook_event_name",
        ],
    }


async def test_prompt_is_answered_by_a_human(claude: Client, tmp_path: Path) -> None:
    data = tmp_path / "data"
    allowed = await answered(claude, data, "permission_prompt", PROMPT, decision="approved")
    edits = {"decision": "approved", "modifiedParams": {"command": "pwd"}}
    edited = await answered(claude, data, "permission_prompt", PROMPT, **edits)
    denied = await answered(
        claude, data, "permission_prompt", PROMPT, decision="rejected", reason="No"
    )

    assert allowed == {"behavior": "allow", "updatedInput": {"command": "ls"}}
    assert edited == {"behavior": "allow", "updatedInput": {"command": "pwd"}}
    assert denied == {"behavior": "deny", "message": "A human rejected this in LoopIn: No"}


async def test_hook_is_answered_by_a_human(claude: Client, tmp_path: Path) -> None:
    data = tmp_path / "data"
    allowed = await answered(claude, data, "gate_call", BASH, decision="approved")
    denied = await answered(claude, data, "gate_call", BASH, decision="rejected")
    prompt = await ask(claude, "gate_call", **BASH, hook_event_name="PermissionRequest")

    assert allowed["hookSpecificOutput"]["permissionDecision"] == "allow"
    assert denied["hookSpecificOutput"]["permissionDecision"] == "deny"
    assert prompt["hookSpecificOutput"] == {
        "hookEventName": "PermissionRequest",
        "decision": {"behavior": "deny", "message": "A human rejected this in LoopIn."},
    }


@pytest.mark.parametrize("host", [CLAUDE_CODE, CODEX])
async def test_human_sees_the_host_and_the_session(tmp_path: Path, host: Implementation) -> None:
    settings = Settings(data_dir=tmp_path / "data", port=0, user_id="u")
    async with client_of(settings, host) as client, anyio.create_task_group() as tasks:
        tasks.start_soon(lambda: ask(client, "gate_call", **BASH))
        with anyio.fail_after(PATIENCE_S):
            while not (page := await call(client, "list_pending_interrupts"))["count"]:
                await anyio.lowlevel.checkpoint()
        tasks.cancel_scope.cancel()

    [interrupt] = page["interrupts"]
    name = "Codex" if host is CODEX else "Claude Code"
    assert interrupt["agentId"] == f"{name} (session s-1)"
    assert interrupt["action"] == "Run a shell command"


async def test_end_of_the_wait_denies(claude: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gate_tools, "WAIT_S", 0)

    denied = await ask(claude, "permission_prompt", **PROMPT)

    assert denied["behavior"] == "deny"
    assert "the same request" in denied["message"]


@pytest.mark.parametrize(
    "name", [name for name in (*TOOLS, *GATE_TOOLS) if name != "decide_interrupt"]
)
async def test_own_tools_are_not_asked_about(claude: Client, name: str) -> None:
    tool = f"mcp__loopin__{name}"

    prompt = await ask(claude, "permission_prompt", tool_name=tool, input={"a": 1})
    hook = await ask(claude, "gate_call", **BASH | {"tool_name": tool})

    assert prompt == {"behavior": "allow", "updatedInput": {"a": 1}}
    assert hook == {}
    assert (await call(claude, "list_pending_interrupts"))["count"] == 0


async def test_deciding_is_never_allowed_by_a_machine(claude: Client) -> None:
    tool = "mcp__plugin_loopin_loopin__decide_interrupt"

    prompt = await ask(claude, "permission_prompt", tool_name=tool, input={})

    assert prompt["behavior"] == "deny"


@pytest.mark.parametrize(
    "arguments",
    [
        {},
        BASH | {"tool_input": "{"},
        BASH | {"tool_input": "${tool_input}"},
        BASH | {"tool_input": ["ls"]},
        BASH | {"session_id": 7},
        BASH | {"session_id": ""},
        BASH | {"tool_name": None},
        BASH | {"cwd": {}, "tool_name": {}},
    ],
)
async def test_wrong_arguments_are_denied_in_words_that_hosts_read(
    claude: Client, arguments: dict[str, Any]
) -> None:
    hook = await ask(claude, "gate_call", **arguments)
    prompt = await ask(claude, "permission_prompt", tool_name=7, input="ls")

    assert hook["hookSpecificOutput"]["permissionDecision"] == "deny"
    assert prompt["behavior"] == "deny"


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        (ConfigurationError("LOOPIN_API_URL is wrong."), "LOOPIN_API_URL is wrong."),
        (Settings(api_url="http://127.0.0.1:9"), "LOOPIN_USER_ID is not set"),
        (Settings(api_url="http://127.0.0.1:9", user_id="u"), "No connection to the LoopIn API"),
    ],
)
async def test_api_that_cannot_be_asked_denies(
    settings: Settings | ConfigurationError, reason: str
) -> None:
    async with client_of(settings) as client:
        hook = await ask(client, "gate_call", **BASH)

    assert hook["hookSpecificOutput"]["permissionDecision"] == "deny"
    assert reason in hook["hookSpecificOutput"]["permissionDecisionReason"]


async def test_crash_denies_and_tells_nothing_of_itself(
    claude: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def crash(*_arguments: object) -> None:
        raise RuntimeError("secret")

    monkeypatch.setattr(gate_tools, "_ask", crash)

    hook = await ask(claude, "gate_call", **BASH)

    assert hook["hookSpecificOutput"]["permissionDecision"] == "deny"
    assert "secret" not in json.dumps(hook)
