"""The wire models: what they accept, refuse and send."""

import math
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from pydantic import ValidationError

from loopin_mcp.wire.fields import format_time
from loopin_mcp.wire.models import Analytics, Created, Decision, Interrupt, NewInterrupt
from loopin_mcp.wire.validation import explain
from tests.support import MOMENT, new_interrupt

QUESTION = {"agentId": "agent-1", "userId": "user-1", "action": "Pay", "context": {}}


def nested(levels: int) -> dict[str, Any]:
    """An object with this many levels."""
    inner: dict[str, Any] = {}
    for _ in range(levels - 1):
        inner = {"in": inner}
    return inner


def test_request_has_wire_names_and_leaves_out_what_is_unset() -> None:
    assert new_interrupt(callback_url="http://h:1/x").model_dump(mode="json", by_alias=True) == {
        "agentId": "agent-1",
        "userId": "user-1",
        "action": "Transfer $4,200 to vendor account ending in 9821",
        "context": {"amount": 4200, "currency": "USD"},
        "urgency": "medium",
        "expiresIn": 3600,
        "callbackUrl": "http://h:1/x",
    }
    assert Decision(decision="rejected").model_dump() == {"decision": "rejected"}


def test_figures_that_are_unknown_are_null_and_not_left_out() -> None:
    figures = {
        "userId": "user-1",
        "totalInterrupts": 0,
        "approvalRate": None,
        "avgResponseTimeMs": None,
        "p50ResponseTimeMs": None,
        "p95ResponseTimeMs": None,
        "byStatus": {},
        "byUrgency": {},
        "topActionTypes": [],
    }

    assert Analytics.model_validate(figures).model_dump(mode="json", by_alias=True) == figures


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"agentId": ""}, "agentId must not be empty"),
        ({"userId": " \t"}, "userId must not be blank and must not contain NUL"),
        ({"userId": "a\0b"}, "userId must not be blank and must not contain NUL"),
        ({"userId": "."}, "userId must not be . or .., which no URL can contain"),
        ({"agentId": ".."}, "agentId must not be . or .., which no URL can contain"),
        ({"userId": 7}, "userId must be a string"),
        ({"userId": "\ud800"}, "userId must be text in UTF-8"),
        ({"userId": "u" * 201}, "userId must be at most 200 characters"),
        ({"action": "a" * 2001}, "action must be at most 2000 characters"),
        ({"context": "text"}, "context must be a JSON object"),
        ({"context": []}, "context must be a JSON object"),
        ({"context": nested(33)}, "context must not be nested more than 32 levels deep"),
        (
            {"context": {"list": [nested(31)]}},
            "context must not be nested more than 32 levels deep",
        ),
        (
            {"context": {"a": [[]] * 4_999, "b": {"c": 1}, "d": [[2, 3]] * 1_666}},
            "context must hold at most 10,000 values (holds 10,001)",
        ),
        ({"context": {1: "a"}}, "context must have names that are strings"),
        ({"context": {"at": [MOMENT]}}, "context must be representable as JSON in UTF-8"),
        ({"context": {"rate": math.inf}}, "context must hold finite numbers only"),
        ({"context": {"text": "\ud800"}}, "context must be representable as JSON in UTF-8"),
        (
            {"context": {"text": "x" * 65_526}},
            "context must be at most 65536 bytes as JSON (is 65537)",
        ),
        ({"urgency": "urgent"}, "urgency must be 'low', 'medium' or 'high'"),
        ({"expiresIn": 60.5}, "expiresIn must be an integer"),
        ({"expiresIn": "60"}, "expiresIn must be an integer"),
        ({"expiresIn": True}, "expiresIn must be an integer"),
        ({"expiresIn": 0}, "expiresIn must be at least 1"),
        ({"expiresIn": 2_592_001}, "expiresIn must be at most 2592000"),
        ({"callbackUrl": "ftp://h"}, "callbackUrl must be an http or https URL with a host"),
        ({"callbackUrl": "http://"}, "callbackUrl must be an http or https URL with a host"),
        ({"callbackUrl": "http://[::1"}, "callbackUrl must be an http or https URL with a host"),
        ({"callbackUrl": "http://h:0"}, "callbackUrl must be an http or https URL with a host"),
        ({"callbackUrl": "http://h/\n"}, "callbackUrl must be an http or https URL with a host"),
        ({"callbackUrl": f"http://h/{'x' * 2000}"}, "callbackUrl must be at most 2000 characters"),
        ({"expiresAt": "x"}, "expiresAt is not a known field"),
    ],
)
def test_field_out_of_bounds_is_refused_by_name(change: dict[str, Any], fault: str) -> None:
    with pytest.raises(ValidationError) as refusal:
        NewInterrupt.model_validate(QUESTION | change)

    assert explain(refusal.value) == fault


@pytest.mark.parametrize(
    "change",
    [
        {"userId": "ü/?#%" * 40, "agentId": " a "},
        {"userId": "...", "agentId": " .. "},
        {"context": nested(32)},
        {"context": {"list": [nested(30)]}},
        {"context": {"text": "x" * 65_525}},
        {"context": {"a": [0] * 9_999}},
        {"expiresIn": 2_592_000, "urgency": "high"},
        {"callbackUrl": "https://user.test/hook?a=b"},
    ],
)
def test_field_at_its_bound_is_taken_as_it_is(change: dict[str, Any]) -> None:
    question = NewInterrupt.model_validate(QUESTION | change)

    assert question.model_dump(by_alias=True).items() >= (QUESTION | change).items()


def test_whole_number_written_as_a_fraction_is_whole() -> None:
    question = NewInterrupt.model_validate_json(
        '{"agentId": "a", "userId": "u", "action": "Pay", "context": {}, "expiresIn": 60.0}'
    )

    assert repr(question.expires_in) == "60"


@pytest.mark.parametrize(
    ("body", "fault"),
    [
        ("[]", "the body must be a JSON object"),
        ("{", "the body Invalid JSON: EOF while parsing an object at line 1 column 1"),
        (
            '{"decision": "maybe", "reason": 1}',
            "decision must be 'approved' or 'rejected'; reason must be a string",
        ),
    ],
)
def test_every_fault_of_a_body_is_named(body: str, fault: str) -> None:
    with pytest.raises(ValidationError) as refusal:
        Decision.model_validate_json(body)

    assert explain(refusal.value) == fault


def test_fault_is_told_by_the_wire_name_whatever_name_was_given() -> None:
    with pytest.raises(ValidationError) as refusal:
        NewInterrupt.model_validate({"agent_id": "", "user_id": "u", "not_known": 1})

    assert explain(refusal.value) == (
        "agentId must not be empty; action is required; context is required; "
        "not_known is not a known field"
    )


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2025-06-15T15:06:40Z", MOMENT),
        ("2025-06-15T17:06:40+02:00", MOMENT),
        ("2025-06-15T15:06:40", MOMENT),
    ],
)
def test_times_are_read_as_utc(text: str, moment: datetime) -> None:
    created = Created.model_validate({"interruptId": "a", "status": "pending", "expiresAt": text})

    assert created.expires_at == moment
    assert created.expires_at.tzinfo is UTC
    assert created.model_dump(mode="json")["expires_at"] == "2025-06-15T15:06:40.000Z"


@pytest.mark.parametrize("text", ["0001-01-01T00:00:00+05:00", "9999-12-31T23:59:59-05:00"])
def test_time_outside_the_calendar_is_refused(text: str) -> None:
    with pytest.raises(ValidationError) as refusal:
        Created.model_validate({"interruptId": "a", "status": "pending", "expiresAt": text})

    assert explain(refusal.value) == "expiresAt must be between the years 1 and 9999 in UTC"


def test_times_are_written_in_utc_with_milliseconds() -> None:
    moment = datetime(2025, 6, 15, 17, 6, 40, 123_999, timezone(timedelta(hours=2)))

    assert format_time(moment) == "2025-06-15T15:06:40.123Z"


@pytest.mark.parametrize("name", ["interruptId", "interrupt_id", "id"])
def test_interrupt_is_read_with_either_name_of_its_id(name: str) -> None:
    interrupt = Interrupt.model_validate({name: "int-1", "status": "pending", "action": "Pay"})

    assert interrupt.model_dump(by_alias=True) == {
        "interruptId": "int-1",
        "status": "pending",
        "action": "Pay",
    }


@pytest.mark.parametrize(
    ("status", "expires_at", "seen"),
    [
        ("pending", MOMENT, "expired"),
        ("pending", MOMENT + timedelta(milliseconds=1), "pending"),
        ("pending", None, "pending"),
        ("approved", MOMENT, "approved"),
    ],
)
def test_pending_interrupt_expires_to_the_moment(
    status: str, expires_at: datetime | None, seen: str
) -> None:
    interrupt = Interrupt(interrupt_id="a", status=status, action="Pay", expires_at=expires_at)

    settled_at = expires_at if seen == "expired" else None
    assert interrupt.as_of(MOMENT) == interrupt.model_copy(
        update={"status": seen, "settled_at": settled_at}
    )
