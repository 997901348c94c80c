"""Asks the human in the host to confirm a decision before it is recorded."""

import anyio
import mcp_types as types
from mcp.shared.exceptions import MCPError
from mcp_types.version import HANDSHAKE_PROTOCOL_VERSIONS
from pydantic import ValidationError

from loopin_mcp.errors import ConflictError, LoopinError
from loopin_mcp.mcp_server.context import Call
from loopin_mcp.mcp_server.forms import (
    CONFIRMED,
    FORM,
    AnyForms,
    Question,
    form_message,
    time_to_answer,
)
from loopin_mcp.wire.models import Decision, Interrupt
from loopin_mcp.wire.plain_text import plain_text

_FORM = "confirm"
_NO_REQUESTS = "Over HTTP, this host can show a form only in the protocol of 2026-07-28"
_UNCONFIRMED = {
    "blank": "The form in the host was accepted without the human's `true` in its only field",
    "decline": "The form in the host was declined",
    "cancel": "The form in the host was dismissed",
    "late": "The answer to the form in the host came too late, a second time, or for an interrupt "
    "that has changed",
    "silence": "Nobody answered the form in the host within {within_s:g} seconds",
    "fault": "The host did not ask, or gave no answer that can be read",
}


async def confirm_decision(
    ctx: Call, interrupt_id: str, decision: Decision
) -> Decision | types.InputRequiredResult:
    """Show the decision to the human, if the settings and the host say so.

    Returns the decision to record, for exactly the payload that was shown, if any; or the form, if
    the host has to show it and call again, as hosts of 2026-07-28 do.

    Raises:
        ConflictError: The interrupt is already settled; the human was not asked.
        LoopinError: The human did not confirm the decision, so it must not be recorded.
    """
    loopin = ctx.request_context.lifespan_context
    settings, can_ask = loopin.settings, _shows_forms(ctx.client_capabilities)
    if settings.confirm == "off" or (settings.confirm == "auto" and not can_ask):
        return decision
    if settings.api_url is None and settings.reviewer_keys:
        # The embedded API will refuse the decision, and say who can decide.
        return decision
    interrupt = await loopin.client.get_interrupt_status(interrupt_id)
    if not interrupt.is_pending:
        status = plain_text(interrupt.status)
        raise ConflictError(f"The interrupt's status is now {status}.")
    if not can_ask:
        raise _refusal("This host cannot ask a human, which LOOPIN_CONFIRM requires", interrupt)
    if _is_request(ctx) and not ctx.session.can_send_request:
        raise _refusal(_NO_REQUESTS, interrupt)
    return await _ask(ctx, loopin.forms, interrupt, decision)


async def _ask(
    ctx: Call, forms: AnyForms, interrupt: Interrupt, decision: Decision
) -> Decision | types.InputRequiredResult:
    is_request = _is_request(ctx)
    lasts_s = time_to_answer(interrupt)
    if is_request:
        lasts_s = min(lasts_s, forms.answer_within_s)
    message = form_message(interrupt, decision, lasts_s)
    if message is None:
        raise _refusal("A form of the host cannot show all of this decision", interrupt)
    decision = decision.model_copy(update={"payload_digest": interrupt.payload_digest})
    if is_request:
        action = await _answer_to_request(ctx, forms, message)
    else:
        question = Question(interrupt.interrupt_id, decision)
        answered = _answer_in_retry(ctx, forms, question)
        if answered is None:
            params = types.ElicitRequestFormParams(message=message, requested_schema=FORM)
            return types.InputRequiredResult(
                input_requests={_FORM: types.ElicitRequest(params=params)},
                request_state=forms.issue(question, lasts_s),
            )
        action = answered
    if action == "accept":
        return decision
    raise _refusal(_UNCONFIRMED[action].format(within_s=forms.answer_within_s), interrupt)


def _is_request(ctx: Call) -> bool:
    """Whether the host shows a form because the server sends it a request."""
    return ctx.protocol_version in HANDSHAKE_PROTOCOL_VERSIONS


async def _answer_to_request(ctx: Call, forms: AnyForms, message: str) -> str:
    """Ask by a request of our own, which is cancelled if the host stays silent."""
    session = ctx.request_context.session
    try:
        with anyio.move_on_after(forms.answer_within_s):
            result = await session.elicit_form(message, FORM, ctx.request_id)
            return _action(result)
    except (MCPError, ValidationError):
        return "fault"
    return "silence"


def _answer_in_retry(ctx: Call, forms: AnyForms, question: Question) -> str | None:
    """The answer in a repeated call; None if it has none, or we never asked.

    The SDK seals the state and binds it to the tool and its arguments, but accepts it any number
    of times; the form counts once. See "Server requirements" in
    https://modelcontextprotocol.io/specification/2026-07-28/basic/patterns/mrtr
    """
    answer = (ctx.input_responses or {}).get(_FORM)
    if ctx.request_state is None or answer is None:
        return None
    if not forms.redeem(ctx.request_state, question):
        return "late"
    return _action(answer) if isinstance(answer, types.ElicitResult) else "fault"


def _action(result: types.ElicitResult) -> str:
    """What the human did: only `true` confirms, and accepting a form that says no declines it."""
    confirmed = (result.content or {}).get(CONFIRMED)
    if result.action != "accept" or confirmed is True:
        return result.action
    return "decline" if confirmed is False else "blank"


def _shows_forms(capabilities: types.ClientCapabilities | None) -> bool:
    """Whether the client declared forms; older clients do so by an empty object."""
    elicitation = capabilities.elicitation if capabilities else None
    return elicitation is not None and (elicitation.form is not None or elicitation.url is None)


def _refusal(happened: str, interrupt: Interrupt) -> LoopinError:
    link = plain_text(interrupt.review_url or "the review page")
    return LoopinError(
        f"{happened}, so nothing was recorded and the interrupt stays pending. Do not decide "
        f"yourself: the human can decide at {link}"
    )
