"""What tools and prompts work with: client, settings, default names, and reports of progress."""

import logging
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from functools import cache, cached_property, partial
from typing import TYPE_CHECKING, Any, TypeVar
from uuid import uuid4

import anyio
from anyio.abc import TaskGroup
from mcp.server.mcpserver import Context
from mcp_types import Implementation

from loopin_mcp.client.addresses import Address
from loopin_mcp.errors import ConfigurationError, LoopinError, ungrouped
from loopin_mcp.mcp_server.forms import AnyForms
from loopin_mcp.settings.settings import Settings
from loopin_mcp.settings.values import LONGEST_NAME
from loopin_mcp.wire.models import Interrupt
from loopin_mcp.wire.plain_text import plain_text

if TYPE_CHECKING:
    from loopin_mcp.client.client import LoopinClient

PROGRESS_EVERY_S = 5.0
# How often to see whether the copy that served the embedded API has ended.
LOOK_EVERY_S = 2.0

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

logger = logging.getLogger("loopin_mcp")


@dataclass(frozen=True)
class Loopin:
    """What a tool or a prompt works with."""

    make_client: Callable[[], "LoopinClient"]
    settings: Settings
    forms: AnyForms
    progress_every_s: float
    # The interrupts that were created here, and those that a human decided in a form here.
    asked: set[str] = field(default_factory=set)
    confirmed: set[str] = field(default_factory=set)
    # Stands for the session of a host that does not name it.
    session: str = field(default_factory=lambda: uuid4().hex)
    # Set once the server stops, which ends all waits.
    stopping: anyio.Event = field(default_factory=anyio.Event)

    @cached_property
    def client(self) -> "LoopinClient":
        """The client of the API, which the first call makes."""
        return self.make_client()

    async def wait_for_decision(self, interrupt: Interrupt, wait_s: float) -> Interrupt:
        """The interrupt once it is settled, or still pending after the wait.

        The wait also ends when the server stops. It raises LoopinErrors in groups.
        """
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._cancel_when_stopping, tasks.cancel_scope)
            interrupt = await self.client.wait_for_decision(interrupt.interrupt_id, wait_s)
            tasks.cancel_scope.cancel()
        return interrupt

    async def _cancel_when_stopping(self, wait: anyio.CancelScope) -> None:
        await self.stopping.wait()
        wait.cancel()


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
    client = plain_name(params.client_info) if params else ""
    return ctx.request_context.lifespan_context.settings.agent_id or client


def plain_name(client: Implementation) -> str:
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


@asynccontextmanager
async def client_maker(
    settings: Settings | ConfigurationError, serve_after_s: float | None = None
) -> AsyncIterator[Callable[[], "LoopinClient"]]:
    """How to make a client of the API in the settings, or of the embedded one.

    The client works until the block ends. If there can be no client, every call raises the
    ConfigurationError that says why. After `serve_after_s` seconds, the embedded API runs even if
    nothing was called, for the gate and the pages.
    """
    async with anyio.create_task_group() as tasks:
        async with AsyncExitStack() as stack, anyio.create_task_group() as keeping:
            make_client = cache(partial(_client, settings, tasks, stack))
            if (
                serve_after_s is not None
                and isinstance(settings, Settings)
                and not settings.api_url
            ):
                keeping.start_soon(_keep_api, make_client, serve_after_s)
            yield make_client
            keeping.cancel_scope.cancel()
        tasks.cancel_scope.cancel()


async def _keep_api(make_client: Callable[[], "LoopinClient"], serve_after_s: float) -> None:
    """Serve the embedded API whenever no other copy does."""
    await anyio.sleep(serve_after_s)
    while True:
        try:
            await make_client().get_health()
        except Exception:
            # A call of a tool tries again, and says what is wrong.
            logger.debug("The embedded API cannot be reached", exc_info=True)
        await anyio.sleep(LOOK_EVERY_S)


def _client(
    settings: Settings | ConfigurationError, tasks: TaskGroup, stack: AsyncExitStack
) -> "LoopinClient":
    # A host waits for the start and not for a first call, and httpx and the API take long to load.
    from loopin_mcp.client.client import LoopinClient

    try:
        if isinstance(settings, ConfigurationError):
            raise settings
        client = _usable_client(settings, tasks, stack)
    except ConfigurationError as error:
        fault = error

        async def locate() -> Address:
            raise fault

        client = LoopinClient(locate=locate, channel="mcp")
    stack.push_async_callback(client.aclose)
    return client


def _usable_client(settings: Settings, tasks: TaskGroup, stack: AsyncExitStack) -> "LoopinClient":
    from loopin_mcp.client.client import LoopinClient
    from loopin_mcp.client.transport import check_host

    timeout_s = settings.timeout_s
    if settings.api_url:
        check_host("LOOPIN_API_URL", settings.api_url)
        return LoopinClient(settings.api_url, settings.api_key, timeout_s=timeout_s, channel="mcp")
    from loopin_mcp.embedded import Copy

    copy = Copy(settings, tasks)
    stack.push_async_callback(copy.aclose)
    return LoopinClient(locate=copy.locate, timeout_s=timeout_s, channel="mcp")


async def with_progress(
    ctx: Call, wait: Callable[[float], Awaitable[_Outcome]], wait_s: float, review_url: str | None
) -> _Outcome:
    """The outcome of `wait(wait_s)`, with reports to the host until then, which show the link.

    Raises:
        LoopinError: `wait` raised it.
    """
    async with _reporting(ctx, wait_s, review_url):
        return await wait(wait_s)


@asynccontextmanager
async def _reporting(ctx: Call, wait_s: float, review_url: str | None) -> AsyncIterator[None]:
    """Report to the host until the block ends."""
    with ungrouped():
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(_report, ctx, wait_s, review_url)
            yield
            tasks.cancel_scope.cancel()


async def _report(ctx: Call, wait_s: float, review_url: str | None) -> None:
    started = anyio.current_time()
    link = f": {plain_text(review_url)}" if review_url else ""
    while True:
        await anyio.sleep(ctx.request_context.lifespan_context.progress_every_s)
        waited_s = round(anyio.current_time() - started, 2)
        left_s = max(0, wait_s - waited_s)
        message = f"Waited {waited_s:.0f} s for a human's decision, {left_s:.0f} s left{link}"
        await ctx.report_progress(waited_s, wait_s, message)
