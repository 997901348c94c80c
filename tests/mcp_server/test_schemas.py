"""The published schemas, as the converters of other libraries and local models read them."""

import importlib
import json
from collections.abc import Iterator
from typing import Any

import jsonschema
import pytest
from mcp import Client
from mcp_types import Tool

from tests.support import missing

# What llama.cpp's grammars, Gemini and strict function schemas refuse, or read as something else.
JSON_TYPES = {"string", "number", "boolean", "null", "object", "array"}
REFUSED = ("$ref", "$defs", "anyOf", "oneOf", "allOf", "pattern", "minLength", "maxLength", "title")


@pytest.fixture
async def tools(mcp: Client) -> list[Tool]:
    return (await mcp.list_tools()).tools


def library(module: str, package: str) -> Any:  # noqa: ANN401 - a module of another library
    try:
        return importlib.import_module(module)
    except ImportError:
        missing(package)


def parts_of(schema: Any) -> Iterator[dict[str, Any]]:  # noqa: ANN401 - any part of one
    """The schema and every schema in it."""
    yield schema
    for part in schema.get("properties", {}).values():
        yield from parts_of(part)
    for name in ("items", "additionalProperties"):
        if isinstance(schema.get(name), dict):
            yield from parts_of(schema[name])


async def test_schemas_hold_nothing_that_readers_refuse(tools: list[Tool]) -> None:
    parts = [part for tool in tools for schema in schemas_of(tool) for part in parts_of(schema)]

    assert len(parts) > 60
    assert [part for part in parts if set(part) & set(REFUSED)] == []
    assert [part for part in parts if part.get("additionalProperties", True) is False] == []


def schemas_of(tool: Tool) -> list[dict[str, Any]]:
    assert tool.output_schema is not None
    return [tool.input_schema, tool.output_schema]


async def test_objects_of_the_caller_are_open(tools: list[Tool]) -> None:
    fields = {
        name: field
        for tool in tools
        for name, field in tool.input_schema["properties"].items()
        if field["type"] == "object"
    }

    # Its values are lists.
    assert fields.pop("options")["additionalProperties"]["type"] == "array"
    assert set(fields) == {"context", "modifiedParams"}
    for field in fields.values():
        # Not `true`, on which google-genai fails, and not {}, which llama.cpp reads as an object.
        assert set(field["additionalProperties"]["type"]) == JSON_TYPES
        values = {"text": "x", "number": 1.5, "list": ["x", {"deep": [[1]]}], "none": None}
        values["rows"] = [[1, "x"], [], [[[None, 2.5]]]]
        jsonschema.validate(values, field)


async def test_gemini_takes_the_tools(tools: list[Tool]) -> None:
    google = library("google.genai._mcp_utils", "google-genai")

    for tool in tools:
        [function] = google.mcp_to_gemini_tool(tool).function_declarations or []
        schema = function.parameters
        assert function.name == tool.name
        assert schema is not None
        assert set(schema.properties or {}) == set(tool.input_schema["properties"])
        assert (schema.required or []) == tool.input_schema.get("required", [])


@pytest.mark.parametrize("strict", [False, True])
async def test_openai_agents_takes_the_tools(tools: list[Tool], strict: bool) -> None:
    agents = library("agents.mcp", "openai-agents")

    server = agents.MCPServerStdio({"command": "loopin-mcp"})
    for tool in tools:
        function = agents.MCPUtil.to_function_tool(tool, server, strict)
        given = function.params_json_schema["properties"]
        assert set(given) == set(tool.input_schema["properties"])
        # A closed object without properties could only ever be empty.
        closed = [
            name
            for name, field in given.items()
            if field.get("type") == "object" and not field.get("additionalProperties")
        ]
        assert closed == []


async def test_langchain_takes_the_tools(tools: list[Tool]) -> None:
    """langchain-mcp-adapters hands the input schema to this as it is."""
    langchain_core = library("langchain_core.utils.function_calling", "langchain-core")

    for tool in tools:
        plain = {"title": tool.name, "description": tool.description, **tool.input_schema}
        function = langchain_core.convert_to_openai_tool(plain)["function"]
        assert function["name"] == tool.name
        assert json.dumps(function["parameters"]["properties"], sort_keys=True) == json.dumps(
            tool.input_schema["properties"], sort_keys=True
        )
