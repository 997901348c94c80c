"""For tests of MCP over HTTP: servers on loopback in this process, and clients of the SDK."""

import asyncio
import itertools
import re
import sys
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import httpx2
from mcp import Client
from mcp.client.session import ElicitationFnT
from mcp.client.streamable_http import streamable_http_client

from loopin_mcp.commands.serve_api import serve_api
from loopin_mcp.commands.serve_http import serve_http
from loopin_mcp.settings.settings import Settings
from tests.support import PATIENCE_S, Served, clean_environment
from tests.support.host import ENVELOPE, LEGACY, MODERN
from tests.support.server import ERAS, HOST

AGENTS_KEY = "key-of-the-agents-that-is-long-enough"
TOKEN = "token-of-the-mcp-server-long-enough"
Serve = Callable[[Callable[[str], None]], Coroutine[None, None, None]]
JSON = dict[str, Any]


@asynccontextmanager
async def serving(serve: Serve) -> AsyncIterator[str]:
    """The URL of a server, which is stopped when the block ends, as by Ctrl+C."""
    said = asyncio.Queue[str]()
    server = asyncio.ensure_future(serve(said.put_nowait))
    starting = asyncio.ensure_future(said.get())
    await asyncio.wait([server, starting], return_when=asyncio.FIRST_COMPLETED)
    if server.done():
        starting.cancel()
        server.result()
    try:
        yield re.findall(r"http://[^\s/]+", starting.result())[0]
    finally:
        server.cancel()
        with suppress(asyncio.CancelledError):
            await server


def http_server(
    data_dir: Path,
    *,
    progress_every_s: float = 5.0,
    **changes: Any,  # noqa: ANN401 - any setting
) -> Serve:
    """`loopin-mcp --transport http` on a free port; without a URL it has an API of its own."""
    own: JSON = {"data_dir": data_dir, "port": 0, "user_id": "u"}
    own |= {"mcp_port": 0, "mcp_token": TOKEN} | changes
    settings = Settings(**own)
    return partial(serve_http, settings, progress_every_s=progress_every_s)


def api_server(data_dir: Path, **changes: Any) -> Serve:  # noqa: ANN401 - any setting
    """`loopin-mcp api` on a free port."""
    own: JSON = {"data_dir": data_dir, "port": 0}
    settings = Settings(**own | changes)
    return partial(serve_api, settings, insecure=False)


class Balancer(httpx2.AsyncHTTPTransport):
    """Sends each request to the next of some copies of a server."""

    def __init__(self, *urls: str) -> None:
        super().__init__(trust_env=False)
        self._urls = itertools.cycle(map(httpx2.URL, urls))

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        request.url = request.url.copy_with(port=next(self._urls).port)
        return await super().handle_async_request(request)


@asynccontextmanager
async def host(
    url: str,
    era: str,
    token: str | None = TOKEN,
    human: ElicitationFnT | None = None,
    balancer: Balancer | None = None,
) -> AsyncIterator[Client]:
    """A host that connects to a URL in an era; with a human it has forms."""
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    async with httpx2.AsyncClient(
        headers=headers, timeout=PATIENCE_S, trust_env=False, transport=balancer
    ) as http:
        transport = streamable_http_client(f"{url}/mcp", http_client=http)
        async with Client(
            transport, mode=era, client_info=HOST, elicitation_callback=human
        ) as client:
            assert client.protocol_version == ERAS[era]
            yield client


def caller(url: str, token: str | None = TOKEN, **headers: str) -> httpx.AsyncClient:
    """Raw HTTP, as a host of 2025-11-25 sends it."""
    sent = {
        "Accept": "application/json, text/event-stream",
        "Content-Type": "application/json",
        "MCP-Protocol-Version": LEGACY,
        **({"Authorization": f"Bearer {token}"} if token else {}),
        **headers,
    }
    return httpx.AsyncClient(base_url=url, headers=sent, timeout=PATIENCE_S, trust_env=False)


def request(method: str, params: JSON | None = None, *, era: str = "legacy") -> JSON:
    """A JSON-RPC request of an era."""
    meta = {"_meta": ENVELOPE} if era == MODERN else {}
    return {"jsonrpc": "2.0", "id": 1, "method": method, "params": {**(params or {}), **meta}}


LIST = request("tools/list")


class ServedMCP(Served):
    """`loopin-mcp --transport http` in a process of its own, on a free port."""

    def __init__(self, data_dir: Path, environment: dict[str, str]) -> None:
        own = {"LOOPIN_DATA_DIR": str(data_dir), "LOOPIN_PORT": "0", "PORT": "0"}
        super().__init__(
            [sys.executable, "-m", "loopin_mcp", "--transport", "http"],
            clean_environment(LOOPIN_MCP_TOKEN=TOKEN, **(own | environment)),
        )
