"""Serves MCP over HTTP."""

import logging
from collections.abc import Callable
from dataclasses import replace

import anyio
import anyio.to_thread

from loopin_mcp.api.access.guard import host_rule
from loopin_mcp.api.access.keys import Door, Keys
from loopin_mcp.api.access.limits import Limits, raise_file_limit
from loopin_mcp.api.clock import epoch_ms
from loopin_mcp.api.mcp_front import PATH, MCPFront, health_of
from loopin_mcp.api.serving.serving import listen_at, url_of
from loopin_mcp.api.serving.uvicorn_server import running
from loopin_mcp.errors import ConfigurationError
from loopin_mcp.mcp_server.context import PROGRESS_EVERY_S
from loopin_mcp.mcp_server.http.endpoint import mcp_endpoint
from loopin_mcp.settings.api_options import GRACE_S
from loopin_mcp.settings.base_urls import is_loopback
from loopin_mcp.settings.data_dir import TOKEN_FILE
from loopin_mcp.settings.embedded_files import load_mcp_token
from loopin_mcp.settings.settings import Settings
from loopin_mcp.settings.values import MAKE_ONE, SHORTEST_KEY

_SERVE_AFTER_S = 1.0

logger = logging.getLogger("loopin_mcp")


async def serve_http(
    settings: Settings, say: Callable[[str], None], progress_every_s: float = PROGRESS_EVERY_S
) -> None:
    """Serve MCP until cancelled; `say` prints to the operator how hosts connect.

    Raises:
        ConfigurationError: The settings cannot be used, or would lend the API key to anyone.
    """
    token = await anyio.to_thread.run_sync(token_of, settings)
    raise_file_limit()
    with await listen_at(settings.host, settings.mcp_port, "LOOPIN_MCP_PORT") as listener:
        url = url_of(listener)
        door = Door(Keys(token, {}), epoch_ms)
        public_url, limits = settings.public_url or url, _limits()
        knows_host = host_rule(listener.getsockname()[0], public_url)
        async with mcp_endpoint(
            settings, token, progress_every_s=progress_every_s, serve_after_s=_SERVE_AFTER_S
        ) as endpoint:
            others = health_of("loopin-mcp")
            app = MCPFront(endpoint, others, door, knows_host, public_url, limits)
            async with running(app, listener, GRACE_S, limits):
                say(_banner(url, settings, token))
                try:
                    await anyio.sleep_forever()
                finally:
                    endpoint.let_go()


def token_of(settings: Settings) -> str | None:
    """The bearer token that hosts need; None if the server has no key to lend.

    On loopback, the embedded API's server makes its own.

    Raises:
        ConfigurationError: LOOPIN_MCP_TOKEN is required, or is another secret.
    """
    if settings.mcp_token:
        return _checked(settings.mcp_token, settings)
    if not is_loopback(settings.host):
        raise ConfigurationError(
            f"HOST {settings.host} can be reached from other machines, and without a token "
            f"everybody there could use this MCP server: set LOOPIN_MCP_TOKEN. {MAKE_ONE}"
        )
    if settings.api_key:
        raise ConfigurationError(
            "Without a token, every program on this machine could use LOOPIN_API_KEY through this "
            f"MCP server: set LOOPIN_MCP_TOKEN. {MAKE_ONE}"
        )
    return None if settings.api_url else load_mcp_token(settings.data_dir)


def _checked(token: str, settings: Settings) -> str:
    """A token of its own; one that is short is warned of.

    Raises:
        ConfigurationError: It is the API key.
    """
    if token == settings.api_key:
        raise ConfigurationError(f"LOOPIN_MCP_TOKEN must differ from LOOPIN_API_KEY. {MAKE_ONE}")
    if len(token) < SHORTEST_KEY:
        logger.warning(
            "LOOPIN_MCP_TOKEN has fewer than %d characters, so it could be guessed. %s",
            SHORTEST_KEY,
            MAKE_ONE,
        )
    return token


def _limits() -> Limits:
    """Limits that leave room for the embedded API, and for a connection to it for each wait."""
    limits = Limits.of_process()
    return replace(limits, connections=limits.connections // 3, at_once=limits.at_once // 3)


def _banner(url: str, settings: Settings, token: str | None) -> str:
    held = "none: any program on this machine can connect"
    if token:
        kept = "LOOPIN_MCP_TOKEN" if settings.mcp_token else f"in {settings.data_dir / TOKEN_FILE}"
        held = f"{kept}; hosts send it as `Authorization: Bearer`"
    api = settings.api_url or "the embedded one"
    return f"LoopIn MCP server on {url}{PATH}\n  Token: {held}\n  API: {api}"
