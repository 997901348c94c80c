"""The arguments of the tools: accepted spellings, and errors about invalid ones."""

from typing import Any

import pytest
from mcp import Client

from tests.support.server import call, refusal


async def test_snake_case_null_and_quoted_objects_are_taken(mcp: Client) -> None:
    created = await call(
        mcp,
        "create_interrupt",
        action="Pay",
        context='{"amount": [1]}',
        agent_id="[1]",
        user_id="[]",
        expires_in=60.0,
        callback_url=None,
    )
    interrupt_id = created["interruptId"]
    await call(
        mcp,
        "decide_interrupt",
        interrupt_id=interrupt_id,
        decision="rejected",
        reason='{"a": 1}',
        modified_params='{"b": 2}',
    )
    status = await call(mcp, "get_interrupt_status", interrupt_id=interrupt_id, wait_seconds=0)

    assert status["context"] == {"amount": [1]}
    assert (status["agentId"], status["userId"]) == ("[1]", "[]")
    assert (status["reason"], status["modifiedParams"]) == ('{"a": 1}', {"b": 2})


@pytest.mark.parametrize(
    ("tool", "arguments", "text"),
    [
        ("create_interrupt", {}, "action is required; context is required."),
        ("create_interrupt", {"action": None, "context": {}}, "action is required."),
        (
            "create_interrupt",
            {"action": " ", "context": "text", "userId": 5, "expiresIn": True},
            "action is required; context must be a JSON object; "
            "userId must be a string; expiresIn must be an integer.",
        ),
        (
            "create_interrupt",
            {"action": "Pay", "context": "NaN", "agent_id": "x" * 201, "callbackUrl": "x"},
            "context must be a JSON object; agentId must be at most 200 characters; "
            "callbackUrl must be an http or https URL with a host.",
        ),
        (
            "decide_interrupt",
            {"interruptId": "x", "decision": "yes"},
            "decision must be 'approved' or 'rejected'.",
        ),
        (
            "get_interrupt_status",
            {"interruptId": "x", "waitSeconds": -1},
            "waitSeconds must be at least 0.",
        ),
        ("list_pending_interrupts", {"limit": 201}, "limit must be at most 200."),
    ],
)
async def test_bad_arguments_are_named_as_the_wire_spells_them(
    mcp: Client, tool: str, arguments: dict[str, Any], text: str
) -> None:
    refused = await refusal(mcp, tool, **arguments)
    assert refused.startswith(f"{text} Correct that and call again.")


@pytest.mark.parametrize("interrupt_id", ["../analytics/u", "../interrupts?x=", "a/b", "é", "%2e"])
async def test_no_id_leads_to_another_resource(mcp: Client, interrupt_id: str) -> None:
    await call(mcp, "create_interrupt", action="Pay", context={})

    texts = [
        await refusal(mcp, "get_interrupt_status", interruptId=interrupt_id),
        await refusal(mcp, "decide_interrupt", interruptId=interrupt_id, decision="approved"),
        await refusal(mcp, "cancel_interrupt", interruptId=interrupt_id),
    ]

    assert all(text.startswith("Interrupt not found. ") for text in texts)
    assert (await call(mcp, "get_interrupt_analytics"))["byStatus"] == {"pending": 1}


@pytest.mark.parametrize("interrupt_id", [".", ".."])
async def test_ids_that_are_no_segment_are_refused(mcp: Client, interrupt_id: str) -> None:
    text = await refusal(mcp, "get_interrupt_status", interruptId=interrupt_id)

    assert text.startswith("interruptId must not be empty, '.' or '..'.")


@pytest.mark.parametrize("editable", [["amount"], '["amount"]'])
async def test_agent_limits_what_may_be_changed(mcp: Client, editable: object) -> None:
    limits = {"editable": editable, "options": {"amount": [1, 2]}}
    new = {"action": "Pay", "context": {"amount": 1, "to": "a"}, **limits}
    created = await call(mcp, "create_interrupt", **new)

    decision = {"interruptId": created["interruptId"], "decision": "approved"}
    refused = await refusal(mcp, "decide_interrupt", **decision, modifiedParams={"to": "b"})

    assert refused.startswith('modifiedParams: "to" cannot be changed')
    status = await call(
        mcp, "get_interrupt_status", interruptId=created["interruptId"], waitSeconds=0
    )
    assert "editable" not in status


@pytest.mark.parametrize("editable", [[], "[]"])
async def test_empty_list_of_editable_keys_is_not_lost(mcp: Client, editable: object) -> None:
    new = {"action": "Pay", "context": {"amount": 1}, "editable": editable}
    created = await call(mcp, "create_interrupt", **new)

    decision = {"interruptId": created["interruptId"], "decision": "approved"}
    refused = await refusal(mcp, "decide_interrupt", **decision, modifiedParams={"amount": 2})

    assert "cannot be changed: no value may be changed" in refused
