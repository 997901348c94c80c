"""The text of the form in the host, in both protocol eras."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.support.confirmation import (
    ACCEPT,
    APPROVAL,
    DECLINE,
    FORM,
    LEFT,
    LINK,
    PENDING,
    Human,
    host,
    mocked_api,
)
from tests.support.server import call, in_each_era, refusal


@in_each_era
async def test_form_shows_all_that_is_to_be_recorded_most_important_first(era: str) -> None:
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
    limit = "Answer within 45 seconds." if era == "legacy" else "Answer within 30 days."
    assert approval.message.splitlines() == [
        "APPROVE: `Pay 5 EUR`",
        f"Asked by `agent-1` for `alice`. {limit}",
        'Changed values: `{"amount": 2.5, "to": "Zoë"}` Reason: `Only half`',
        f"All facts: {LINK}",
    ]
    assert rejection.message.splitlines() == [
        "REJECT: `Pay 5 EUR`",
        f"Asked by `agent-1` for `alice`. {limit}",
        f"All facts: {LINK}",
    ]
    for form in human.forms:
        assert (form.mode, form.requested_schema) == ("form", FORM)


@in_each_era
async def test_words_of_others_stay_on_their_line_and_hide_nothing(era: str) -> None:
    human = Human(DECLINE)
    forged = "x`\nREJECT  \u202e[a](b)"
    with mocked_api(action=forged, agentId="a\n\tb"):
        async with host(era, human) as client:
            await refusal(client, "decide_interrupt", **APPROVAL, reason=forged)

    shown = "`x[U+0060] ↵ REJECT␣␣[U+202E][a](b)`"
    lines = human.forms[0].message.splitlines()
    assert lines[0] == f"APPROVE: {shown}"
    assert lines[1].startswith("Asked by `a ↵ [U+0009]b` for `alice`. ")
    assert lines[2:] == [f"Reason: {shown}", f"All facts: {LINK}"]


@in_each_era
@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"action": "a " * 66 + "a"}, {}),
        ({"action": "東" * 36}, {}),
        ({"action": "e\u0301" * 64}, {"reason": "r" * 66}),
        ({}, {"reason": "r" * 66}),
    ],
)
async def test_form_is_shown_if_four_lines_of_a_terminal_hold_it_whole(
    era: str, asked: dict[str, Any], said: dict[str, Any]
) -> None:
    human = Human(DECLINE)
    with mocked_api(**asked):
        async with host(era, human) as client:
            await refusal(client, "decide_interrupt", **APPROVAL, **said)

    message = human.forms[0].message
    assert all(text in message for text in (*asked.values(), *said.values()))
    assert len(message.splitlines()) <= 4


@in_each_era
@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"action": "a" * 160}, {}),
        ({"action": "a " * 80}, {}),
        ({"action": "a\n" * 40}, {}),
        ({"action": "東" * 80}, {}),
        ({"action": "a" + "\u202e" * 20}, {}),
        ({"action": "a " * 40}, {"reason": "Fine"}),
        ({"agentId": "a" * 200}, {}),
        ({"userId": "u" * 200}, {}),
        ({}, {"reason": "r" * 160}),
        ({}, {"modifiedParams": {"note": "n" * 160}}),
        ({}, {"modifiedParams": {"note": "n" * 60}, "reason": "r" * 80}),
    ],
)
async def test_decision_that_four_lines_cannot_hold_is_left_to_the_review_page(
    era: str, asked: dict[str, Any], said: dict[str, Any]
) -> None:
    human = Human(ACCEPT)
    with mocked_api(**asked) as api:
        async with host(era, human) as client:
            text = await refusal(client, "decide_interrupt", **APPROVAL, **said)

    assert text == f"A form of the host cannot show all of this decision, {LEFT}"
    assert (human.forms, api.decisions) == ([], [])


@pytest.mark.parametrize(
    ("era", "left_s", "limits"),
    [
        ("legacy", 3700, {"45 seconds"}),
        ("2026-07-28", 3700, {"61 minutes"}),
        ("legacy", 40, {f"{left} seconds" for left in range(40)}),
        ("2026-07-28", 40, {f"{left} seconds" for left in range(40)}),
    ],
)
async def test_form_says_how_long_it_counts(era: str, left_s: int, limits: set[str]) -> None:
    human = Human(DECLINE)
    expires_at = datetime.now(UTC) + timedelta(seconds=left_s)
    with mocked_api(expiresAt=expires_at.isoformat()):
        async with host(era, human) as client:
            await refusal(client, "decide_interrupt", **APPROVAL)

    said = human.forms[0].message.partition(". Answer within ")[2].partition(".")[0]
    assert said in limits


async def test_interrupt_of_an_older_server_is_asked_about_with_what_there_is() -> None:
    human = Human(DECLINE)
    with mocked_api(agentId=None, userId=None, reviewUrl=None):
        async with host("legacy", human) as client:
            text = await refusal(client, "decide_interrupt", **APPROVAL)

    assert human.forms[0].message.splitlines() == [
        "APPROVE: `Pay 5 EUR`",
        "Asked by not known. Answer within 45 seconds.",
    ]
    assert text.endswith(f"{PENDING} human can decide at the review page")
