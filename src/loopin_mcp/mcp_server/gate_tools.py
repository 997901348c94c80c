"""The tools for hosts and not for models: they ask a human about a call that the host holds."""

import json
import logging
import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Annotated, Any

import anyio.to_thread
from mcp.server.mcpserver.tools import Tool
from mcp_types import Implementation
from pydantic import WithJsonSchema

from loopin_mcp.errors import LoopinError
from loopin_mcp.gate.calls import ToolCall, Verdict
from loopin_mcp.gate.dialects import answer_to, call_in
from loopin_mcp.mcp_server.context import Call, agent_name, plain_name, with_progress
from loopin_mcp.mcp_server.tool_factory import hints_of
from loopin_mcp.settings.settings import GATE_TOOLS, Settings

# Hosts were seen to wait for 200 seconds and more.
WAIT_S = 590.0
# These hosts keep tools with `_META` from the model.
_KEEPING = ("Claude Code", "Codex")
_META = {"ui": {"visibility": ["app"]}}
_TO_PEOPLE = "Only a human may do this: send them to the review page."

# A value of a wrong type is denied in words that the host reads as a denial.
_Text = Annotated[Any, WithJsonSchema({"type": "string"})]
_Object = Annotated[Any, WithJsonSchema({"type": "object"})]

logger = logging.getLogger("loopin_mcp")


def names_for(settings: Settings, client: Implementation | None) -> Sequence[str]:
    """The names of all tools that a client is offered."""
    keeps = client is not None and plain_name(client) in _KEEPING
    is_offered = settings.gate == "on" or (settings.gate == "auto" and keeps)
    return (*settings.tools, *GATE_TOOLS) if is_offered else settings.tools


async def permission_prompt(
    ctx: Call,
    tool_name: _Text = None,
    input: _Object = None,  # noqa: A002 - Claude Code calls it so
    tool_use_id: _Text = None,
) -> str:
    """For the host: ask a human whether a tool may run (`--permission-prompt-tool`)."""
    session = ctx.request_context.lifespan_context.session
    fields = {"session_id": session, "cwd": os.getcwd(), "tool_name": tool_name}  # noqa: PTH109
    verdict = await _verdict(ctx, fields | {"tool_input": input})
    if verdict.kind == "none":
        may_decide = str(tool_name).endswith("decide_interrupt")
        verdict = Verdict("deny", _TO_PEOPLE) if may_decide else Verdict("allow")
    if verdict.kind == "deny":
        return json.dumps({"behavior": "deny", "message": verdict.reason})
    # Earlier versions of Claude Code need the input also if it stays as it is.
    return json.dumps({"behavior": "allow", "updatedInput": verdict.edited or input})


async def gate_call(
    ctx: Call,
    tool_name: _Text = None,
    tool_input: _Text = None,
    session_id: _Text = None,
    tool_use_id: _Text = None,
    cwd: _Text = None,
    hook_event_name: _Text = None,
) -> str:
    """For the host: ask a human whether a tool may run (a hook of type `mcp_tool`)."""
    fields = {"session_id": session_id, "cwd": cwd, "tool_name": tool_name}
    verdict = await _verdict(ctx, fields | {"tool_input": tool_input}, in_text=True)
    return answer_to(hook_event_name, verdict)


async def _verdict(ctx: Call, fields: dict[str, Any], *, in_text: bool = False) -> Verdict:
    """What a human says about a call; a denial if nobody says anything, or something fails."""
    try:
        call = call_in(fields, in_text=in_text)
        if call.is_own:
            return Verdict("none")
        return await with_progress(ctx, partial(_ask, ctx, call), WAIT_S, None)
    except LoopinError as error:
        return Verdict("deny", str(error))
    # A host may run the tool if this fails.
    except Exception as error:
        logger.error("A question about a tool call failed: %s", type(error).__name__)
        return Verdict("deny", "LoopIn failed to ask a human, so this is not approved.")


async def _ask(ctx: Call, call: ToolCall, wait_s: float) -> Verdict:
    # The client and its models take long to load, and most servers never need them.
    from loopin_mcp.gate.approval import ask
    from loopin_mcp.gate.questions import question_about

    loopin = ctx.request_context.lifespan_context
    settings = replace(loopin.settings, agent_id=agent_name(ctx) or None)
    question = await anyio.to_thread.run_sync(question_about, call, settings)
    return await ask(loopin.client, question, wait_s)


def _tool(function: Callable[..., Any], title: str) -> Tool:
    return Tool.from_function(
        function, title=title, annotations=hints_of(title), meta=_META, structured_output=False
    )


TOOLS_FOR_HOSTS = (
    _tool(permission_prompt, "Ask a human for permission"),
    _tool(gate_call, "Hold a tool call until a human approves it"),
)
