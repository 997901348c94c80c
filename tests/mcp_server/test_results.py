"""Tool results: whether to act, and what to do next."""

from datetime import UTC, datetime, timedelta

import pytest
from pydantic import BaseModel

from loopin_mcp.mcp_server.results import (
    MOST_BYTES,
    CancelledResult,
    CreatedResult,
    DecidedResult,
    pending_list,
    status_result,
    with_next_step,
)
from loopin_mcp.wire.models import Cancelled, Created, Decided, Interrupt, PendingPage
from tests.support import MOMENT

BY_API = "An approval was recorded through the API"


@pytest.mark.parametrize(
    ("status", "approved", "next_step"),
    [
        (
            "pending",
            False,
            "Nobody has decided yet: do not act. Call get_interrupt_status again with waitSeconds "
            "45; it returns as soon as a human decides. If you cannot keep waiting, tell the user "
            "that it waits for them at reviewUrl, and stop; check again when they write.",
        ),
        ("approved", True, f"{BY_API}: do exactly the approved action, once."),
        (
            "rejected",
            False,
            "A rejection was recorded through the API: do not act. Follow the reason, if there is "
            "one.",
        ),
        (
            "expired",
            False,
            "Nobody decided in time: do not act. If it still matters, create a new interrupt.",
        ),
        ("cancelled", False, "The interrupt was cancelled: do not act on it."),
        ("Approved", False, "This status is unknown here, so it is not an approval: do not act."),
        ("resolved", False, "This status is unknown here, so it is not an approval: do not act."),
    ],
)
def test_only_the_status_approved_lets_the_agent_act(
    status: str, approved: bool, next_step: str
) -> None:
    interrupt = Interrupt(interrupt_id="a", status=status, action="Pay", decision="approved")

    assert status_result(interrupt, 45).model_dump(by_alias=True) == {
        "interruptId": "a",
        "status": status,
        "action": "Pay",
        "decision": "approved",
        "approved": approved,
        "nextStep": next_step,
    }


@pytest.mark.parametrize(
    ("status", "next_step"),
    [
        (
            "approved",
            f"{BY_API} with changes: do the action once, with modifiedParams instead of the "
            "proposed parameters.",
        ),
        (
            "rejected",
            "A rejection was recorded through the API: do not act. Follow the reason, if there is "
            "one.",
        ),
    ],
)
def test_changed_parameters_count_for_an_approval_only(status: str, next_step: str) -> None:
    interrupt = Interrupt(interrupt_id="a", status=status, action="Pay", modified_params={})

    assert status_result(interrupt, 45).next_step == next_step


def test_used_approval_is_not_acted_on_again() -> None:
    used = Interrupt(
        interrupt_id="a",
        status="approved",
        action="Pay",
        used_at=MOMENT,
        use_within=60,
        call={"tool": "Bash"},
    )

    status = status_result(used, 45)

    assert status.model_dump(mode="json", by_alias=True) == {
        "interruptId": "a",
        "status": "approved",
        "action": "Pay",
        "usedAt": "2025-06-15T15:06:40.000Z",
        "approved": True,
        "nextStep": f"{BY_API}, and the approval was used, which counts once: do not act on it "
        "again.",
    }


def test_receipts_say_what_to_do_next() -> None:
    created = Created(interrupt_id="a", status="pending", expires_at=MOMENT, review_url="http://r")
    decided = Decided(interrupt_id="a", status="resolved", decision="approved", decided_at=MOMENT)
    cancelled = Cancelled(interrupt_id="a", status="cancelled")

    assert with_next_step(CreatedResult, created, 30) == CreatedResult(
        **dict(created),
        next_step="Do not act yet: nothing is approved. Show reviewUrl to the user as a link, then "
        "call get_interrupt_status with waitSeconds 30.",
    )
    assert with_next_step(DecidedResult, decided) == DecidedResult(
        **dict(decided),
        next_step="Recorded and final; read decision, not status. Tell the user. If you are the "
        "agent that asked, call get_interrupt_status now.",
    )
    assert with_next_step(CancelledResult, cancelled) == CancelledResult(
        **dict(cancelled), next_step="The interrupt was cancelled: do not act on it."
    )


@pytest.mark.parametrize(
    ("via", "by", "is_confirmed", "place"),
    [
        ("review-page", "review-link", False, None),
        ("inbox", "anonymous", False, None),
        ("api", "alice", False, None),
        ("mcp", "alice", False, None),
        ("mcp", "api-key", True, None),
        ("mcp", "api-key", False, "an MCP server"),
        ("mcp", "anonymous", False, "an MCP server"),
        ("api", "api-key", False, "the API"),
        (None, None, False, "the API"),
    ],
)
@pytest.mark.parametrize(
    ("status", "what", "next_step"),
    [
        ("approved", "An approval", "do exactly the approved action, once."),
        ("rejected", "A rejection", "do not act. Follow the reason, if there is one."),
    ],
)
def test_human_is_named_only_if_one_decided(
    status: str,
    what: str,
    next_step: str,
    via: str | None,
    by: str | None,
    is_confirmed: bool,
    place: str | None,
) -> None:
    interrupt = Interrupt(
        interrupt_id="a", status=status, action="Pay", decided_via=via, decided_by=by
    )

    result = status_result(interrupt, 45, is_confirmed=is_confirmed)

    who = f"{what} was recorded through {place}" if place else f"A human {status} this"
    assert result.next_step == f"{who}: {next_step}"


def test_pending_says_how_much_time_is_left() -> None:
    later = datetime.now(UTC) + timedelta(minutes=30, seconds=30)
    interrupt = Interrupt(interrupt_id="a", status="pending", action="Pay", expires_at=later)

    assert "do not act. It expires in 30 minutes. Call" in status_result(interrupt, 45).next_step


def size_of(result: BaseModel) -> int:
    return len(result.model_dump_json(by_alias=True).encode())


WIDE = "\U0001f600"
LINK = "https://loopin.example.com/review/a"


def test_context_is_for_those_who_did_not_ask() -> None:
    pending = Interrupt(interrupt_id="a", status="pending", action="Pay", context={"amount": 1})
    settled = pending.model_copy(update={"status": "rejected"})

    assert status_result(pending, 45, is_asker=True).context is None
    assert status_result(pending, 45).context == {"amount": 1}
    assert status_result(settled, 45, is_asker=True).context == {"amount": 1}


def test_large_context_is_left_out_with_a_way_to_it() -> None:
    interrupt = Interrupt(
        interrupt_id="a",
        status="approved",
        action="Pay",
        context={"text": "x" * 60_000},
        review_url=LINK,
    )

    status = status_result(interrupt, 45)

    assert (status.context, status.approved) == (None, True)
    assert status.note == f"The context is too large to be shown here; it is at {LINK}."


def test_long_texts_are_cut_with_a_way_to_them() -> None:
    interrupt = Interrupt(
        interrupt_id="a",
        status="rejected",
        action=WIDE * 2000,
        reason="\x01" * 4000,
        context={"text": "x" * 60_000},
        modified_params={"a": "y" * 8_000},
    )

    status = status_result(interrupt, 45)

    assert size_of(status) <= MOST_BYTES
    assert status.action == WIDE * 1000 + " … (cut here)"
    assert status.modified_params == interrupt.modified_params
    assert status.note == "This was cut; the whole is on the review page."


def test_approval_whose_values_do_not_fit_lets_nobody_act() -> None:
    interrupt = Interrupt(
        interrupt_id="a",
        status="approved",
        action="Pay",
        modified_params={"text": "x" * 60_000},
        review_url=LINK,
    )

    status = status_result(interrupt, 45)

    assert size_of(status) <= MOST_BYTES
    assert (status.status, status.approved, status.modified_params) == ("approved", False, None)
    assert "do not act" in status.next_step
    assert status.note is not None
    assert LINK in status.note


def page_of(*actions: str) -> PendingPage:
    items = tuple(
        Interrupt(interrupt_id=f"{number}", status="pending", action=action, context={"a": 1})
        for number, action in enumerate(actions)
    )
    return PendingPage(user_id="u", count=len(items), interrupts=items, next_cursor="next")


def test_list_holds_what_fits_and_no_context() -> None:
    whole = pending_list(page_of("Pay", "Send"))
    part = pending_list(page_of(*[WIDE * 2000] * 200))

    assert [item.action for item in whole.interrupts] == ["Pay", "Send"]
    assert "context" not in whole.model_dump_json()
    assert (whole.count, whole.next_cursor) == (2, "next")
    assert part.count == len(part.interrupts) > 1
    assert size_of(part) <= MOST_BYTES


def test_list_holds_at_least_one() -> None:
    shown = pending_list(page_of("x" * 90_000, "Send"))

    assert [item.action for item in shown.interrupts] == ["x" * 1000 + " … (cut here)", "Send"]
