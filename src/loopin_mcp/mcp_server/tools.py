"""The MCP server: its lifespan and the six tools, each one call of the LoopIn API."""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

from mcp.server import CacheHint, MCPServer
from mcp.server.context import ServerMiddleware
from mcp.server.mcpserver.tools import Tool
from mcp.server.request_state import RequestStateSecurity
from mcp_types import InputRequiredResult

from loopin_mcp.errors import ConfigurationError
from loopin_mcp.mcp_server.confirmation import confirm_decision
from loopin_mcp.mcp_server.context import (
    PROGRESS_EVERY_S,
    Call,
    Loopin,
    agent_name,
    client_maker,
    default_agent_id,
    default_user_id,
    with_progress,
)
from loopin_mcp.mcp_server.forms import ANSWER_WITHIN_S, Forms
from loopin_mcp.mcp_server.gate_tools import TOOLS_FOR_HOSTS, names_for
from loopin_mcp.mcp_server.prompts import prompts_for
from loopin_mcp.mcp_server.protocol import (
    PlainProtocol,
    declare_tools_and_prompts,
    icons,
    instructions,
)
from loopin_mcp.mcp_server.results import (
    CancelledResult,
    CreatedResult,
    DecidedResult,
    InterruptStatus,
    PendingList,
    pending_list,
    status_result,
    with_next_step,
    with_short_actions,
)
from loopin_mcp.mcp_server.tool_factory import PlainSpokenServer, hints_of, naming_the_wait, tool_of
from loopin_mcp.settings.settings import Settings
from loopin_mcp.version import HOME_PAGE, __version__
from loopin_mcp.wire import fields
from loopin_mcp.wire.models import Analytics, Decision, NewInterrupt

# Neither list changes while a server runs.
HINT = CacheHint(ttl_ms=3_600_000)
# Longer than a form counts, so that our words refuse a late answer and not the SDK's.
STATE_TTL_S = fields.LONGEST_EXPIRY_S + 86_400

TOOLS: dict[str, Tool] = {}


def create_server(
    settings: Settings | ConfigurationError,
    *,
    answer_within_s: float = ANSWER_WITHIN_S,
    progress_every_s: float = PROGRESS_EVERY_S,
    serve_after_s: float | None = None,
    state_security: RequestStateSecurity | None = None,
    middleware: Sequence[ServerMiddleware[Any]] = (),
) -> MCPServer[Loopin]:
    """The MCP server with the tools that the settings offer, and the prompts about them.

    With a ConfigurationError instead of settings it starts all the same, since a host would only
    show "failed"; every tool then answers with that error. A human has `answer_within_s` for a form
    in the host. The host gets a progress notification every `progress_every_s` of a wait. The
    embedded API starts with the first call, or `serve_after_s` seconds after the server. Without
    `state_security`, only this process takes the answer to its forms. The `middleware` sees each
    request first.
    """

    @asynccontextmanager
    async def lifespan(_server: MCPServer[Loopin]) -> AsyncIterator[Loopin]:
        async with client_maker(settings, serve_after_s) as make_client:
            yield Loopin(make_client, usable, Forms(answer_within_s), progress_every_s)

    usable = Settings() if isinstance(settings, ConfigurationError) else settings
    prompts = prompts_for(usable.tools)
    offered = [naming_the_wait(TOOLS[name], usable.max_wait_s) for name in usable.tools]
    server = PlainSpokenServer(
        "loopin-mcp",
        title="LoopIn",
        version=__version__,
        website_url=HOME_PAGE,
        icons=icons(),
        instructions=instructions(usable),
        tools=[*offered, *TOOLS_FOR_HOSTS],
        lifespan=lifespan,
        cache_hints={"tools/list": HINT, "prompts/list": HINT},
        request_state_security=state_security or RequestStateSecurity.ephemeral(ttl=STATE_TTL_S),
        # Neither list changes, so there is nothing to subscribe to.
        subscriptions=False,
        middleware=[
            *middleware,
            PlainProtocol(partial(names_for, usable), [each.name for each in prompts]),
        ],
    )
    declare_tools_and_prompts(server)
    for prompt in prompts:
        server.add_prompt(prompt)
    return server


def _tool(
    title: str, search_hint: str, *marks: str, **hints: bool
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    def register(function: Callable[..., Any]) -> Callable[..., Any]:
        # Claude Code keeps tools out of the prompt, and finds them by search.
        meta: dict[str, Any] = {"anthropic/searchHint": search_hint}
        meta |= {f"anthropic/{mark}": True for mark in marks}
        tool = tool_of(function, title, hints_of(title, **hints), meta)
        TOOLS[tool.name] = tool
        return function

    return register


@_tool(
    "Request human approval",
    "request approval or permission before payment, confirm",
    "alwaysLoad",
)
async def create_interrupt(
    ctx: Call,
    action: fields.Action,
    context: fields.Context,
    agent_id: fields.AgentId = "",
    user_id: fields.UserId = "",
    urgency: fields.Urgency = "medium",
    expires_in: fields.ExpiresIn = 3600,
    callback_url: fields.CallbackUrl = "",
    editable: fields.Editable | None = None,
    options: fields.Options | None = None,
) -> CreatedResult:
    """Request a human's approval of one action before you take it (human in the loop).

    Ask for permission before anything that spends money, deletes, publishes, contacts people,
    changes production or cannot be undone, and whenever the user told you to confirm first. Not
    for questions that chat can settle. Returns status pending and a reviewUrl at once:
    show that link to the user, then call get_interrupt_status with waitSeconds {wait}. Act only
    after it returns approved: true, and once; if this call fails, nothing is approved. Leave out
    agentId, userId and callbackUrl unless the user gave them.
    """
    loopin = ctx.request_context.lifespan_context
    new = NewInterrupt(
        agent_id=agent_id or default_agent_id(ctx),
        user_id=user_id or default_user_id(ctx),
        action=action,
        context=context,
        urgency=urgency,
        expires_in=expires_in,
        callback_url=callback_url or None,
        editable=editable,
        options=options,
    )
    created = await loopin.client.create_interrupt(new)
    loopin.asked.add(created.interrupt_id)
    return with_next_step(CreatedResult, created, loopin.settings.max_wait_s)


@_tool(
    "Wait for a human's decision",
    "was it approved, wait for approval or rejection",
    "alwaysLoad",
    read_only=True,
    idempotent=True,
)
async def get_interrupt_status(
    ctx: Call, interrupt_id: fields.InterruptId, wait_seconds: fields.WaitSeconds | None = None
) -> InterruptStatus:
    """Wait for a human's decision on an interrupt, up to {wait} seconds per call, and return it.

    Call it after create_interrupt, again while status is pending; that is normal. Act only if
    approved is true, once, with modifiedParams, if any, instead of your own values. rejected,
    expired, cancelled or an error: nothing is approved, do not act; reason may say why. If you
    cannot keep waiting, tell the user and stop; check again when they write. To find an id use
    list_pending_interrupts.
    """
    loopin = ctx.request_context.lifespan_context
    longest_s = loopin.settings.max_wait_s
    wait_s = longest_s if wait_seconds is None else min(wait_seconds, longest_s)
    interrupt = await loopin.client.get_interrupt_status(interrupt_id)
    if interrupt.is_pending and wait_s:
        wait = partial(loopin.wait_for_decision, interrupt)
        interrupt = await with_progress(ctx, wait, wait_s, interrupt.review_url)
    waits_for_own = wait_s > 0 and interrupt.agent_id == agent_name(ctx)
    return status_result(
        interrupt,
        longest_s,
        is_asker=interrupt_id in loopin.asked or waits_for_own,
        is_confirmed=interrupt_id in loopin.confirmed,
        wait_lowered=wait_seconds is not None and wait_seconds > longest_s,
    )


@_tool(
    "List pending approvals",
    "pending approval requests that wait for a human",
    read_only=True,
    idempotent=True,
)
async def list_pending_interrupts(
    ctx: Call,
    user_id: fields.UserId = "",
    limit: fields.PageLimit = fields.DEFAULT_PAGE,
    cursor: fields.Cursor = "",
) -> PendingList:
    """List approval requests that wait for a human's decision, newest first.

    Use it to show users what they have to approve, or to find a lost id. Each has its reviewUrl:
    show those links. get_interrupt_status waits for a decision, and with waitSeconds 0 it shows the
    context. Leave out userId unless the user gave one.
    """
    loopin = ctx.request_context.lifespan_context
    list_page = partial(loopin.client.list_pending_interrupts, user_id or default_user_id(ctx))
    page = await list_page(limit=limit, cursor=cursor or None)
    shown = pending_list(page)
    if shown.count < page.count:
        # A shorter page has the cursor that continues after what fits.
        page = await list_page(limit=shown.count, cursor=cursor or None)
        shown = pending_list(page)
    return shown


@_tool(
    "Record a human's decision",
    "the user approved or rejected, confirmed in the chat",
    # Claude Code lets only a person at the prompt allow it.
    "requiresUserInteraction",
    destructive=True,
    idempotent=True,
)
async def decide_interrupt(
    ctx: Call,
    interrupt_id: fields.InterruptId,
    decision: fields.Verdict,
    reason: fields.Reason = "",
    modified_params: fields.ModifiedParams | None = None,
) -> DecidedResult | InputRequiredResult:
    """Record an approval or rejection that a human has just stated in this conversation.

    Only for a human's own words about this very interrupt ("yes, pay it"). Never decide yourself,
    never approve your own request, never guess: send the user to the reviewUrl instead. The host
    may ask the human to confirm; if they do not, nothing is recorded. It is final. Returns
    decision (read that, not status); then tell the user. Fails unless it is pending.
    """
    loopin = ctx.request_context.lifespan_context
    answer = Decision(decision=decision, reason=reason or None, modified_params=modified_params)
    confirmed = await confirm_decision(ctx, interrupt_id, answer)
    if isinstance(confirmed, InputRequiredResult):
        return confirmed
    decided = await loopin.client.decide_interrupt(interrupt_id, confirmed)
    if confirmed is not answer:
        # It came back from a form, with the digest of what that showed.
        loopin.confirmed.add(interrupt_id)
    return with_next_step(DecidedResult, decided)


@_tool(
    "Cancel an approval request",
    "withdraw a request for approval",
    destructive=True,
    idempotent=True,
)
async def cancel_interrupt(ctx: Call, interrupt_id: fields.InterruptId) -> CancelledResult:
    """Cancel an approval request that no longer matters, so that no human looks at it.

    Use it when the plan changed or you dropped the action. Not to go ahead without approval: after
    it, do not act. Fails unless it is pending: then call get_interrupt_status.
    """
    loopin = ctx.request_context.lifespan_context
    return with_next_step(CancelledResult, await loopin.client.cancel_interrupt(interrupt_id))


@_tool("Approval figures", "approval statistics", read_only=True, idempotent=True)
async def get_interrupt_analytics(ctx: Call, user_id: fields.UserId = "") -> Analytics:
    """Sum up one user's approval requests: how many, how often approved, how fast, of which types.

    Use it when the user asks for figures, not to read a decision. approvalRate (0 to 1) and
    the response times (milliseconds) are null until a decision.
    """
    loopin = ctx.request_context.lifespan_context
    figures = await loopin.client.get_interrupt_analytics(user_id or default_user_id(ctx))
    return with_short_actions(figures)
