"""The six verbs and the health check: requests, and how answers are read."""

import pytest
import respx

from loopin_mcp import (
    ActionCount,
    Analytics,
    Cancelled,
    Created,
    Decided,
    Decision,
    Health,
    Interrupt,
    LoopinClient,
    PendingPage,
)
from tests.support import MOMENT, new_interrupt
from tests.support.client import PENDING, STATUS, URL, answer, asked, sent, told


async def test_create_sends_the_question_and_reads_the_link(
    client: LoopinClient, route: respx.Route
) -> None:
    route.return_value = answer(
        {
            "interruptId": "int-1",
            "status": "pending",
            "expiresAt": "2025-06-15T15:06:40.000Z",
            "reviewUrl": f"{URL}/review/int-1",
            "unknown": 1,
        },
        201,
    )

    created = await client.create_interrupt(new_interrupt(urgency="high", expires_in=60))

    assert created == Created(
        interrupt_id="int-1",
        status="pending",
        expires_at=MOMENT,
        review_url=f"{URL}/review/int-1",
    )
    assert sent(route) == told(
        f"POST {URL}/interrupts",
        {
            "agentId": "agent-1",
            "userId": "user-1",
            "action": "Transfer $4,200 to vendor account ending in 9821",
            "context": {"amount": 4200, "currency": "USD"},
            "urgency": "high",
            "expiresIn": 60,
        },
    )


async def test_status_is_read_whole(client: LoopinClient, route: respx.Route) -> None:
    wire = {
        "interruptId": "int-1",
        "agentId": "agent-1",
        "userId": "user-1",
        "status": "approved",
        "action": "Pay",
        "context": {"amount": 1},
        "urgency": "low",
        "createdAt": "2025-06-15T15:06:40.000Z",
        "expiresAt": "2025-06-15T16:06:40.000Z",
        "reviewUrl": f"{URL}/review/int-1",
        "decision": "approved",
        "decidedAt": "2025-06-15T15:07:40.000Z",
        "reason": "fine",
        "modifiedParams": {"amount": 2},
        "decidedBy": "reviewer",
    }
    route.return_value = answer(wire)

    interrupt = await client.get_interrupt_status("int-1")

    assert interrupt.model_dump(mode="json", by_alias=True) == wire
    assert sent(route) == asked(f"GET {STATUS}")


async def test_list_is_read_as_a_page(client: LoopinClient, route: respx.Route) -> None:
    route.return_value = answer(
        [PENDING],
        link=f'<{URL}/x>; rel="prev", <{URL}/interrupts?cursor=a%2Fb&limit=2>; rel="next"',
    )

    page = await client.list_pending_interrupts("user-1", limit=2, cursor="c/d&e")

    assert page == PendingPage(
        user_id="user-1",
        count=1,
        interrupts=(Interrupt(interrupt_id="int-1", status="pending", action="Pay"),),
        next_cursor="a/b",
    )
    line = f"GET {URL}/interrupts/pending/user-1?limit=2&cursor=c%2Fd%26e"
    assert sent(route) == asked(line)


@pytest.mark.parametrize(
    "link",
    [
        "",
        f'<{URL}/interrupts?cursor=a>; rel="prev"',
        f'<{URL}/interrupts?page=2>; rel="next"',
        '<http://[bad?cursor=a>; rel="next"',
    ],
)
async def test_list_without_a_usable_next_link_is_the_last_page(
    client: LoopinClient, route: respx.Route, link: str
) -> None:
    route.return_value = answer([], link=link)

    page = await client.list_pending_interrupts("user-1")

    assert page == PendingPage(user_id="user-1", count=0, interrupts=())
    assert sent(route) == asked(f"GET {URL}/interrupts/pending/user-1")


async def test_decide_sends_the_decision_and_reads_the_receipt(
    client: LoopinClient, route: respx.Route
) -> None:
    route.return_value = answer(
        {
            "interruptId": "int-1",
            "status": "resolved",
            "decision": "approved",
            "decidedAt": "2025-06-15T15:06:40Z",
        }
    )

    decided = await client.decide_interrupt(
        "int-1", Decision(decision="approved", reason="fine", modified_params={"a_b": 2})
    )

    assert decided == Decided(
        interrupt_id="int-1", status="resolved", decision="approved", decided_at=MOMENT
    )
    body = {"decision": "approved", "reason": "fine", "modifiedParams": {"a_b": 2}}
    assert sent(route) == told(f"POST {STATUS}/decide", body)


async def test_cancel_deletes_and_reads_the_receipt(
    client: LoopinClient, route: respx.Route
) -> None:
    route.return_value = answer({"interruptId": "int-1", "status": "cancelled"})

    cancelled = await client.cancel_interrupt("int-1")

    assert cancelled == Cancelled(interrupt_id="int-1", status="cancelled")
    assert sent(route) == asked(f"DELETE {STATUS}")


async def test_analytics_are_read_whole(client: LoopinClient, route: respx.Route) -> None:
    route.return_value = answer(
        {
            "userId": "user-1",
            "totalInterrupts": 3,
            "approvalRate": 0.5,
            "avgResponseTimeMs": 2000,
            "p50ResponseTimeMs": 1000.5,
            "p95ResponseTimeMs": 9000,
            "byStatus": {"approved": 1, "__proto__": 2},
            "byUrgency": {},
            "topActionTypes": [{"action": "Pay", "count": 3}],
        }
    )

    analytics = await client.get_interrupt_analytics("user-1")

    assert analytics == Analytics(
        user_id="user-1",
        total_interrupts=3,
        approval_rate=0.5,
        avg_response_time_ms=2000,
        p50_response_time_ms=1000.5,
        p95_response_time_ms=9000,
        by_status={"approved": 1, "__proto__": 2},
        by_urgency={},
        top_action_types=(ActionCount(action="Pay", count=3),),
    )
    assert sent(route) == asked(f"GET {URL}/analytics/user-1")


@pytest.mark.parametrize(("challenge", "query"), [(None, ""), ("abc", "?challenge=abc")])
async def test_health_is_read_with_the_proof(
    client: LoopinClient, route: respx.Route, challenge: str | None, query: str
) -> None:
    route.return_value = answer({"status": "ok", "service": "loopin-api", "proof": "p"})

    health = await client.get_health(challenge)

    assert health == Health(status="ok", service="loopin-api", proof="p")
    assert sent(route) == asked(f"GET {URL}/health{query}")


async def test_program_that_asks_by_itself_names_no_channel(
    client: LoopinClient, route: respx.Route
) -> None:
    route.return_value = answer(PENDING)

    await client.get_interrupt_status("int-1")

    assert "x-loopin-channel" not in route.calls.last.request.headers
