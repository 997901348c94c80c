"""What hosts write about a tool call, and what they read as the answer."""

import json
from typing import Any

import pytest

from loopin_mcp.errors import LoopinError
from loopin_mcp.gate.calls import ToolCall, Verdict
from loopin_mcp.gate.dialects import read_event
from loopin_mcp.settings.settings import GATE_TOOLS, TOOLS

Fields = dict[str, Any]

CLAUDE: Fields = {
    "session_id": "s-1",
    "transcript_path": "/home/u/t.jsonl",
    "cwd": "/project",
    "permission_mode": "default",
    "hook_event_name": "PreToolUse",
    "tool_name": "Bash",
    "tool_input": {"command": "ls"},
    "tool_use_id": "toolu_1",
}
PERMISSION = CLAUDE | {"hook_event_name": "PermissionRequest"}
CODEX = CLAUDE | {"turn_id": "1", "model": "gpt"}
CODEX_PERMISSION = CODEX | {"hook_event_name": "PermissionRequest"}
PASCAL = CLAUDE | {"timestamp": "2026-11-01T00:00:00Z"}
COPILOT: Fields = {
    "sessionId": "s-1",
    "timestamp": 1,
    "cwd": "/project",
    "toolName": "bash",
    "toolArgs": '{"command": "ls"}',
}
GEMINI: Fields = {
    "session_id": "s-1",
    "cwd": "/project",
    "hook_event_name": "BeforeTool",
    "timestamp": "2026-11-01T00:00:00Z",
    "tool_name": "run_shell_command",
    "tool_input": {"command": "ls"},
}
CURSOR: Fields = {
    "conversation_id": "s-1",
    "generation_id": "g",
    "cursor_version": "2.1",
    "workspace_roots": ["/project"],
}
CURSOR_SHELL = CURSOR | {
    "hook_event_name": "beforeShellExecution",
    "command": "ls",
    "cwd": "/project/sub",
}
CURSOR_MCP = CURSOR | {
    "hook_event_name": "beforeMCPExecution",
    "mcp_server_name": "github",
    "tool_name": "create_issue",
    "tool_input": '{"title": "x"}',
}
CURSOR_TOOL = CURSOR | {
    "hook_event_name": "preToolUse",
    "tool_name": "Write",
    "tool_input": {"path": "a"},
}
CODEXES = [CODEX, CODEX_PERMISSION]
CURSORS = [CURSOR_SHELL, CURSOR_MCP, CURSOR_TOOL]
EVERY = [CLAUDE, PERMISSION, *CODEXES, PASCAL, COPILOT, GEMINI, *CURSORS]
LS = {"command": "ls"}


@pytest.mark.parametrize(
    ("fields", "call"),
    [
        (CLAUDE, ToolCall("Claude Code", "s-1", "Bash", {**LS}, "/project")),
        (PERMISSION, ToolCall("Claude Code", "s-1", "Bash", {**LS}, "/project")),
        (CODEX, ToolCall("Codex", "s-1", "Bash", {**LS}, "/project")),
        (PASCAL, ToolCall("Copilot", "s-1", "Bash", {**LS}, "/project")),
        (COPILOT, ToolCall("Copilot", "s-1", "bash", {**LS}, "/project")),
        (COPILOT | {"toolArgs": LS}, ToolCall("Copilot", "s-1", "bash", {**LS}, "/project")),
        (GEMINI, ToolCall("Gemini CLI", "s-1", "run_shell_command", {**LS}, "/project")),
        (CURSOR_SHELL, ToolCall("Cursor", "s-1", "Shell", {**LS}, "/project/sub")),
        (CURSOR_MCP, ToolCall("Cursor", "s-1", "github/create_issue", {"title": "x"}, "/project")),
        (CURSOR_TOOL, ToolCall("Cursor", "s-1", "Write", {"path": "a"}, "/project")),
    ],
)
def test_call_is_read_in_every_dialect(fields: Fields, call: ToolCall) -> None:
    assert read_event(json.dumps(fields)).call == call
    assert read_event(json.dumps(fields | {"new": [1]})).call == call


def test_names_that_vs_code_wrote_are_read() -> None:
    renamed = {"session_id": "sessionId", "hook_event_name": "hookEventName"}
    fields = {renamed.get(name, name): value for name, value in PASCAL.items()}

    assert read_event(json.dumps(fields)).call == read_event(json.dumps(PASCAL)).call


ALLOWED = Verdict("allow", "Yes.")
EDITED = Verdict("allow", "Yes.", {"command": "pwd"})
DENIED = Verdict("deny", "No.")


def pre_tool_use(decision: str, reason: str, **more: Any) -> Fields:  # noqa: ANN401 - JSON
    answer = {"permissionDecision": decision, "permissionDecisionReason": reason, **more}
    return {"hookSpecificOutput": {"hookEventName": "PreToolUse", **answer}}


def permission_request(**decision: Any) -> Fields:  # noqa: ANN401 - JSON
    return {"hookSpecificOutput": {"hookEventName": "PermissionRequest", "decision": decision}}


def cursor(permission: str, reason: str, **more: Any) -> Fields:  # noqa: ANN401 - JSON
    return {
        "permission": permission,
        "user_message": reason,
        "agent_message": reason,
        **more,
    }


PWD = {"command": "pwd"}


@pytest.mark.parametrize(
    ("fields", "allowed", "edited", "denied"),
    [
        (
            CLAUDE,
            pre_tool_use("allow", "Yes."),
            pre_tool_use("allow", "Yes.", updatedInput=PWD),
            pre_tool_use("deny", "No."),
        ),
        (
            PERMISSION,
            permission_request(behavior="allow"),
            permission_request(behavior="allow", updatedInput=PWD),
            permission_request(behavior="deny", message="No."),
        ),
        (
            COPILOT,
            {"permissionDecision": "allow", "permissionDecisionReason": "Yes."},
            {
                "permissionDecision": "allow",
                "permissionDecisionReason": "Yes.",
                "modifiedArgs": PWD,
            },
            {"permissionDecision": "deny", "permissionDecisionReason": "No."},
        ),
        (
            GEMINI,
            {"decision": "allow", "reason": "Yes."},
            {
                "decision": "allow",
                "reason": "Yes.",
                "hookSpecificOutput": {"tool_input": PWD},
            },
            {"decision": "deny", "reason": "No."},
        ),
        (
            CURSOR_TOOL,
            cursor("allow", "Yes."),
            cursor("allow", "Yes.", updated_input=PWD),
            cursor("deny", "No."),
        ),
    ],
)
def test_answer_is_written_in_every_dialect(
    fields: Fields, allowed: Fields, edited: Fields, denied: Fields
) -> None:
    event = read_event(json.dumps(fields))

    answers = [json.loads(event.answer(each)) for each in (ALLOWED, EDITED, DENIED)]

    assert answers == [allowed, edited, denied]


def test_only_headless_claude_code_is_deferred() -> None:
    can_defer = [read_event(json.dumps(fields)).can_defer for fields in EVERY]
    deferred = read_event(json.dumps(CLAUDE)).answer(Verdict("defer", "Later."))

    assert can_defer == [fields is CLAUDE for fields in EVERY]
    assert json.loads(deferred) == pre_tool_use("defer", "Later.")


def test_events_whose_answers_have_no_input_are_known() -> None:
    fixed = [fields for fields in EVERY if not read_event(json.dumps(fields)).dialect.can_edit]

    assert fixed == [CODEX_PERMISSION, CURSOR_SHELL, CURSOR_MCP]


def without(fields: Fields, name: str) -> Fields:
    return {key: value for key, value in fields.items() if key != name}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "   ",
        "{",
        "null",
        "[]",
        "7",
        '"PreToolUse"',
        "{}",
        "[" * 100_000,
        '{"hook_event_name": "PreToolUse", "hook_event_name": "PreToolUse"}',
        json.dumps(CLAUDE) + json.dumps(CLAUDE),
        json.dumps(CLAUDE | {"tool_input": {"command": float("nan")}}),
        json.dumps(CLAUDE).replace('"ls"', "1e-999"),
    ],
)
def test_text_that_is_not_an_event_is_refused(text: str) -> None:
    with pytest.raises(LoopinError, match="The gate cannot read what the host wrote"):
        read_event(text)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "nothing came on stdin"),
        ("\n", "nothing came on stdin"),
        ("{", "it is not JSON that can be relied on"),
        ("{}", "such as one with the hook_event_name PreToolUse and a tool_name"),
    ],
)
def test_refusal_says_what_was_expected(text: str, reason: str) -> None:
    with pytest.raises(LoopinError, match=reason):
        read_event(text)


@pytest.mark.parametrize(
    "fields",
    [
        CLAUDE | {"hook_event_name": "PostToolUse"},
        CLAUDE | {"hook_event_name": "pretooluse"},
        CLAUDE | {"hook_event_name": ["PreToolUse"]},
        CLAUDE | {"hook_event_name": None},
        CLAUDE | {"session_id": 1},
        CLAUDE | {"session_id": " "},
        CLAUDE | {"tool_name": ""},
        CLAUDE | {"tool_name": {"a": 1}},
        CLAUDE | {"tool_name": "mcp__" + "a__" * 100_000 + "\n"},
        CLAUDE | {"session_id": "s" * 201},
        CLAUDE | {"tool_input": json.dumps(LS)},
        CLAUDE | {"tool_input": ["ls"]},
        CLAUDE | {"tool_input": None},
        CLAUDE | {"cwd": 7},
        GEMINI | {"tool_input": json.dumps(LS)},
        COPILOT | {"toolArgs": "ls"},
        COPILOT | {"toolArgs": "[]"},
        COPILOT | {"toolArgs": '{"a": 1, "a": 2}'},
        COPILOT | {"toolName": None},
        CURSOR_SHELL | {"command": None},
        CURSOR_SHELL | {"conversation_id": ""},
        CURSOR_MCP | {"tool_input": "{"},
        CURSOR_MCP | {"mcp_server_name": 1},
        CURSOR_TOOL | {"workspace_roots": [1]},
        *(without(CLAUDE, name) for name in ("session_id", "tool_name", "tool_input")),
        *(without(COPILOT, name) for name in ("sessionId", "toolName", "toolArgs")),
        *(without(CURSOR_MCP, name) for name in ("conversation_id", "tool_name", "tool_input")),
    ],
)
def test_event_with_something_wrong_in_it_is_refused(fields: Fields) -> None:
    with pytest.raises(LoopinError, match="so it is not approved"):
        read_event(json.dumps(fields))


@pytest.mark.parametrize("tool", [*TOOLS, *GATE_TOOLS])
@pytest.mark.parametrize(
    ("fields", "name"),
    [
        (CLAUDE, "mcp__loopin__{}"),
        (CLAUDE, "mcp__plugin_loopin_loopin__{}"),
        (PERMISSION, "mcp__loopin__{}"),
        (CODEX, "mcp__loopin__{}"),
        (PASCAL, "mcp_loopin_{}"),
        (GEMINI, "mcp_loopin_{}"),
        (CURSOR_MCP | {"mcp_server_name": "loopin"}, "{}"),
    ],
)
def test_gate_has_no_opinion_on_its_own_tools(fields: Fields, name: str, tool: str) -> None:
    event = read_event(json.dumps(fields | {"tool_name": name.format(tool)}))

    assert event.call.is_own
    assert event.answer(Verdict("none")) == "{}"


@pytest.mark.parametrize("tool", TOOLS)
def test_gate_has_no_opinion_on_its_own_tools_in_copilot(tool: str) -> None:
    assert read_event(json.dumps(COPILOT | {"toolName": f"loopin-{tool}"})).call.is_own


@pytest.mark.parametrize(
    ("fields", "name"),
    [
        (CLAUDE, "mcp__loopin__delete_everything"),
        (CLAUDE, "mcp__loopin__create_interrupt2"),
        (CLAUDE, "mcp__loopin2__create_interrupt"),
        (CLAUDE, "mcp__other__loopin__create_interrupt"),
        (CLAUDE, "mcp__other_mcp__loopin__create_interrupt"),
        (CLAUDE, "xmcp__loopin__create_interrupt"),
        (CLAUDE, "mcp__loopin__create_interrupt\n"),
        (CLAUDE, "MCP__loopin__create_interrupt"),
        (CLAUDE, "mcp_loopin_create_interrupt"),
        (CLAUDE, "loopin-create_interrupt"),
        (CLAUDE, "create_interrupt"),
        (CODEX, "mcp__plugin_loopin_loopin__create_interrupt"),
        (GEMINI, "mcp__loopin__create_interrupt"),
        (CURSOR_TOOL, "create_interrupt"),
        (CURSOR_MCP, "create_interrupt"),
    ],
)
def test_tool_that_only_looks_like_one_of_its_own_is_asked_about(fields: Fields, name: str) -> None:
    assert not read_event(json.dumps(fields | {"tool_name": name})).call.is_own


def test_digest_is_of_the_call_and_not_of_the_try() -> None:
    first = read_event(json.dumps(CLAUDE)).call.digest
    again = CLAUDE | {"tool_use_id": "toolu_2", "transcript_path": "/x", "permission_mode": "plan"}
    two = {"a": 1, "b": 2}
    ordered = [
        CLAUDE | {"tool_input": dict(pairs)} for pairs in (two.items(), [*two.items()][::-1])
    ]

    assert len(first) == 64
    assert read_event(json.dumps(again)).call.digest == first
    assert len({read_event(json.dumps(each)).call.digest for each in ordered}) == 1


def test_digest_of_another_call_is_another() -> None:
    inputs = [{"command": value} for value in ("ls ", "1", 1, 1.0, True, None, ["ls"])]
    calls = [
        CLAUDE,
        CLAUDE | {"session_id": "s-2"},
        CLAUDE | {"tool_name": "bash"},
        CLAUDE | {"cwd": "/other"},
        CLAUDE | {"tool_input": LS | {"timeout": None}},
        *(CLAUDE | {"tool_input": each} for each in inputs),
    ]

    assert len({read_event(json.dumps(call)).call.digest for call in calls}) == len(calls)
