"""The repeated call with the answer to a form (2026-07-28): for what it counts."""

from typing import Any

import pytest
from mcp import Client
from mcp.shared.exceptions import MCPError
from mcp_types import (
    CallToolResult,
    ElicitRequest,
    ElicitResult,
    InputRequiredResult,
    InputResponses,
    ListRootsResult,
)

from loopin_mcp.mcp_server import forms
from tests.mcp_server.test_forms import Clocks
from tests.support.confirmation import APPROVAL, LEFT, Human, host, mocked_api
from tests.support.server import text_of

ERA = "2026-07-28"
ACCEPT: InputResponses = {"confirm": ElicitResult(action="accept", content={"confirmed": True})}
DECLINE: InputResponses = {"confirm": ElicitResult(action="decline")}
SPENT = (
    "The answer to the form in the host came too late, a second time, or for an interrupt that has "
    f"changed, {LEFT}"
)


def untouched() -> Human:
    """A human whom the SDK must not ask, since these tests repeat the calls themselves."""
    return Human(None)


async def decide(
    client: Client,
    answers: InputResponses | None = None,
    state: str | None = None,
    **changes: Any,  # noqa: ANN401 - any argument
) -> CallToolResult | InputRequiredResult:
    return await client.session.call_tool(
        "decide_interrupt",
        APPROVAL | changes,
        input_responses=answers,
        request_state=state,
        allow_input_required=True,
    )


async def asked(client: Client, **changes: Any) -> str:  # noqa: ANN401 - any argument
    """Let the server ask; returns the state that the answer must bring."""
    return state_of(await decide(client, **changes))


def state_of(result: CallToolResult | InputRequiredResult) -> str:
    assert isinstance(result, InputRequiredResult), result
    assert result.input_requests is not None
    [(name, form)] = result.input_requests.items()
    assert name == "confirm"
    assert isinstance(form, ElicitRequest)
    assert result.request_state is not None
    return result.request_state


def refused(result: CallToolResult | InputRequiredResult) -> str:
    assert isinstance(result, CallToolResult), result
    assert result.is_error
    return text_of(result)


async def test_answer_counts_once() -> None:
    with mocked_api() as api:
        async with host(ERA, untouched()) as client:
            state = await asked(client)
            recorded = await decide(client, ACCEPT, state)
            again = await decide(client, ACCEPT, state)

    assert isinstance(recorded, CallToolResult)
    assert not recorded.is_error
    assert refused(again) == SPENT
    assert api.decisions == [{"decision": "approved"}]


async def test_human_who_declined_cannot_be_overruled_with_the_same_form() -> None:
    with mocked_api() as api:
        async with host(ERA, untouched()) as client:
            state = await asked(client)
            declined = await decide(client, DECLINE, state)
            overruled = await decide(client, ACCEPT, state)

    assert refused(declined) == f"The form in the host was declined, {LEFT}"
    assert refused(overruled) == SPENT
    assert api.decisions == []


@pytest.mark.parametrize(("after_s", "counts"), [(3600, True), (3_000_000, False)])
async def test_form_lives_as_long_as_an_interrupt_may(
    monkeypatch: pytest.MonkeyPatch, after_s: int, *, counts: bool
) -> None:
    clocks = Clocks()
    monkeypatch.setattr(forms, "time", clocks)
    with mocked_api() as api:
        async with host(ERA, untouched()) as client:
            state = await asked(client)
            clocks.steady += after_s
            await asked(client)
            answer = await decide(client, ACCEPT, state)

    assert len(api.decisions) == counts
    assert counts or refused(answer) == SPENT


@pytest.mark.parametrize(
    "changes",
    [
        {"interruptId": "j"},
        {"decision": "rejected"},
        {"reason": "Another"},
        {"modifiedParams": {"amount": 1_000_000}},
        {"modifiedParams": None},
    ],
)
async def test_answer_counts_for_nothing_but_what_was_asked(changes: dict[str, Any]) -> None:
    with mocked_api(modifiedParams={"amount": 1}) as api:
        async with host(ERA, untouched()) as client:
            state = await asked(client, modifiedParams={"amount": 1})
            with pytest.raises(MCPError) as refusal:
                await decide(client, ACCEPT, state, **{"modifiedParams": {"amount": 1}} | changes)

    assert refusal.value.error.message == "Invalid or expired requestState"
    assert api.decisions == []


async def test_answers_to_two_forms_cannot_be_swapped() -> None:
    with mocked_api() as api:
        async with host(ERA, untouched()) as client:
            approval = await asked(client)
            rejection = await asked(client, decision="rejected")
            for state, decision in ((approval, "rejected"), (rejection, "approved")):
                with pytest.raises(MCPError):
                    await decide(client, ACCEPT, state, decision=decision)
            await decide(client, ACCEPT, rejection, decision="rejected")

    assert api.decisions == [{"decision": "rejected"}]


def flipped(state: str) -> str:
    """The state with another character in its middle."""
    middle = len(state) // 2
    return state[:middle] + ("B" if state[middle] != "B" else "C") + state[middle + 1 :]


async def test_forged_state_is_refused() -> None:
    with mocked_api() as api:
        async with host(ERA, untouched()) as client:
            state = await asked(client)
            for forged in ("", "v1.forged", flipped(state), state.swapcase()):
                with pytest.raises(MCPError):
                    await decide(client, ACCEPT, forged)

    assert api.decisions == []


async def test_state_of_another_server_is_refused() -> None:
    with mocked_api() as api:
        async with host(ERA, untouched()) as other, host(ERA, untouched()) as client:
            state = await asked(other)
            with pytest.raises(MCPError):
                await decide(client, ACCEPT, state)

    assert api.decisions == []


async def test_answer_to_a_form_that_was_never_shown_is_answered_with_the_form() -> None:
    with mocked_api() as api:
        async with host(ERA, untouched()) as client:
            state_of(await decide(client, ACCEPT))

    assert api.decisions == []


@pytest.mark.parametrize("answers", [None, {}, {"another": ElicitResult(action="accept")}])
async def test_call_that_is_repeated_without_the_answer_is_asked_again(
    answers: InputResponses | None,
) -> None:
    with mocked_api() as api:
        async with host(ERA, untouched()) as client:
            state = await asked(client)
            renewed = state_of(await decide(client, answers, state))

    assert renewed != state
    assert api.decisions == []


async def test_answer_of_another_kind_records_nothing() -> None:
    with mocked_api() as api:
        async with host(ERA, untouched()) as client:
            state = await asked(client)
            result = await decide(client, {"confirm": ListRootsResult(roots=[])}, state)

    assert refused(result) == f"The host did not ask, or gave no answer that can be read, {LEFT}"
    assert api.decisions == []


async def test_interrupt_that_was_settled_while_the_form_was_open_is_a_conflict() -> None:
    with mocked_api() as api:
        async with host(ERA, untouched()) as client:
            state = await asked(client)
            settled = {"interruptId": "i", "status": "cancelled", "action": "Pay 5 EUR"}
            api.status.respond(json=settled)
            result = await decide(client, ACCEPT, state)

    assert refused(result).startswith("The interrupt's status is now cancelled.")
    assert api.decisions == []


async def test_api_that_is_gone_while_the_form_is_open_is_told() -> None:
    with mocked_api() as api:
        async with host(ERA, untouched()) as client:
            state = await asked(client)
            api.status.respond(401, json={"error": "Unauthorized"})
            result = await decide(client, ACCEPT, state)

    assert refused(result).startswith("Unauthorized. ")
    assert api.decisions == []
