"""Makes tools and prompts from functions: strict arguments, short schemas, plain errors."""

from collections.abc import Callable
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
from pydantic import AliasChoices, AliasGenerator, ConfigDict, ValidationError
from pydantic.alias_generators import to_camel

from loopin_mcp.errors import LoopinError
from loopin_mcp.mcp_server.remedies import for_model
from loopin_mcp.wire.validation import explain, parse_json

_LifespanT = TypeVar("_LifespanT")


class PlainSpokenServer(MCPServer[_LifespanT]):
    """An MCPServer whose tools explain an error in one or two sentences.

    The SDK checks arguments before a tool runs and has its own words for errors, so this is the one
    place that every error passes. An argument that is null counts as left out.
    """

    async def call_tool(
        self, name: str, arguments: dict[str, Any], context: Context[_LifespanT, Any] | None = None
    ) -> types.CallToolResult | types.InputRequiredResult:
        """See `MCPServer.call_tool`."""
        given = {name: value for name, value in arguments.items() if value is not None}
        try:
            return await super().call_tool(name, given, context)
        except ToolError as error:
            if refusal := _refusal(error):
                raise ToolError(refusal) from error.__cause__
            raise


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


def tool_of(function: Callable[..., Any], title: str, hints: types.ToolAnnotations) -> Tool:
    """A tool whose arguments have their wire names or the function's; it refuses any others."""
    tool = Tool.from_function(function, title=title, annotations=hints)
    arguments = _strict(tool.fn_metadata.arg_model)
    schemas = {"arg_model": arguments, "output_schema": _lean(tool.fn_metadata.output_schema)}
    return tool.model_copy(
        update={
            "description": " ".join(tool.description.split()),
            "parameters": _lean(arguments.model_json_schema(by_alias=True)),
            "fn_metadata": tool.fn_metadata.model_copy(update=schemas),
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


def unquoted(value: Any) -> Any:  # noqa: ANN401 - this is the JSON edge
    """Read a JSON object that came as a string; Claude Desktop sometimes sends objects so."""
    if not isinstance(value, str):
        return value
    try:
        return parse_json(value)
    except ValueError:
        return value


def _strict(arguments: type[ArgModelBase]) -> type[ArgModelBase]:
    both_spellings = AliasGenerator(validation_alias=_spellings)
    # A callback URL may hold a secret.
    config = ConfigDict(extra="forbid", alias_generator=both_spellings, hide_input_in_errors=True)
    return type(arguments.__name__, (arguments,), {"model_config": config, "__module__": __name__})


def _spellings(name: str) -> AliasChoices:
    return AliasChoices(to_camel(name), name)


def _lean(schema: Any) -> Any:  # noqa: ANN401 - a JSON schema, or a part of one
    """The schema without titles, descriptions of whole models, and null for what is left out."""
    if isinstance(schema, list):
        return [_lean(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    lean = {name: _lean(part) for name, part in schema.items()}
    if isinstance(lean.get("title"), str):
        del lean["title"]
    if "properties" in lean:
        lean.pop("description", None)
    if lean.get("default", "unset") in (None, ""):
        del lean["default"]
        choices = [part for part in lean.pop("anyOf", []) if part != {"type": "null"}]
        lean = {**lean, **(choices[0] if choices else {})}
    return lean
