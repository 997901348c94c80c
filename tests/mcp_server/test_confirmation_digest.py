"""A decision that was confirmed in the host counts only for the content it showed."""

from mcp_types import InputRequiredResult

from tests.support.confirmation import ACCEPT, APPROVAL, INTERRUPT, LEFT, Human, host, mocked_api
from tests.support.server import call, in_each_era, refusal, text_of

DIGEST = "0123456789abcdef" * 4


@in_each_era
async def test_confirmed_decision_names_the_digest_of_what_was_shown(era: str) -> None:
    with mocked_api(payloadDigest=DIGEST) as api:
        async with host(era, Human(ACCEPT)) as client:
            await call(client, "decide_interrupt", **APPROVAL, reason="Yes")

    assert api.decisions == [{"decision": "approved", "reason": "Yes", "payloadDigest": DIGEST}]


@in_each_era
async def test_decision_that_nobody_was_shown_names_no_digest(era: str) -> None:
    with mocked_api(payloadDigest=DIGEST) as api:
        async with host(era, None) as client:
            await call(client, "decide_interrupt", **APPROVAL)

    assert api.decisions == [{"decision": "approved"}]


@in_each_era
async def test_decision_on_another_payload_is_refused_by_the_api_and_told(era: str) -> None:
    with mocked_api(payloadDigest=DIGEST) as api:
        api.decide.respond(409, json={"error": "payloadDigest is of another payload"})
        async with host(era, Human(ACCEPT)) as client:
            text = await refusal(client, "decide_interrupt", **APPROVAL)

    assert text == (
        "payloadDigest is of another payload. Nothing was changed. Call get_interrupt_status to "
        "see it as it is now. (HTTP 409 from POST https://loopin.example.com/interrupts/i/decide)"
    )


async def test_form_counts_for_nothing_once_the_payload_is_another() -> None:
    with mocked_api(payloadDigest=DIGEST) as api:
        async with host("2026-07-28", Human(None)) as client:
            shown = await client.session.call_tool(
                "decide_interrupt", APPROVAL, allow_input_required=True
            )
            assert isinstance(shown, InputRequiredResult)
            api.status.respond(json=INTERRUPT | {"payloadDigest": DIGEST[::-1]})
            result = await client.session.call_tool(
                "decide_interrupt",
                APPROVAL,
                input_responses={"confirm": ACCEPT},
                request_state=shown.request_state,
            )

    assert text_of(result) == (
        "The answer to the form in the host came too late, a second time, or for an interrupt "
        f"that has changed, {LEFT}"
    )
    assert api.decisions == []


@in_each_era
async def test_api_is_told_that_the_word_came_over_mcp(era: str) -> None:
    with mocked_api() as api:
        async with host(era, Human(ACCEPT)) as client:
            await call(client, "decide_interrupt", **APPROVAL)

    assert api.decide.calls.last.request.headers["x-loopin-channel"] == "mcp"
