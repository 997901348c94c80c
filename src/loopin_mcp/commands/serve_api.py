"""Serves the API, and MCP under its `/mcp`."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import anyio.to_thread

from loopin_mcp.api.serving.serving import serve_alone
from loopin_mcp.client.addresses import Address
from loopin_mcp.client.client import LoopinClient
from loopin_mcp.client.connections import in_process
from loopin_mcp.settings.base_urls import LOOPBACK
from loopin_mcp.settings.settings import Settings

if TYPE_CHECKING:
    from loopin_mcp.mcp_server.http.endpoint import Endpoint

# The API is in this process, and answers to this name.
_HERE = f"http://{LOOPBACK}"


async def serve_api(settings: Settings, say: Callable[[str], None], *, insecure: bool) -> None:
    """Serve the API until cancelled, and MCP under its `/mcp`; see `serve_alone`."""
    await serve_alone(settings, insecure=insecure, say=say, make_mcp=partial(_mcp_of_api, settings))


@asynccontextmanager
async def _mcp_of_api(
    settings: Settings, api: Callable[..., Awaitable[None]]
) -> AsyncIterator["Endpoint"]:
    """MCP whose tools call this API with the key of their caller, who is some person of a team."""
    http = in_process(api)

    def client_of(key: str) -> LoopinClient:
        async def locate() -> Address:
            return Address(_HERE, key or None)

        return LoopinClient(locate=locate, channel="mcp", http=http)

    # The API continues to answer meanwhile.
    make_endpoint = await anyio.to_thread.run_sync(_load)
    # Nobody is asked only because this program runs under their name.
    of_team = replace(settings, api_url=_HERE)
    async with make_endpoint(of_team, settings.api_key_secret, client_of) as endpoint:
        yield endpoint


def _load() -> Callable[..., AbstractAsyncContextManager["Endpoint"]]:
    from loopin_mcp.mcp_server.http.endpoint import mcp_endpoint

    return mcp_endpoint
