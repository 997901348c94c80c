"""For tests of the prompts: a host with a remote API."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from mcp import Client
from mcp.shared.exceptions import MCPError
from mcp_types import ErrorData, TextContent

from loopin_mcp.mcp_server.tools import create_server
from loopin_mcp.settings.settings import Settings
from tests.support.server import ERAS, HOST

URL = "https://loopin.example.com"


@asynccontextmanager
async def host(era: str = "legacy", **environment: str) -> AsyncIterator[Client]:
    """A host of this era with a remote API."""
    settings = Settings.load({"LOOPIN_API_URL": URL, "LOOPIN_USER_ID": "u"} | environment)
    async with Client(create_server(settings), mode=era, client_info=HOST) as client:
        assert client.protocol_version == ERAS[era]
        yield client


async def text_of(client: Client, prompt: str, **arguments: str) -> str:
    result = await client.get_prompt(prompt, arguments)
    [message] = result.messages
    assert message.role == "user"
    assert isinstance(message.content, TextContent)
    return message.content.text


async def refusal(client: Client, prompt: str, **arguments: str) -> ErrorData:
    with pytest.raises(MCPError) as refused:
        await client.get_prompt(prompt, arguments)
    return refused.value.error
