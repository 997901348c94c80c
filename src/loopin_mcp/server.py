"""The MCP server: its lifespan and the six tools, each one call of the LoopIn API."""

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Annotated, Any

from mcp.server import CacheHint, MCPServer
from mcp.server.mcpserver import Context as MCPContext
from mcp.server.mcpserver.tools import Tool
from mcp_types import ToolAnnotations
from pydantic import BeforeValidator
from pydantic_core import from_json

from loopin_mcp.addresses import Address
from loopin_mcp.client import LoopinClient
from loopin_mcp.embedded import embedded_api
from loopin_mcp.errors import ConfigurationError, InvalidRequestError
from loopin_mcp.fields import (
    DEFAULT_PAGE,
    Action,
    AgentId,
    CallbackUrl,
    Context,
    Cursor,
    ExpiresIn,
    InterruptId,
    ModifiedParams,
    PageLimit,
    Reason,
    Urgency,
    UserId,
    Verdict,
    WaitSeconds,
)
from loopin_mcp.models import Analytics, Decision, NewInterrupt, PendingPage
from loopin_mcp.results import CancelledResult, CreatedResult, DecidedResult, InterruptStatus
from loopin_mcp.settings import LONGEST_NAME, Settings
from loopin_mcp.toolbox import PlainSpokenServer, tool_of
from loopin_mcp.version import HOME_PAGE, __version__

INSTRUCTIONS = """\
LoopIn asks a human before you do what you should not decide alone: spending money, deleting or
publishing, writing to other people, changing production, anything that cannot be undone.

1. create_interrupt: say in `action` exactly what you will do, and put every fact the human needs
   into `context`.
2. Show the returned `reviewUrl` to the user as a link. The human decides on that page.
3. get_interrupt_status with `waitSeconds` (45, say) until `status` is no longer `pending`.
4. Act only if `approved` is true, and then do exactly what was approved; where `modifiedParams`
   are given, use those values. On anything else (rejected, expired, cancelled, an error) do not
   act: tell the user, and follow the reason if there is one.

Whatever comes back on one interrupt has a `nextStep` that says what to do. Never approve your own
request: decide_interrupt is for passing on what a human has told you in so many words.
"""
LIST_TTL_MS = 3_600_000

TOOLS: dict[str, Tool] = {}


@dataclass(frozen=True)
class Loopin:
    """What a tool works with."""

    client: LoopinClient
    settings: Settings


Call = MCPContext[Loopin, Any]


def create_server(settings: Settings | ConfigurationError) -> MCPServer[Loopin]:
    """The MCP server with the tools the settings offer.

    With a ConfigurationError in place of settings it starts all the same, since a host would
    only show "failed", and every tool answers with what to mend.
    """

    @asynccontextmanager
    async def lifespan(_server: MCPServer[Loopin]) -> AsyncIterator[Loopin]:
        async with AsyncExitStack() as stack:
            client = await _client(settings, stack)
            yield Loopin(client, usable)

    usable = Settings() if isinstance(settings, ConfigurationError) else settings
    return PlainSpokenServer(
        "loopin-mcp",
        title="LoopIn",
        version=__version__,
        website_url=HOME_PAGE,
        instructions=INSTRUCTIONS,
        tools=[TOOLS[name] for name in usable.tools],
        lifespan=lifespan,
        cache_hints={"tools/list": CacheHint(ttl_ms=LIST_TTL_MS)},
    )


async def _client(settings: Settings | ConfigurationError, stack: AsyncExitStack) -> LoopinClient:
    try:
        client = await _usable_client(settings, stack)
    except ConfigurationError as error:
        fault = error

        async def locate() -> Address:
            raise fault

        client = LoopinClient(locate=locate)
    return await stack.enter_async_context(client)


async def _usable_client(
    settings: Settings | ConfigurationError, stack: AsyncExitStack
) -> LoopinClient:
    if isinstance(settings, ConfigurationError):
        raise settings
    if settings.api_url:
        return LoopinClient(settings.api_url, settings.api_key, timeout_s=settings.timeout_s)
    locate = await stack.enter_async_context(embedded_api(settings))
    return LoopinClient(locate=locate, timeout_s=settings.timeout_s)


def _tool(
    title: str,
    *,
    read_only: bool = False,
    destructive: bool = False,
    idempotent: bool = False,
    open_world: bool = False,
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    def register(function: Callable[..., Any]) -> Callable[..., Any]:
        hints = ToolAnnotations(
            title=title,
            read_only_hint=read_only,
            destructive_hint=destructive,
            idempotent_hint=idempotent,
            open_world_hint=open_world,
        )
        tool = tool_of(function, title, hints)
        TOOLS[tool.name] = tool
        return function

    return register


def _unquoted(value: Any) -> Any:  # noqa: ANN401 - this is the JSON edge
    """Take a JSON object that came as a string; Claude Desktop sends objects so at times."""
    if not isinstance(value, str):
        return value
    try:
        return from_json(value, allow_inf_nan=False)
    except ValueError:
        return value


_ToolContext = Annotated[Context, BeforeValidator(_unquoted)]
_ToolParams = Annotated[ModifiedParams, BeforeValidator(_unquoted)]


@_tool("Ask a human to approve", open_world=True)
async def create_interrupt(
    ctx: Call,
    action: Action,
    context: _ToolContext,
    agent_id: AgentId = "",
    user_id: UserId = "",
    urgency: Urgency = "medium",
    expires_in: ExpiresIn = 3600,
    callback_url: CallbackUrl = "",
) -> CreatedResult:
    """Ask a human to approve one action before you do it.

    Use it before anything that spends money, deletes, publishes, contacts people, touches
    production or cannot be undone, and when the user asked to be asked. Not for questions a
    chat message can settle. Returns at once with status pending and a reviewUrl: show that
    link to the user, do not act, and call get_interrupt_status with waitSeconds. agentId and
    userId may be left out where the server has defaults.
    """
    loopin = ctx.request_context.lifespan_context
    new = NewInterrupt(
        agent_id=agent_id or _agent_id(ctx),
        user_id=user_id or _user_id(loopin.settings),
        action=action,
        context=context,
        urgency=urgency,
        expires_in=expires_in,
        callback_url=callback_url or None,
    )
    return CreatedResult.of(await loopin.client.create_interrupt(new))


@_tool("Read a decision", read_only=True, idempotent=True)
async def get_interrupt_status(
    ctx: Call, interrupt_id: InterruptId, wait_seconds: WaitSeconds = 0
) -> InterruptStatus:
    """Read whether a human has decided, and wait for it.

    Use it after create_interrupt, with waitSeconds (45, say), again and again while status is
    pending; that is no error. Not to find an interrupt: list_pending_interrupts does that.
    Returns the interrupt with status and approved. Act only if approved is true, with
    modifiedParams in place of your own values if they are given. rejected, expired and
    cancelled mean: do not act; reason may say why. nextStep says what to do.
    """
    loopin = ctx.request_context.lifespan_context
    interrupt = await loopin.client.get_interrupt_status(
        interrupt_id, wait_s=min(wait_seconds, loopin.settings.max_wait_s)
    )
    return InterruptStatus.of(interrupt)


@_tool("List what waits for a human", read_only=True, idempotent=True)
async def list_pending_interrupts(
    ctx: Call, user_id: UserId = "", limit: PageLimit = DEFAULT_PAGE, cursor: Cursor = ""
) -> PendingPage:
    """List what still waits for a human's decision, newest first.

    Use it to show a user what they have to decide, or to find an interrupt whose id was lost.
    Not to wait for a decision: get_interrupt_status does that. Returns count and interrupts,
    each with its reviewUrl: show those links. Where nextCursor is returned there is more: pass
    it as cursor.
    """
    loopin = ctx.request_context.lifespan_context
    return await loopin.client.list_pending_interrupts(
        user_id or _user_id(loopin.settings), limit=limit, cursor=cursor or None
    )


@_tool("Record a human's decision", destructive=True, idempotent=True)
async def decide_interrupt(
    ctx: Call,
    interrupt_id: InterruptId,
    decision: Verdict,
    reason: Reason = "",
    modified_params: _ToolParams | None = None,
) -> DecidedResult:
    """Record the decision that a human has just told you, in this conversation.

    Only for a human's own words about this very interrupt ("yes, pay it"). Never decide by
    yourself, never approve what you asked for, never guess: send the user to the reviewUrl
    instead. Final: it cannot be changed. Returns decision and decidedAt; then tell the user. An
    interrupt that is no longer pending is refused and stays as it is.
    """
    loopin = ctx.request_context.lifespan_context
    answer = Decision(decision=decision, reason=reason or None, modified_params=modified_params)
    return DecidedResult.of(await loopin.client.decide_interrupt(interrupt_id, answer))


@_tool("Withdraw a question", destructive=True, idempotent=True)
async def cancel_interrupt(ctx: Call, interrupt_id: InterruptId) -> CancelledResult:
    """Withdraw a question that no longer matters, so that no human has to look at it.

    Use it when the plan changed or the action was dropped. Not to go ahead without approval:
    after it, do not act. Returns status cancelled. Only a pending interrupt can be cancelled;
    for any other call get_interrupt_status.
    """
    loopin = ctx.request_context.lifespan_context
    return CancelledResult.of(await loopin.client.cancel_interrupt(interrupt_id))


@_tool("Approval figures", read_only=True, idempotent=True)
async def get_interrupt_analytics(ctx: Call, user_id: UserId = "") -> Analytics:
    """Sum up one user's interrupts: how many, how often approved, how fast, of which types.

    Use it when the user asks for such figures. Not to read a decision. approvalRate (0 to 1)
    and the response times (milliseconds; p50 is the median) are null while nothing is decided.
    """
    loopin = ctx.request_context.lifespan_context
    return await loopin.client.get_interrupt_analytics(user_id or _user_id(loopin.settings))


def _agent_id(ctx: Call) -> str:
    """The name the agent asks under: the setting, else the MCP client's name."""
    params = ctx.request_context.session.client_params
    client_name = params.client_info.name.strip()[:LONGEST_NAME] if params else ""
    name = ctx.request_context.lifespan_context.settings.agent_id or client_name
    if not name:
        raise InvalidRequestError("agentId is required: give it, or set LOOPIN_AGENT_ID.")
    return name


def _user_id(settings: Settings) -> str:
    """The human to ask: the setting, else on the embedded API the login name."""
    if not settings.default_user_id:
        raise InvalidRequestError("userId is required: give it, or set LOOPIN_USER_ID.")
    return settings.default_user_id
