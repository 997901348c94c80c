"""Tool results: whether to act, and what to do next."""

import pytest

from loopin_mcp.mcp_server.results import (
    CancelledResult,
    CreatedResult,
    DecidedResult,
    status_result,
    with_next_step,
)
from loopin_mcp.wire.models import Cancelled, Created, Decided, Interrupt
from tests.support import MOMENT


@pytest.mark.parametrize(
    ("status", "approved", "next_step"),
    [
        (
            "pending",
            False,
            "Nobody has decided yet: do not act. Call get_interrupt_status again with waitSeconds.",
        ),
        ("approved", True, "A human approved this: do exactly the approved action."),
        (
            "rejected",
            False,
            "A human rejected this: do not act. Follow the reason, if there is one.",
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

    assert status_result(interrupt).model_dump(by_alias=True) == {
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
            "A human approved this with changes: do the action with modifiedParams instead of "
            "the proposed parameters.",
        ),
        (
            "rejected",
            "A human rejected this: do not act. Follow the reason, if there is one.",
        ),
    ],
)
def test_changed_parameters_count_for_an_approval_only(status: str, next_step: str) -> None:
    interrupt = Interrupt(interrupt_id="a", status=status, action="Pay", modified_params={})

    assert status_result(interrupt).next_step == next_step


def test_receipts_say_what_to_do_next() -> None:
    created = Created(interrupt_id="a", status="pending", expires_at=MOMENT, review_url="http://r")
    decided = Decided(interrupt_id="a", status="resolved", decision="approved", decided_at=MOMENT)
    cancelled = Cancelled(interrupt_id="a", status="cancelled")

    assert with_next_step(CreatedResult, created) == CreatedResult(
        **dict(created),
        next_step="Do not act yet. Show reviewUrl to the user, then call get_interrupt_status "
        "with waitSeconds.",
    )
    assert with_next_step(DecidedResult, decided) == DecidedResult(
        **dict(decided),
        next_step="The decision is final. The agent that asked reads it with get_interrupt_status.",
    )
    assert with_next_step(CancelledResult, cancelled) == CancelledResult(
        **dict(cancelled), next_step="The interrupt was cancelled: do not act on it."
    )
