"""What tools and prompts work with: client, settings, and defaults for agent and user."""

from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any

from mcp.server.mcpserver import Context

from loopin_mcp.client.addresses import Address
from loopin_mcp.client.client import LoopinClient
from loopin_mcp.client.transport import check_host
from loopin_mcp.embedded import embedded_api
from loopin_mcp.errors import ConfigurationError, LoopinError
from loopin_mcp.mcp_server.forms import Forms
from loopin_mcp.settings.settings import Settings
from loopin_mcp.settings.values import LONGEST_NAME


@dataclass(frozen=True)
class Loopin:
    """What a tool or a prompt works with."""

    client: LoopinClient
    settings: Settings
    forms: Forms
    progress_every_s: float


Call = Context[Loopin, Any]


def default_agent_id(ctx: Call) -> str:
    """The agent's name: the setting, else the MCP client's name."""
    params = ctx.request_context.session.client_params
    client_name = params.client_info.name.strip()[:LONGEST_NAME] if params else ""
    name = ctx.request_context.lifespan_context.settings.agent_id or client_name
    if not name:
        raise LoopinError("agentId is required: give it, or set LOOPIN_AGENT_ID.")
    return name


def default_user_id(ctx: Call) -> str:
    """The human to ask: the setting, or the login name on the embedded API."""
    user_id = ctx.request_context.lifespan_context.settings.default_user_id
    if not user_id:
        raise LoopinError("userId is required: give it, or set LOOPIN_USER_ID.")
    return user_id


async def open_client(
    settings: Settings | ConfigurationError, stack: AsyncExitStack
) -> LoopinClient:
    """A client of the API in the settings, or of the embedded one, until `stack` ends.

    If there can be no client, every call raises the ConfigurationError that says why.
    """
    try:
        client = await _usable_client(settings, stack)
    except ConfigurationError as error:
        fault = error

        async def locate() -> Address:
            raise fault

        client = LoopinClient(locate=locate, channel="mcp")
    return await stack.enter_async_context(client)


async def _usable_client(
    settings: Settings | ConfigurationError, stack: AsyncExitStack
) -> LoopinClient:
    if isinstance(settings, ConfigurationError):
        raise settings
    if settings.api_url:
        check_host("LOOPIN_API_URL", settings.api_url)
        return LoopinClient(
            settings.api_url, settings.api_key, timeout_s=settings.timeout_s, channel="mcp"
        )
    locate = await stack.enter_async_context(embedded_api(settings))
    return LoopinClient(locate=locate, timeout_s=settings.timeout_s, channel="mcp")
