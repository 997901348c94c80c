"""Confirmation of decisions in the host, in both protocol eras."""

from typing import Any

import pytest
from mcp_types import ElicitResult, ErrorData

from tests.support.confirmation import (
    ACCEPT,
    APPROVAL,
    DECLINE,
    INTERRUPT,
    LEFT,
    YES,
    Human,
    host,
    mocked_api,
)
from tests.support.server import call, in_each_era, refusal


@in_each_era
@pytest.mark.parametrize("more", [{}, {"note": "yes", "sure": False, "kinds": ["a"]}])
async def test_confirmed_form_records_the_decision_whatever_comes_with_it(
    era: str, more: dict[str, Any]
) -> None:
    human = Human(ElicitResult(action="accept", content=YES | more))
    with mocked_api() as api:
        async with host(era, human) as client:
            decided = await call(client, "decide_interrupt", **APPROVAL, reason="Yes, pay")

    assert decided["decision"] == "approved"
    assert api.decisions == [{"decision": "approved", "reason": "Yes, pay"}]
    assert len(human.forms) == 1


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


@in_each_era
@pytest.mark.parametrize(
    "content",
    [
        None,
        {},
        {"sure": True},
        {"Confirmed": True},
        *({"confirmed": odd} for odd in (None, "true", "True", "false", "", 1, 0, 1.5, ["true"])),
    ],
)
async def test_form_that_is_accepted_without_true_records_nothing(
    era: str, content: dict[str, Any] | None
) -> None:
    human = Human(ElicitResult(action="accept", content=content))
    with mocked_api() as api:
        async with host(era, human) as client:
            text = await refusal(client, "decide_interrupt", **APPROVAL)

    assert text == (
        "The form in the host was accepted without the human's `true` in its only field, " + LEFT
    )
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
async def test_reviewer_keys_that_are_not_the_apis_keep_nobody_from_being_asked(era: str) -> None:
    human = Human(DECLINE)
    with mocked_api() as api:
        async with host(era, human, LOOPIN_REVIEWER_KEYS=f"alice={'a' * 32}") as client:
            await refusal(client, "decide_interrupt", **APPROVAL)

    assert (len(human.forms), api.decisions) == (1, [])


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
        "see it as it is now."
    )
    assert (human.forms, api.decisions) == ([], [])


@in_each_era
@pytest.mark.parametrize(
    ("status", "told"), [(404, "Interrupt not found. "), (401, "Unauthorized. ")]
)
async def test_refusal_of_the_api_is_told_and_nobody_is_asked(
    era: str, status: int, told: str
) -> None:
    human = Human(ACCEPT)
    with mocked_api() as api:
        api.status.respond(status, json={"error": told.strip(". ")})
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

    assert "Interrupt is already rejected. Nothing was changed." in text


@in_each_era
@pytest.mark.parametrize(
    ("human", "words"),
    [
        (Human(ACCEPT), "A human approved this: do"),
        (None, "An approval was recorded through an MCP server: do"),
    ],
)
async def test_human_is_named_only_if_one_confirmed(
    era: str, human: Human | None, words: str
) -> None:
    with mocked_api() as api:
        async with host(era, human) as client:
            await call(client, "decide_interrupt", **APPROVAL)
            decided = {"status": "approved", "decidedBy": "api-key", "decidedVia": "mcp"}
            api.status.respond(json=INTERRUPT | decided)
            status = await call(client, "get_interrupt_status", interruptId="i")

    assert status["nextStep"].startswith(words)
