"""Makes tools and prompts from functions: lenient arguments, short schemas, plain errors."""

import logging
from collections.abc import Callable, Mapping
from copy import deepcopy
from string import punctuation, whitespace
from typing import Any, TypeVar

import mcp_types as types
from mcp.server import MCPServer
from mcp.server.mcpserver import Context
from mcp.server.mcpserver.exceptions import ToolError
from mcp.server.mcpserver.prompts import Prompt
from mcp.server.mcpserver.prompts.base import Message, PromptArgument, UserMessage
from mcp.server.mcpserver.tools import Tool
from mcp.server.mcpserver.utilities.func_metadata import ArgModelBase
from mcp.shared.exceptions import MCPError
from pydantic import AliasGenerator, ConfigDict, ValidationError
from pydantic.alias_generators import to_camel
from pydantic_core import to_json

from loopin_mcp.errors import LoopinError
from loopin_mcp.mcp_server.arguments import is_empty, read_arguments
from loopin_mcp.mcp_server.remedies import for_model
from loopin_mcp.mcp_server.results import MOST_BYTES, NOTE
from loopin_mcp.settings.settings import GATE_TOOLS
from loopin_mcp.telemetry.traces import CURRENT, ambient_trace, new_trace, within_trace
from loopin_mcp.wire.plain_text import plain_text
from loopin_mcp.wire.validation import explain

_LifespanT = TypeVar("_LifespanT")

_NOTE = "note"
# The tools from which an agent learns whether it may act.
_ASKING = ("create_interrupt", "get_interrupt_status")
_NOT_APPROVED = "Nothing is approved: do not act."
# As `true`, for readers of schemas: google-genai fails on booleans here, llama.cpp reads {} as
# "objects only", and OpenAI wants `items` of every array.
_TYPES = ["string", "number", "boolean", "null", "object", "array"]
_ANY_JSON = {"type": _TYPES, "items": {"type": _TYPES, "items": {"type": _TYPES, "items": {}}}}
# llama.cpp's grammars refuse escapes in patterns and long texts.
_DROPPED = ("title", "pattern", "format", "minLength", "maxLength")

logger = logging.getLogger("loopin_mcp")


class PlainSpokenServer(MCPServer[_LifespanT]):
    """An MCPServer whose tools read arguments leniently and explain an error in plain sentences.

    The SDK checks arguments before a tool runs and has its own words for errors, so this is the one
    place that every argument, result and error passes.
    """

    async def call_tool(
        self, name: str, arguments: dict[str, Any], context: Context[_LifespanT, Any] | None = None
    ) -> types.CallToolResult | types.InputRequiredResult:
        """See `MCPServer.call_tool`; the trace is that of the call, or of its request over HTTP."""
        with within_trace(ambient_trace() or CURRENT.get() or new_trace()):
            logger.debug("Tool call: %s", plain_text(name))
            return await self._call_tool(name, arguments, context)

    async def _call_tool(
        self, name: str, arguments: dict[str, Any], context: Context[_LifespanT, Any] | None
    ) -> types.CallToolResult | types.InputRequiredResult:
        schema = self._tool_input_schema(name)
        if schema is None:
            raise ToolError(f"Unknown tool: {name}")
        if name in GATE_TOOLS:
            return await super().call_tool(name, arguments, context)
        note = ""
        also = _NOT_APPROVED if name in _ASKING else ""
        try:
            given = read_arguments(name, schema, arguments)
            note = given.note
            result = await super().call_tool(name, given.known, context)
        except LoopinError as error:
            raise ToolError(for_model(error, also)) from error
        except ToolError as error:
            if refusal := _refusal(error, also):
                raise ToolError(f"{refusal} {note}".rstrip()) from error.__cause__
            raise
        return _compact(result, note) if isinstance(result, types.CallToolResult) else result


class PlainSpokenPrompt(Prompt):
    """A Prompt of one argument, which is all that a person typed, however the host split it.

    Blanks, punctuation, such as a dot, and "null" count as nothing.
    """

    tool: Tool

    async def render(
        self, arguments: dict[str, Any] | None, context: Context[Any, Any]
    ) -> list[Message] | types.InputRequiredResult:
        """See `Prompt.render`."""
        typed = " ".join(filter(None, map(str.strip, (arguments or {}).values())))
        given = dict.fromkeys(self.tool.parameters["properties"], typed)
        if is_empty(typed) or not typed.strip(punctuation + whitespace):
            given = {}
        try:
            return [UserMessage(await self.tool.run(given, context))]
        except ToolError as error:
            if refusal := _refusal(error):
                bad_arguments = isinstance(error.__cause__, ValidationError)
                code = types.INVALID_PARAMS if bad_arguments else types.INTERNAL_ERROR
                raise MCPError(code=code, message=refusal) from error
            raise


def _refusal(error: ToolError, also: str = "") -> str:
    """Why a function or the check of its arguments failed; empty if it crashed."""
    match error.__cause__:
        case LoopinError() as cause:
            return for_model(cause, also)
        case ValidationError() as cause:
            return f"{explain(cause)}. Correct that and call again. {also}".rstrip()
    return ""


def _compact(result: types.CallToolResult, note: str) -> types.CallToolResult:
    """The result with a note, and its text as JSON without indentation.

    Raises:
        ToolError: It is larger than hosts take, which only answers of other APIs can be.
    """
    content = result.structured_content or {}
    if note:
        content = content | {_NOTE: f"{note} {content.get(_NOTE, '')}".rstrip()}
    text = to_json(content)
    if len(text) > 2 * MOST_BYTES:
        raise ToolError("The answer is too large for a tool result. Nothing is approved by it.")
    block = types.TextContent(type="text", text=text.decode())
    return result.model_copy(update={"structured_content": content, "content": [block]})


def tool_of(
    function: Callable[..., Any],
    title: str,
    hints: types.ToolAnnotations,
    meta: dict[str, Any] | None = None,
) -> Tool:
    """A tool whose arguments have their wire names, in schemas that every reader takes."""
    tool = Tool.from_function(function, title=title, annotations=hints, meta=meta)
    arguments = _on_the_wire(tool.fn_metadata.arg_model)
    output = _lean(tool.fn_metadata.output_schema)
    output["properties"].setdefault(_NOTE, {"description": NOTE, "type": "string"})
    return tool.model_copy(
        update={
            "description": " ".join(tool.description.split()),
            "parameters": _opened(_lean(arguments.model_json_schema(by_alias=True))),
            "fn_metadata": tool.fn_metadata.model_copy(
                update={"arg_model": arguments, "output_schema": output}
            ),
        }
    )


def hints_of(
    title: str, *, read_only: bool = False, destructive: bool = False, idempotent: bool = False
) -> types.ToolAnnotations:
    """All hints of a tool, since their defaults assume the worst.

    None is of the open world: `codex exec` runs no tool that is.
    """
    return types.ToolAnnotations(
        title=title,
        read_only_hint=read_only,
        destructive_hint=destructive,
        idempotent_hint=idempotent,
        open_world_hint=False,
    )


def naming_the_wait(tool: Tool, longest_s: float) -> Tool:
    """The tool, with the longest wait of the settings in its texts and as its default."""
    parameters = deepcopy(tool.parameters)
    if wait := parameters["properties"].get("waitSeconds"):
        wait["description"] = f"Longest wait, up to {longest_s:g}; 0: look now"
        if longest_s.is_integer():
            wait["default"] = int(longest_s)
    description = tool.description.replace("{wait}", f"{longest_s:g}")
    return tool.model_copy(update={"description": description, "parameters": parameters})


def prompt_of(function: Callable[..., Any], title: str) -> Prompt:
    """A prompt whose text the function returns, with arguments like a tool's."""
    tool = tool_of(function, title, types.ToolAnnotations())
    required = tool.parameters.get("required", [])
    return PlainSpokenPrompt(
        name=tool.name,
        title=title,
        description=tool.description,
        arguments=[
            PromptArgument(name=name, description=field["description"], required=name in required)
            for name, field in tool.parameters["properties"].items()
        ],
        fn=function,
        context_kwarg=None,
        tool=tool,
    )


def _on_the_wire(arguments: type[ArgModelBase]) -> type[ArgModelBase]:
    wire_names = AliasGenerator(validation_alias=to_camel)
    # A callback URL may hold a secret.
    config = ConfigDict(alias_generator=wire_names, hide_input_in_errors=True)
    return type(arguments.__name__, (arguments,), {"model_config": config, "__module__": __name__})


def _opened(parameters: dict[str, Any]) -> dict[str, Any]:
    """The arguments, whose objects say that they take any JSON; strict readers close others."""
    for field in parameters["properties"].values():
        if field["type"] == "object":
            field.setdefault("additionalProperties", _ANY_JSON)
    return parameters


def _lean(schema: Any, definitions: Mapping[str, Any] | None = None) -> Any:  # noqa: ANN401 - JSON
    """The schema with what a model needs, and nothing that a reader of schemas might refuse.

    References are resolved. Titles, descriptions of whole models, defaults that mean "left out" and
    the bounds of texts are dropped; the server checks those bounds.
    """
    if isinstance(schema, list):
        return [_lean(part, definitions) for part in schema]
    if not isinstance(schema, dict):
        return schema
    definitions = schema.get("$defs", definitions)
    if "$ref" in schema:
        return _lean((definitions or {})[schema["$ref"].rpartition("/")[2]], definitions)
    lean = {name: _lean(part, definitions) for name, part in schema.items() if name != "$defs"}
    if "properties" in lean:
        lean.pop("description", None)
    if lean.get("default", "unset") in (None, ""):
        del lean["default"]
        choices = [part for part in lean.pop("anyOf", []) if part != {"type": "null"}]
        lean = {**lean, **(choices[0] if choices else {})}
    if lean.get("anyOf"):
        lean["type"] = [part["type"] for part in lean.pop("anyOf")]
    return {name: part for name, part in lean.items() if not _is_dropped(name, part)}


def _is_dropped(name: str, part: object) -> bool:
    # A property may have such a name too; then it is a schema.
    return name in _DROPPED and not isinstance(part, dict)
