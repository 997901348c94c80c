"""Asking in the host before a decision is recorded, in both protocol eras."""

from typing import Any

import pytest
from mcp_types import ElicitResult, ErrorData

from tests.confirmation_support import (
    APPROVAL,
    FORM,
    INTERRUPT,
    LEFT,
    PENDING,
    Human,
    host,
    mocked_api,
)
from tests.server_support import ERAS, call, refusal

ACCEPT = ElicitResult(action="accept", content={})
DECLINE = ElicitResult(action="decline")

in_each_era = pytest.mark.parametrize("era", ERAS)


@in_each_era
@pytest.mark.parametrize("content", [{}, None, {"note": "yes", "sure": True, "kinds": ["a"]}])
async def test_accepted_form_records_the_decision_whatever_comes_with_it(
    era: str, content: dict[str, Any] | None
) -> None:
    human = Human(ElicitResult(action="accept", content=content))
    with mocked_api() as api:
        async with host(era, human) as client:
            decided = await call(client, "decide_interrupt", **APPROVAL, reason="Yes, pay")

    assert decided["decision"] == "approved"
    assert api.decisions == [{"decision": "approved", "reason": "Yes, pay"}]
    assert len(human.forms) == 1


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
        "An agent says that you have decided this. Accept only if you have: it is final.",
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
@pytest.mark.parametrize(
    ("answer", "told"),
    [
        ({"action": "decline"}, "declined"),
        ({"action": "cancel"}, "dismissed"),
        ({"action": "accept", "content": {"confirmed": False}}, "declined"),
    ],
)
async def test_form_that_is_not_accepted_records_nothing(
    era: str, answer: dict[str, object], told: str
) -> None:
    human = Human(ElicitResult.model_validate(answer))
    with mocked_api() as api:
        async with host(era, human) as client:
            text = await refusal(client, "decide_interrupt", **APPROVAL)

    assert text == f"The form in the host was {told}, {LEFT}"
    assert api.decisions == []


async def test_form_that_nobody_answers_ends_at_the_bound_and_records_nothing() -> None:
    human = Human(None)
    with mocked_api() as api:
        async with host("legacy", human, answer_within_s=0.05) as client:
            text = await refusal(client, "decide_interrupt", **APPROVAL)

    assert text == f"Nobody answered the form in the host within 0.05 seconds, {LEFT}"
    assert api.decisions == []


async def test_host_that_answers_the_form_with_an_error_records_nothing() -> None:
    human = Human(ErrorData(code=-32603, message="No window to draw in"))
    with mocked_api() as api:
        async with host("legacy", human) as client:
            text = await refusal(client, "decide_interrupt", **APPROVAL)

    assert text == f"The host did not ask, or gave no answer that can be read, {LEFT}"
    assert api.decisions == []


@in_each_era
async def test_host_without_forms_forwards_the_decision(era: str) -> None:
    with mocked_api() as api:
        async with host(era, None) as client:
            await call(client, "decide_interrupt", **APPROVAL)

    assert api.decisions == [{"decision": "approved"}]
    assert not api.status.called


@in_each_era
async def test_human_is_not_asked_where_that_is_off(era: str) -> None:
    human = Human(DECLINE)
    with mocked_api() as api:
        async with host(era, human, confirm="off") as client:
            await call(client, "decide_interrupt", **APPROVAL)

    assert api.decisions == [{"decision": "approved"}]
    assert human.forms == []


@in_each_era
async def test_host_without_forms_is_refused_where_asking_is_required(era: str) -> None:
    with mocked_api() as api:
        async with host(era, None, confirm="required") as client:
            text = await refusal(client, "decide_interrupt", **APPROVAL)

    assert text == f"This host cannot ask a human, which LOOPIN_CONFIRM requires, {LEFT}"
    assert api.decisions == []


@in_each_era
async def test_host_with_forms_asks_where_that_is_required(era: str) -> None:
    human = Human(ACCEPT)
    with mocked_api() as api:
        async with host(era, human, confirm="required") as client:
            await call(client, "decide_interrupt", **APPROVAL)

    assert (len(human.forms), len(api.decisions)) == (1, 1)


@in_each_era
@pytest.mark.parametrize("asks", [True, False])
@pytest.mark.parametrize(
    ("status", "told"),
    [
        ({"status": "rejected"}, "rejected"),
        ({"status": "pending", "expiresAt": "2020-01-01T00:00:00Z"}, "expired"),
    ],
)
async def test_settled_interrupt_is_a_conflict_and_nobody_is_asked(
    era: str, asks: bool, status: dict[str, str], told: str
) -> None:
    human = Human(ACCEPT)
    with mocked_api(**status) as api:
        async with host(era, human if asks else None, confirm="required") as client:
            text = await refusal(client, "decide_interrupt", **APPROVAL)

    assert text == (
        f"The interrupt's status is now {told}. Nothing was changed. Call get_interrupt_status to "
        "read how it ended."
    )
    assert (human.forms, api.decisions) == ([], [])


@in_each_era
@pytest.mark.parametrize(
    ("status", "told"), [(404, "Interrupt not found (HTTP 404 from GET "), (401, "Unauthorized (")]
)
async def test_refusal_of_the_api_is_told_and_nobody_is_asked(
    era: str, status: int, told: str
) -> None:
    human = Human(ACCEPT)
    with mocked_api() as api:
        api.status.respond(status, json={"error": told.partition(" (")[0]})
        async with host(era, human) as client:
            text = await refusal(client, "decide_interrupt", **APPROVAL)

    assert text.startswith(told)
    assert (human.forms, api.decisions) == ([], [])


@in_each_era
async def test_decision_that_comes_first_elsewhere_is_told_after_the_form(era: str) -> None:
    human = Human(ACCEPT)
    with mocked_api() as api:
        api.decide.respond(409, json={"error": "Interrupt is already rejected"})
        async with host(era, human) as client:
            text = await refusal(client, "decide_interrupt", **APPROVAL)

    assert "The interrupt's status is now rejected. Nothing was changed." in text


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

    assert text == f"{next(iter(part))} is too long to be shown whole in a form of the host, {LEFT}"
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
