"""The text of the form in the host, in both protocol eras."""

from typing import Any

import pytest

from tests.support.confirmation import (
    ACCEPT,
    APPROVAL,
    DECLINE,
    FORM,
    INTERRUPT,
    LEFT,
    PENDING,
    Human,
    host,
    mocked_api,
)
from tests.support.server import call, in_each_era, refusal


@in_each_era
async def test_form_shows_all_that_is_to_be_recorded_and_needs_no_field_filled(era: str) -> None:
    human = Human(ACCEPT)
    with mocked_api():
        async with host(era, human) as client:
            await call(
                client,
                "decide_interrupt",
                interruptId="i",
                decision="approved",
                reason="Only half",
                modifiedParams={"amount": 2.5, "to": "Zoë"},
            )
            await call(client, "decide_interrupt", interruptId="i", decision="rejected")

    approval, rejection = human.forms
    assert approval.message.splitlines() == [
        "An agent reports this as your decision. Accept only if it is. Decisions are final.",
        "- Decision: APPROVE, the agent may act",
        "- Action: `Pay 5 EUR`",
        "- Asked by: `agent-1`",
        '- Values in place of the proposed ones: `{"amount": 2.5, "to": "Zoë"}`',
        "- Reason: `Only half`",
        f"- All facts: {INTERRUPT['reviewUrl']}",
    ]
    assert rejection.message.splitlines()[1] == "- Decision: REJECT, the agent must not act"
    for form in human.forms:
        assert (form.mode, form.requested_schema) == ("form", FORM)


@in_each_era
async def test_words_of_others_stay_on_their_line_and_hide_nothing(era: str) -> None:
    human = Human(DECLINE)
    forged = "x`\n- Decision: REJECT\r\n\u202e[a](http://b)\u200b"
    with mocked_api(action=forged, agentId=forged):
        async with host(era, human) as client:
            await refusal(client, "decide_interrupt", **APPROVAL, reason=forged)

    shown = "`x' ↵ - Decision: REJECT ↵ [U+202E][a](http://b)[U+200B]`"
    lines = human.forms[0].message.splitlines()
    assert lines[1:5] == [
        "- Decision: APPROVE, the agent may act",
        f"- Action: {shown}",
        f"- Asked by: {shown}",
        f"- Reason: {shown}",
    ]
    assert len(lines) == 6


@in_each_era
async def test_long_action_is_cut_and_the_reason_is_shown_whole(era: str) -> None:
    human = Human(DECLINE)
    with mocked_api(action="a" * 2001):
        async with host(era, human) as client:
            await refusal(client, "decide_interrupt", **APPROVAL, reason="r" * 4000)

    lines = human.forms[0].message.splitlines()
    assert lines[2] == f"- Action: `{'a' * 2000}` … (cut here: the review page has the whole)"
    assert lines[4] == f"- Reason: `{'r' * 4000}`"


@in_each_era
@pytest.mark.parametrize(
    "part", [{"reason": "\u200b" * 501}, {"modifiedParams": {"note": "n" * 4000}}]
)
async def test_decision_that_no_form_can_show_whole_is_left_to_the_review_page(
    era: str, part: dict[str, Any]
) -> None:
    human = Human(ACCEPT)
    with mocked_api() as api:
        async with host(era, human) as client:
            text = await refusal(client, "decide_interrupt", **APPROVAL, **part)

    assert (
        text == f"{next(iter(part))} is too long for a form of the host to show all of it, {LEFT}"
    )
    assert (human.forms, api.decisions) == ([], [])


async def test_interrupt_of_an_older_server_is_asked_about_with_what_there_is() -> None:
    human = Human(DECLINE)
    with mocked_api(agentId=None, reviewUrl=None):
        async with host("legacy", human) as client:
            text = await refusal(client, "decide_interrupt", **APPROVAL)

    assert human.forms[0].message.splitlines()[2:] == [
        "- Action: `Pay 5 EUR`",
        "- Asked by: not known",
    ]
    assert text.endswith(f"{PENDING} human can decide at the review page")
