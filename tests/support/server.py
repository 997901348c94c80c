"""For tests of the MCP server: tool calls that succeed, and that fail."""

import json
from typing import Any

import pytest
from mcp import Client
from mcp_types import CallToolResult, Implementation, TextContent

ERAS = {"legacy": "2025-11-25", "2026-07-28": "2026-07-28"}
HOST = Implementation(name="test-host", version="1")

in_each_era = pytest.mark.parametrize("era", ERAS)


async def call(mcp: Client, name: str, **arguments: Any) -> dict[str, Any]:  # noqa: ANN401
    result = await mcp.call_tool(name, arguments)
    assert result.is_error is False, result
    content: dict[str, Any] = result.structured_content
    assert json.loads(text_of(result)) == content
    return content


async def refusal(mcp: Client, name: str, **arguments: Any) -> str:  # noqa: ANN401
    result = await mcp.call_tool(name, arguments)
    assert result.is_error is True, result
    assert result.structured_content is None
    return text_of(result)


def text_of(result: CallToolResult) -> str:
    [content] = result.content
    assert isinstance(content, TextContent)
    return content.text
