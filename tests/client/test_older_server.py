"""Answers of LoopIn 1.0, read as if they came from this version."""

from datetime import timedelta

import httpx
import pytest
import respx

from loopin_mcp import Interrupt, LoopinClient, PendingPage
from tests.support import MOMENT
from tests.support.client import DATE, PENDING, URL, answer


async def test_list_of_an_older_server_is_read_without_what_has_expired(
    client: LoopinClient, route: respx.Route
) -> None:
    def item(id: str, **fields: str) -> dict[str, str]:  # noqa: A002 - as the wire has it
        return {"id": id, "status": "pending", "action": "Pay"} | fields

    route.return_value = answer(
        [
            item("now", expiresAt="2025-06-15T15:06:40.000Z"),
            item("soon", expiresAt="2025-06-15T15:06:40.001Z"),
            item("settled", status="approved"),
            item("never"),
        ],
        date=DATE,
    )

    page = await client.list_pending_interrupts("user-1")

    soon = Interrupt(
        interrupt_id="soon",
        status="pending",
        action="Pay",
        expires_at=MOMENT + timedelta(milliseconds=1),
    )
    never = Interrupt(interrupt_id="never", status="pending", action="Pay")
    assert page == PendingPage(user_id="user-1", count=2, interrupts=(soon, never))


@pytest.mark.parametrize(
    ("expires_at", "headers", "status"),
    [
        ("2025-06-15T15:06:40Z", {"date": DATE}, "expired"),
        ("2025-06-15T15:06:41Z", {"date": DATE}, "pending"),
        ("2025-06-15T15:06:41Z", {}, "expired"),
        ("2025-06-15T15:06:41Z", {"date": "today"}, "expired"),
        ("9999-01-01T00:00:00Z", {}, "pending"),
    ],
)
async def test_pending_after_its_end_is_read_as_expired(
    client: LoopinClient,
    route: respx.Route,
    expires_at: str,
    headers: dict[str, str],
    status: str,
) -> None:
    wire = PENDING | {"expiresAt": expires_at}
    route.return_value = httpx.Response(200, json=wire, headers=headers)

    interrupt = await client.get_interrupt_status("int-1")

    settled = {} if status == "pending" else {"settledAt": expires_at}
    assert interrupt == Interrupt.model_validate(wire | {"status": status} | settled)


@respx.mock
async def test_values_stored_as_they_came_do_not_spoil_a_list(client: LoopinClient) -> None:
    item = PENDING | {"userId": 7, "agentId": 1.5, "context": "text"}
    respx.get(f"{URL}/interrupts/pending/7").respond(200, json=[item, PENDING])

    page = await client.list_pending_interrupts("7")

    assert [(i.user_id, i.agent_id, i.context) for i in page.interrupts] == [
        ("7", "1.5", {"value": "text"}),
        (None, None, None),
    ]


async def test_figures_that_an_older_server_does_not_tell_are_unknown(
    client: LoopinClient, route: respx.Route
) -> None:
    figures = {
        "userId": "user-1",
        "totalInterrupts": 2,
        "approvalRate": 0.5,
        "avgResponseTimeMs": 2000.0,
        "byStatus": {"approved": 1, "rejected": 1},
        "byUrgency": {"medium": 2},
        "topActionTypes": [{"action": "Pay", "count": 2}],
    }
    route.return_value = answer(figures)

    analytics = await client.get_interrupt_analytics("user-1")

    assert analytics.model_dump(mode="json", by_alias=True) == {
        **figures,
        "p50ResponseTimeMs": None,
        "p95ResponseTimeMs": None,
    }
