"""Arguments as models and hosts really send them."""

import json
from typing import Any

import pytest
import respx
from mcp import Client

from loopin_mcp.mcp_server.tool_factory import PlainSpokenServer
from tests.support.prompts import URL, host
from tests.support.server import call, refusal

ID = "5f0c9e1a-64f1-4a0e-9d0b-0c6f3f0f7a11"
OTHER = "aaaaaaaa-64f1-4a0e-9d0b-0c6f3f0f7a12"
CREATED = {"interruptId": ID, "status": "pending", "expiresAt": "2999-01-01T00:00:00Z"}
PENDING = {"interruptId": ID, "status": "pending", "action": "Pay"}
QUESTION = {"action": "Pay", "context": {"amount": 5}}

ANALYTICS: dict[str, object] = {
    "userId": "u",
    "totalInterrupts": 0,
    "approvalRate": None,
    "avgResponseTimeMs": None,
    "byStatus": {},
    "byUrgency": {},
    "topActionTypes": [],
}


def sent(route: respx.Route) -> dict[str, Any]:
    body: dict[str, Any] = json.loads(route.calls.last.request.content)
    return body


@pytest.mark.parametrize(
    "nothing", [None, "", " \t\n\u00a0", "null", "NULL", "None", "undefined", '""']
)
@respx.mock
async def test_empty_optional_arguments_count_as_left_out(nothing: str | None) -> None:
    created = respx.post(f"{URL}/interrupts").respond(201, json=CREATED)
    listed = respx.get(f"{URL}/interrupts/pending/u").respond(json=[])
    decided = respx.post(f"{URL}/interrupts/{ID}/decide").respond(
        json={"interruptId": ID, "status": "resolved", "decision": "rejected"}
    )
    names = ("agentId", "userId", "urgency", "expiresIn", "callbackUrl")
    async with host() as client:
        await call(client, "create_interrupt", **QUESTION, **dict.fromkeys(names, nothing))
        await call(client, "list_pending_interrupts", userId=nothing, limit=nothing, cursor=nothing)
        await call(
            client,
            "decide_interrupt",
            interruptId=ID,
            decision="rejected",
            reason=nothing,
            modifiedParams=nothing,
        )

    assert sent(created) == QUESTION | {
        "agentId": "test-host",
        "userId": "u",
        "urgency": "medium",
        "expiresIn": 3600,
    }
    assert dict(listed.calls.last.request.url.params) == {"limit": "50"}
    assert sent(decided) == {"decision": "rejected"}


@pytest.mark.parametrize("nothing", [{}, [], "{}", " { } "])
@respx.mock
async def test_no_changed_values_are_no_change(nothing: object) -> None:
    decided = respx.post(f"{URL}/interrupts/{ID}/decide").respond(
        json={"interruptId": ID, "status": "resolved", "decision": "approved"}
    )
    async with host() as client:
        await call(
            client,
            "decide_interrupt",
            interruptId=ID,
            decision="approved",
            modifiedParams=nothing,
        )

    assert sent(decided) == {"decision": "approved"}


@pytest.mark.parametrize("nothing", ["", " ", '""', None])
async def test_empty_required_arguments_are_missing(nothing: str | None) -> None:
    async with host() as client:
        texts = [
            await refusal(client, "create_interrupt", action=nothing, context=nothing),
            await refusal(client, "cancel_interrupt", interruptId=nothing),
            await refusal(client, "decide_interrupt", interruptId=ID, decision=nothing),
        ]

    assert texts[0].startswith("action is required; context is required.")
    assert texts[1].startswith("interruptId is required.")
    assert texts[2].startswith("decision is required.")


@pytest.mark.parametrize(
    ("given", "meant"),
    [("600", 600), (" 45 ", 45), ("45.0", 45), ('"90"', 90), (60.0, 60), ("007", 7), ("６０", 60)],
)
@respx.mock
async def test_digits_are_a_number(given: object, meant: int) -> None:
    created = respx.post(f"{URL}/interrupts").respond(201, json=CREATED)
    async with host() as client:
        await call(client, "create_interrupt", **QUESTION, expiresIn=given)

    assert sent(created)["expiresIn"] == meant


@pytest.mark.parametrize("given", ["soon", "4.5", "1e3", "10 min", "9" * 21, True, "true", [60]])
async def test_other_text_is_no_number(given: object) -> None:
    async with host() as client:
        text = await refusal(client, "create_interrupt", **QUESTION, expiresIn=given)

    assert text.startswith("expiresIn must be an integer")


@pytest.mark.parametrize("given", ["High", " HIGH ", '"high"', "`high`\n"])
@respx.mock
async def test_choices_count_in_any_case(given: str) -> None:
    created = respx.post(f"{URL}/interrupts").respond(201, json=CREATED)
    async with host() as client:
        await call(client, "create_interrupt", **QUESTION, urgency=given)
        text = await refusal(client, "decide_interrupt", interruptId=ID, decision="OK")

    assert sent(created)["urgency"] == "high"
    assert text.startswith("decision must be 'approved' or 'rejected'.")


@respx.mock
async def test_object_as_json_text_is_an_object_if_it_is_sound() -> None:
    created = respx.post(f"{URL}/interrupts").respond(201, json=CREATED)
    async with host() as client:
        await call(client, "create_interrupt", action="Pay", context=' {"amount": 5.0}\n')
        twice = await refusal(client, "create_interrupt", action="Pay", context='{"a":1,"a":2}')
        broken = await refusal(client, "create_interrupt", action="Pay", context="{'a': 1}")

    assert sent(created)["context"] == {"amount": 5.0}
    assert twice.startswith('context names "a" twice in one object: send each name once.')
    assert broken.startswith("context is not valid JSON: ")


@pytest.mark.parametrize(
    "given",
    [
        ID.upper(),
        f' "{ID}"\r\n',
        f"`{ID}`",
        f"_{ID}_",
        f"<{ID}>",
        f"interruptId: {ID}.",
        f"{URL}/review/{ID}",
        f"{URL}/review/{ID.upper()}/",
        f"https://elsewhere.example/~s3cret/review/{ID}?next=/review/{OTHER}#{OTHER}",
        f"http://localhost:3002/~{OTHER}/review/{ID}",
        f"[Review it]({URL}/review/{ID})",
        f"[{URL}/review/{ID}]({URL}/review/{ID}).",
        f"<{URL}/review/{ID}|Review it>",
        f"{URL}/inbox/{ID}",
    ],
)
@respx.mock
async def test_id_is_found_in_what_was_copied(given: str) -> None:
    respx.get(f"{URL}/interrupts/{ID}").respond(json=PENDING | {"status": "rejected"})
    respx.delete(f"{URL}/interrupts/{ID}").respond(json={"interruptId": ID, "status": "cancelled"})
    decided = respx.post(f"{URL}/interrupts/{ID}/decide").respond(
        json={"interruptId": ID, "status": "resolved", "decision": "rejected"}
    )
    async with host() as client:
        status = await call(client, "get_interrupt_status", interruptId=given)
        await call(client, "cancel_interrupt", interruptId=given)
        await call(client, "decide_interrupt", interruptId=given, decision="Rejected")

    assert status["interruptId"] == ID
    assert decided.called


@pytest.mark.parametrize(
    ("given", "path"),
    [
        (f"{URL}/review/int%2F1", "int%2F1"),
        ("int_42 ", "int_42"),
        (f"{ID} or {OTHER}", f"{ID}%20or%20{OTHER}"),
        (f"{URL}/review/a {URL}/review/b", None),
        (f"x{ID}", f"x{ID}"),
    ],
)
@respx.mock
async def test_other_ids_are_taken_as_they_are(given: str, path: str | None) -> None:
    route = respx.route().respond(404, json={"error": "Interrupt not found"})
    async with host() as client:
        text = await refusal(client, "get_interrupt_status", interruptId=given)

    assert "Interrupt not found" in text
    if path is not None:
        assert route.calls.last.request.url.raw_path.decode() == f"/interrupts/{path}"


@respx.mock
async def test_names_count_in_any_spelling_but_only_once() -> None:
    respx.get(f"{URL}/interrupts/{ID}").respond(json=PENDING)
    async with host() as client:
        for name in ("interruptID", "interrupt_id", "INTERRUPT-ID", "InterruptId"):
            await call(client, "get_interrupt_status", waitSeconds=0, **{name: ID})
        both = {"interruptId": ID, "interrupt_id": f"`{ID}`"}
        await call(client, "get_interrupt_status", waitSeconds=0, **both)
        text = await refusal(client, "get_interrupt_status", interruptId=ID, interrupt_id=OTHER)

    assert text.startswith("interruptId comes twice, with different values.")


async def test_tool_that_the_server_lacks_is_unknown() -> None:
    server: PlainSpokenServer[Any] = PlainSpokenServer("bare")
    async with Client(server) as client:
        assert await refusal(client, "anything", note=1) == "Unknown tool: anything"


@pytest.mark.parametrize("name", ["'", "<", '"', "»"])
@respx.mock
async def test_odd_names_are_names(name: str) -> None:
    created = respx.post(f"{URL}/interrupts").respond(201, json=CREATED)
    async with host() as client:
        await call(client, "create_interrupt", **QUESTION, userId=name, agentId=name)

    assert (sent(created)["userId"], sent(created)["agentId"]) == (name, name)


@respx.mock
async def test_arguments_that_hosts_add_are_ignored_and_named() -> None:
    created = respx.post(f"{URL}/interrupts").respond(201, json=CREATED)
    added = {"toolCallId": "call_1", "task_progress": "- [ ] pay", "wait_for_previous": True}
    async with host() as client:
        plain = await call(client, "create_interrupt", **QUESTION)
        noted = await call(client, "create_interrupt", **QUESTION, **added, sessionId={"a": [1]})

    assert "note" not in plain
    assert noted["note"] == (
        "Ignored unknown arguments: toolCallId, task_progress, wait_for_previous, sessionId."
    )
    assert sent(created).keys() == QUESTION.keys() | {"agentId", "userId", "urgency", "expiresIn"}


@pytest.mark.parametrize("name", ["expires_in_seconds", "user", "callback", "actions", "expiry_in"])
@respx.mock
async def test_names_that_are_nearly_ours_get_ours(name: str) -> None:
    respx.post(f"{URL}/interrupts").respond(201, json=CREATED)
    async with host() as client:
        created = await call(client, "create_interrupt", **QUESTION, **{name: "x"})

    assert created["note"] == (
        f"Ignored unknown arguments: {name}. create_interrupt knows action, context, agentId, "
        "userId, urgency, expiresIn, callbackUrl, editable, options."
    )


async def test_missing_argument_under_another_name_is_named() -> None:
    async with host() as client:
        text = await refusal(client, "cancel_interrupt", interrupt="x")

    assert text.startswith("interruptId is required.")
    assert text.endswith(
        "Ignored unknown arguments: interrupt. cancel_interrupt knows interruptId."
    )


@respx.mock
async def test_note_stays_short_and_on_one_line() -> None:
    respx.get(f"{URL}/analytics/u").respond(json=ANALYTICS)
    names = {f"\n\u202e{'x' * 100}{number}": 1 for number in range(300)}
    async with host() as client:
        figures = await call(client, "get_interrupt_analytics", **names)

    assert figures["note"].endswith(f"[U+202E]{'x' * 58} and 290 more.")
    assert len(figures["note"]) < 800


@pytest.mark.parametrize(
    "detail",
    [
        {"modifiedParam": "5"},
        {"modified_parms": {"amount": 5}},
        {"modifiedParameters": '{"amount": 5}'},
        {"newValues": "amount 5"},
        {"amount": 5},
        {"only": "the first"},
        {"changes": ["amount"]},
        {"comments": "but only 5"},
        {"reasons": "but only 5"},
        {"expires": "600"},
        {"meta": {"amount": 5}},
    ],
)
@respx.mock
async def test_approval_is_not_recorded_without_a_part_of_it(detail: dict[str, object]) -> None:
    decided = respx.post(f"{URL}/interrupts/{ID}/decide").respond(
        json={"interruptId": ID, "status": "resolved", "decision": "rejected"}
    )
    async with host() as client:
        text = await refusal(
            client, "decide_interrupt", interruptId=ID, decision="Approved", **detail
        )
        assert not decided.called
        rejected = await call(
            client, "decide_interrupt", interruptId=ID, decision="rejected", **detail
        )

    [name] = detail
    assert text == (
        f"Nothing was recorded: decide_interrupt does not know {name}, which may be a part of the "
        "decision. It knows interruptId, decision, reason, modifiedParams. Call again with changed "
        "values in modifiedParams and everything else in reason, or send the human to the "
        "reviewUrl to decide there."
    )
    assert name in rejected["note"]


@pytest.mark.parametrize(
    "added",
    [
        {"toolCallId": "call_1", "task_progress": "- [x] ask\n- [ ] pay"},
        {"wait_for_previous": True, "changes": "", "modified_parameters": {}},
        {"sessionId": "s", "chatInput": "yes, pay it", "security_risk": "LOW", "reasoning": "ok"},
    ],
)
@respx.mock
async def test_what_hosts_add_does_not_stop_an_approval(added: dict[str, object]) -> None:
    respx.post(f"{URL}/interrupts/{ID}/decide").respond(
        json={"interruptId": ID, "status": "resolved", "decision": "approved"}
    )
    async with host() as client:
        decided = await call(
            client, "decide_interrupt", interruptId=ID, decision="approved", **added
        )

    assert decided["decision"] == "approved"
    assert all(name in decided["note"] for name in added)
