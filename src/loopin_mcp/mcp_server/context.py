"""What tools and prompts work with: client, settings, default names, and reports of progress."""

import re
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Any, TypeVar

import anyio
from mcp.server.mcpserver import Context
from mcp_types import Implementation

from loopin_mcp.client.addresses import Address
from loopin_mcp.client.client import LoopinClient
from loopin_mcp.client.transport import check_host
from loopin_mcp.embedded import embedded_api
from loopin_mcp.errors import ConfigurationError, LoopinError, ungrouped
from loopin_mcp.mcp_server.forms import Forms
from loopin_mcp.settings.settings import Settings
from loopin_mcp.settings.values import LONGEST_NAME
from loopin_mcp.wire.plain_text import plain_text

PROGRESS_EVERY_S = 5.0

_CLIENT = re.compile(r"[-_ ](?:mcp[-_ ])?client$|[-_ ]mcp$", re.IGNORECASE)
_PARTS = ("agent", "cli", "client", "core", "mcp", "sdk")
_KNOWN_CLIENTS = {
    "claude-ai": "Claude",
    "claude-code": "Claude Code",
    "cline": "Cline",
    "codex": "Codex",
    "continue": "Continue",
    "cursor-vscode": "Cursor",
    "gemini-cli": "Gemini CLI",
    "github-copilot-developer": "Copilot CLI",
    "mcp": "MCP client",
    "qwen-code": "Qwen Code",
}

_Outcome = TypeVar("_Outcome")


@dataclass(frozen=True)
class Loopin:
    """What a tool or a prompt works with."""

    client: LoopinClient
    settings: Settings
    forms: Forms
    progress_every_s: float
    # The interrupts that were created here, and those that a human decided in a form here.
    asked: set[str] = field(default_factory=set)
    confirmed: set[str] = field(default_factory=set)


Call = Context[Loopin, Any]


def default_agent_id(ctx: Call) -> str:
    """The agent's name: the setting, else the MCP client's name."""
    name = agent_name(ctx)
    if not name:
        raise LoopinError("agentId is required: give it, or set LOOPIN_AGENT_ID.")
    return name


def agent_name(ctx: Call) -> str:
    """The agent's name, or nothing if neither the settings nor the client have one."""
    params = ctx.request_context.session.client_params
    client = _plain_name(params.client_info) if params else ""
    return ctx.request_context.lifespan_context.settings.agent_id or client


def _plain_name(client: Implementation) -> str:
    """What a client calls itself, without what only says that it is a client."""
    title = " ".join((client.title or "").split())
    if title:
        return title[:LONGEST_NAME]
    name = " ".join(client.name.split())
    scope, _, package = name.removeprefix("@").rpartition("/")
    short = scope if name.startswith("@") and package in _PARTS else package
    short = _CLIENT.sub("", short) or name
    return _KNOWN_CLIENTS.get(short.casefold(), short)[:LONGEST_NAME]


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


async def with_progress(
    ctx: Call, wait: Callable[[float], Awaitable[_Outcome]], wait_s: float, review_url: str | None
) -> _Outcome:
    """The outcome of `wait(wait_s)`, with reports to the host until then, which show the link.

    Raises:
        LoopinError: `wait` raised it.
    """
    with ungrouped():
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(_report, ctx, wait_s, review_url)
            outcome = await wait(wait_s)
            tasks.cancel_scope.cancel()
    return outcome


async def _report(ctx: Call, wait_s: float, review_url: str | None) -> None:
    started = anyio.current_time()
    link = f": {plain_text(review_url)}" if review_url else ""
    while True:
        await anyio.sleep(ctx.request_context.lifespan_context.progress_every_s)
        waited_s = round(anyio.current_time() - started, 2)
        left_s = max(0, wait_s - waited_s)
        message = f"Waited {waited_s:.0f} s for a human's decision, {left_s:.0f} s left{link}"
        await ctx.report_progress(waited_s, wait_s, message)
