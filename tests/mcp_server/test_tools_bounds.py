"""Results of the tools stay within what hosts take, with a way to the rest."""

from typing import Any

import pytest
import respx
from mcp import Client

from loopin_mcp.mcp_server.results import MOST_BYTES
from tests.support.prompts import URL, host
from tests.support.server import call, refusal, text_of

NESTED: dict[str, Any] = {"items": [{"deep": [[number]]} for number in range(2_000)]}
PENDING = {"interruptId": "i", "status": "pending", "action": "Pay", "context": NESTED}


async def test_list_is_read_to_its_end_in_pages_that_fit(mcp: Client) -> None:
    actions = [f"{number} " + "界" * 1990 for number in range(12)]
    for action in actions:
        await call(mcp, "create_interrupt", action=action, context=NESTED)

    seen: list[str] = []
    cursor: str | None = None
    while cursor is not None or not seen:
        result = await mcp.call_tool("list_pending_interrupts", {"limit": 200, "cursor": cursor})
        assert len(text_of(result).encode()) <= MOST_BYTES
        page = result.structured_content
        assert page is not None
        assert page["count"] == len(page["interrupts"])
        seen += [item["action"] for item in page["interrupts"]]
        cursor = page.get("nextCursor")

    assert seen == actions[::-1]


async def test_agent_that_asked_gets_no_context_while_it_waits(mcp: Client) -> None:
    created = await call(mcp, "create_interrupt", action="Pay", context=NESTED, agentId="somebody")
    read = {"interruptId": created["interruptId"]}
    pending = await mcp.call_tool("get_interrupt_status", read | {"waitSeconds": 0})
    await call(mcp, "decide_interrupt", decision="rejected", **read)
    settled = await mcp.call_tool("get_interrupt_status", read)

    assert len(text_of(pending)) < 2_000
    assert len(text_of(settled).encode()) <= MOST_BYTES
    assert "\n" not in text_of(settled)


@pytest.mark.parametrize(("wait", "agent"), [(0, "test-host"), (1, "another")])
@respx.mock
async def test_others_get_the_context_to_show_it(wait: int, agent: str) -> None:
    small = PENDING | {"context": {"amount": 1}, "agentId": agent}
    respx.get(f"{URL}/interrupts/i").respond(json=small)
    async with host(LOOPIN_MAX_WAIT="0.05") as client:
        status = await call(client, "get_interrupt_status", interruptId="i", waitSeconds=wait)

    assert status["context"] == {"amount": 1}


@respx.mock
async def test_agent_that_waits_after_a_restart_gets_no_context() -> None:
    respx.get(f"{URL}/interrupts/i").respond(json=PENDING | {"agentId": "test-host"})
    async with host(LOOPIN_MAX_WAIT="0.05") as client:
        status = await call(client, "get_interrupt_status", interruptId="i")

    assert "context" not in status


@respx.mock
async def test_list_of_an_older_server_is_cut_to_what_fits() -> None:
    many = [PENDING | {"id": f"i-{number}", "action": "x" * 2000} for number in range(50)]
    respx.get(f"{URL}/interrupts/pending/u").respond(json=many)
    async with host() as client:
        page = await call(client, "list_pending_interrupts")

    assert page["count"] == len(page["interrupts"]) == 11


@respx.mock
async def test_types_of_action_are_short() -> None:
    figures = {
        "userId": "u",
        "totalInterrupts": 5,
        "approvalRate": None,
        "avgResponseTimeMs": None,
        "byStatus": {"pending": 5},
        "byUrgency": {},
        "topActionTypes": [{"action": "界" * 2000, "count": 1}] * 5,
    }
    respx.get(f"{URL}/analytics/u").respond(json=figures)
    async with host() as client:
        result = await client.call_tool("get_interrupt_analytics", {})
        odd = figures | {"byStatus": {f"status-{number}": 1 for number in range(9_000)}}
        respx.get(f"{URL}/analytics/u").respond(json=odd)
        text = await refusal(client, "get_interrupt_analytics")

    assert len(text_of(result).encode()) <= MOST_BYTES
    assert text == "The answer is too large for a tool result. Nothing is approved by it."
