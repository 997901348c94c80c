"""Makes tools and prompts from functions: lenient arguments, short schemas, plain errors."""

from collections.abc import Callable, Mapping
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
from loopin_mcp.mcp_server.arguments import read_arguments
from loopin_mcp.mcp_server.remedies import for_model
from loopin_mcp.wire.validation import explain

_LifespanT = TypeVar("_LifespanT")

_NOTE = "note"
# As `true`, for readers of schemas: google-genai fails on booleans here, llama.cpp reads {} as
# "objects only", and OpenAI wants `items`.
_SCALARS = ["string", "number", "boolean", "null"]
_ANY_JSON = {
    "type": [*_SCALARS, "object", "array"],
    "items": {"type": [*_SCALARS, "object"]},
}
# llama.cpp's grammars refuse escapes in patterns and long texts.
_DROPPED = ("title", "pattern", "minLength", "maxLength")


class PlainSpokenServer(MCPServer[_LifespanT]):
    """An MCPServer whose tools read arguments leniently and explain an error in plain sentences.

    The SDK checks arguments before a tool runs and has its own words for errors, so this is the one
    place that every argument, result and error passes.
    """

    async def call_tool(
        self, name: str, arguments: dict[str, Any], context: Context[_LifespanT, Any] | None = None
    ) -> types.CallToolResult | types.InputRequiredResult:
        """See `MCPServer.call_tool`."""
        schema = self._tool_input_schema(name)
        if schema is None:
            raise ToolError(f"Unknown tool: {name}")
        note = ""
        try:
            given = read_arguments(name, schema, arguments)
            note = given.note
            result = await super().call_tool(name, given.known, context)
        except LoopinError as error:
            raise ToolError(for_model(error)) from error
        except ToolError as error:
            if refusal := _refusal(error):
                raise ToolError(f"{refusal} {note}".rstrip()) from error.__cause__
            raise
        return _compact(result, note) if isinstance(result, types.CallToolResult) else result


class PlainSpokenPrompt(Prompt):
    """A Prompt that checks arguments and explains errors like a tool.

    An empty argument counts as left out.
    """

    tool: Tool

    async def render(
        self, arguments: dict[str, Any] | None, context: Context[Any, Any]
    ) -> list[Message] | types.InputRequiredResult:
        """See `Prompt.render`."""
        given = {name: value for name, value in (arguments or {}).items() if value.strip()}
        try:
            return [UserMessage(await self.tool.run(given, context))]
        except ToolError as error:
            if refusal := _refusal(error):
                bad_arguments = isinstance(error.__cause__, ValidationError)
                code = types.INVALID_PARAMS if bad_arguments else types.INTERNAL_ERROR
                raise MCPError(code=code, message=refusal) from error
            raise


def _refusal(error: ToolError) -> str:
    """Why a function or the check of its arguments failed; empty if it crashed."""
    match error.__cause__:
        case LoopinError() as cause:
            return for_model(cause)
        case ValidationError() as cause:
            return f"{explain(cause)}. Correct that and call again."
    return ""


def _compact(result: types.CallToolResult, note: str) -> types.CallToolResult:
    """The result with a note, and its text as JSON without indentation."""
    content = (result.structured_content or {}) | ({_NOTE: note} if note else {})
    text = types.TextContent(type="text", text=to_json(content).decode())
    return result.model_copy(update={"structured_content": content, "content": [text]})


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
    if output:
        output["properties"][_NOTE] = {"description": "What was ignored or cut", "type": "string"}
    return tool.model_copy(
        update={
            "description": " ".join(tool.description.split()),
            "parameters": _opened(_lean(arguments.model_json_schema(by_alias=True))),
            "fn_metadata": tool.fn_metadata.model_copy(
                update={"arg_model": arguments, "output_schema": output}
            ),
        }
    )


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
            field["additionalProperties"] = _ANY_JSON
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
