"""What hosts write to a hook before they run a tool, and the answers that they read."""

import json
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, NamedTuple

from loopin_mcp.errors import LoopinError
from loopin_mcp.gate.calls import Agent, JSONObject, ToolCall, Verdict
from loopin_mcp.settings.values import LONGEST_NAME
from loopin_mcp.wire.strict_json import read_strictly

if TYPE_CHECKING:
    from pydantic import JsonValue

# Copilot's own dialect names no event.
_OF_COPILOT = "toolName"
_EXPECTED = (
    "it expects an event before a tool runs, such as one with the hook_event_name PreToolUse and a "
    "tool_name"
)
_UNREADABLE = "The gate cannot read what the host wrote about this tool call, so it is not approved"


class Dialect(NamedTuple):
    """How a host describes a call in one kind of event, and how it reads an answer."""

    read: Callable[[JSONObject], ToolCall]
    write: Callable[[Verdict], JSONObject]
    # Whether the host can run the call with another input.
    can_edit: bool = True


class Event(NamedTuple):
    """A call that a host describes, and the dialect that it speaks."""

    call: ToolCall
    dialect: Dialect
    can_defer: bool = False

    def answer(self, verdict: Verdict) -> str:
        """The JSON that says this to the host."""
        return _answer(self.dialect, verdict)


def read_event(text: str) -> Event:
    """The event in a host's JSON.

    Raises:
        LoopinError: It is not an event of a known dialect about one tool call.
    """
    if not text.strip():
        raise LoopinError(f"{_UNREADABLE}: nothing came on stdin.")
    try:
        fields = read_strictly(text)
    except (ValueError, RecursionError) as error:
        raise LoopinError(f"{_UNREADABLE}: it is not JSON that can be relied on.") from error
    if not isinstance(fields, dict):
        raise LoopinError(f"{_UNREADABLE}: it is not a JSON object.")
    # VS Code has written some of the names like this.
    for written, meant in (("hookEventName", "hook_event_name"), ("sessionId", "session_id")):
        if written in fields:
            fields.setdefault(meant, fields[written])
    name = _name_of(fields)
    dialect = _DIALECTS[name]
    call = dialect.read(fields)
    if name == "PermissionRequest" and call.agent == "Codex":
        # Codex denies the call if this answer has an input.
        dialect = dialect._replace(can_edit=False)
    return Event(call, dialect, name == "PreToolUse" and call.agent == "Claude Code")


def _name_of(fields: JSONObject) -> str:
    name = fields.get("hook_event_name")
    if name in (None, "preToolUse") and "toolName" in fields:
        name = _OF_COPILOT
    if not isinstance(name, str) or name not in _DIALECTS:
        raise LoopinError(f"{_UNREADABLE}: {_EXPECTED}.")
    return name


def call_in(fields: JSONObject, *, in_text: bool = False) -> ToolCall:
    """The call in the fields that Claude Code gives to a tool, with its input perhaps as a text.

    Raises:
        LoopinError: Something is wrong with a field.
    """
    return _named("Claude Code", fields, in_text=in_text)


def answer_to(event: object, verdict: Verdict) -> str:
    """The JSON that says this in the dialect of Claude Code, to an event of this name."""
    is_prompt = event == "PermissionRequest"
    return _answer(_DIALECTS["PermissionRequest" if is_prompt else "PreToolUse"], verdict)


def _answer(dialect: Dialect, verdict: Verdict) -> str:
    return json.dumps({} if verdict.kind == "none" else dialect.write(verdict))


def _text(fields: JSONObject, name: str) -> str:
    """A text in an event.

    Raises:
        LoopinError: It is missing, blank, or not a text.
    """
    value = fields.get(name)
    if not isinstance(value, str) or not value.strip():
        raise LoopinError(f"{_UNREADABLE}: it has no text as {name}.")
    return value


def _name(fields: JSONObject, name: str) -> str:
    """A text in an event that is short enough to be the name of a session or a tool.

    Raises:
        LoopinError: It is not; patterns would take long to search it.
    """
    value = _text(fields, name)
    if len(value) > LONGEST_NAME:
        raise LoopinError(f"{_UNREADABLE}: {name} is longer than {LONGEST_NAME} characters.")
    return value


def _directory(fields: JSONObject) -> str:
    return _text(fields, "cwd") if fields.get("cwd") else ""


def _object(fields: JSONObject, name: str, *, in_text: bool = False) -> JSONObject:
    """An object in an event, as it is or, in some dialects, as a JSON text.

    Raises:
        LoopinError: It is missing, or not an object.
    """
    value: JsonValue = fields.get(name)
    if isinstance(value, str) and in_text:
        try:
            value = read_strictly(value)
        except (ValueError, RecursionError):
            value = None
    if not isinstance(value, dict):
        raise LoopinError(f"{_UNREADABLE}: it has no object as {name}.")
    return value


def _named(agent: Agent, fields: JSONObject, *, in_text: bool = False) -> ToolCall:
    """The call in the fields that most hosts have."""
    return ToolCall(
        agent,
        _name(fields, "session_id"),
        _name(fields, "tool_name"),
        _object(fields, "tool_input", in_text=in_text),
        _directory(fields),
    )


def _of_claude(fields: JSONObject) -> ToolCall:
    """The call of Claude Code, or of a host that speaks like it and adds fields of its own."""
    if "turn_id" in fields:
        return _named("Codex", fields)
    return _named("Copilot" if "timestamp" in fields else "Claude Code", fields)


def _of_gemini(fields: JSONObject) -> ToolCall:
    return _named("Gemini CLI", fields)


def _of_copilot(fields: JSONObject) -> ToolCall:
    return ToolCall(
        "Copilot",
        _name(fields, "session_id"),
        _name(fields, "toolName"),
        _object(fields, "toolArgs", in_text=True),
        _directory(fields),
    )


def _of_cursor(fields: JSONObject) -> ToolCall:
    session = _name(fields, "conversation_id")
    roots = fields.get("workspace_roots")
    root = {"cwd": roots[0]} if isinstance(roots, list) and roots else {}
    cwd = _directory(fields) or _directory(root)
    if fields["hook_event_name"] == "beforeShellExecution":
        command: JSONObject = {"command": _text(fields, "command")}
        return ToolCall("Cursor", session, "Shell", command, cwd)
    tool = _name(fields, "tool_name")
    server = _name(fields, "mcp_server_name") + "/" if fields.get("mcp_server_name") else ""
    tool_input = _object(fields, "tool_input", in_text=True)
    return ToolCall("Cursor", session, server + tool, tool_input, cwd)


def _to_pre_tool_use(verdict: Verdict) -> JSONObject:
    answer: JSONObject = {
        "hookEventName": "PreToolUse",
        "permissionDecision": verdict.kind,
        "permissionDecisionReason": verdict.reason,
    }
    return {"hookSpecificOutput": answer | _edited("updatedInput", verdict)}


def _to_permission_request(verdict: Verdict) -> JSONObject:
    message: JSONObject = {"message": verdict.reason} if verdict.kind == "deny" else {}
    decision: JSONObject = {"behavior": verdict.kind} | message | _edited("updatedInput", verdict)
    return {"hookSpecificOutput": {"hookEventName": "PermissionRequest", "decision": decision}}


def _to_copilot(verdict: Verdict) -> JSONObject:
    answer: JSONObject = {
        "permissionDecision": verdict.kind,
        "permissionDecisionReason": verdict.reason,
    }
    return answer | _edited("modifiedArgs", verdict)


def _to_gemini(verdict: Verdict) -> JSONObject:
    edited = _edited("tool_input", verdict)
    answer: JSONObject = {"decision": verdict.kind, "reason": verdict.reason}
    return answer | ({"hookSpecificOutput": edited} if edited else {})


def _to_cursor(verdict: Verdict) -> JSONObject:
    said: JSONObject = {"user_message": verdict.reason, "agent_message": verdict.reason}
    return {"permission": verdict.kind} | said | _edited("updated_input", verdict)


def _edited(name: str, verdict: Verdict) -> JSONObject:
    return {} if verdict.edited is None else {name: verdict.edited}


_DIALECTS: Mapping[str, Dialect] = {
    "PreToolUse": Dialect(_of_claude, _to_pre_tool_use),
    "PermissionRequest": Dialect(_of_claude, _to_permission_request),
    "BeforeTool": Dialect(_of_gemini, _to_gemini),
    _OF_COPILOT: Dialect(_of_copilot, _to_copilot),
    "preToolUse": Dialect(_of_cursor, _to_cursor),
    "beforeShellExecution": Dialect(_of_cursor, _to_cursor, can_edit=False),
    "beforeMCPExecution": Dialect(_of_cursor, _to_cursor, can_edit=False),
}
