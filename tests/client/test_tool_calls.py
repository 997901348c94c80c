"""Asking about a call of a tool, with a real API and a human who answers at once."""

import json
from collections.abc import AsyncIterator
from email.utils import formatdate
from typing import Any

import httpx
import pytest
import respx

from loopin_mcp import CallAnswer, LoopinClient, ask_about_call
from loopin_mcp.api.store.store import Store
from tests.support import KEY, PUBLIC_URL, Clock, api_client

PAYMENT = {"payee": "Harbour Print Ltd", "amount": 4200, "memo": None, "tags": [1]}
APPROVED = {"decision": "approved"}
JSON = dict[str, Any]
ITSELF: JSON = {}
ITSELF["itself"] = ITSELF


class Human:
    """Does one thing about each new request, and keeps what was asked."""

    def __init__(self, http: httpx.AsyncClient, clock: Clock) -> None:
        self._http, self._clock = http, clock
        self.answer: JSON | str = APPROVED
        self.asked: list[JSON] = []

    async def hook(self, response: httpx.Response) -> None:
        response.headers["Date"] = formatdate(self._clock() / 1000, usegmt=True)
        if response.request.url.path == "/interrupts" and response.status_code == 201:
            for asked in (await self._http.get("/interrupts/pending/user-1")).json():
                path = f"/interrupts/{asked['interruptId']}"
                self.asked.append((await self._http.get(path)).json())
                await self._acts(path)

    async def _acts(self, path: str) -> None:
        match self.answer:
            case "waits":
                self._clock.advance(3601)
            case "cancels":
                assert (await self._http.delete(path)).is_success
            case decision:
                assert (await self._http.post(f"{path}/decide", json=decision)).is_success


@pytest.fixture
async def human(sqlite_store: Store, clock: Clock) -> AsyncIterator[Human]:
    async with api_client(sqlite_store, api_key=KEY) as http:
        http.headers["X-API-Key"] = KEY
        yield Human(http, clock)


@pytest.fixture
async def loopin(sqlite_store: Store, human: Human) -> AsyncIterator[LoopinClient]:
    async with api_client(sqlite_store, api_key=KEY) as http:
        http.event_hooks = {"response": [human.hook]}
        yield LoopinClient(PUBLIC_URL, KEY, http=http)


async def ask(
    loopin: LoopinClient,
    arguments: JSON | str = PAYMENT,
    call_id: str = "run-1/call-1",
    **options: Any,  # noqa: ANN401 - any of them
) -> CallAnswer:
    whom = {"agent_id": "agent-1", "user_id": "user-1"}
    return await ask_about_call(loopin, "pay", arguments, call_id=call_id, **whom | options)


async def test_human_sees_the_tool_and_exactly_its_arguments(
    loopin: LoopinClient, human: Human
) -> None:
    answer = await ask(loopin, expires_in=60)

    assert answer == CallAnswer(True, "A human approved this call.")
    [asked] = human.asked
    assert (asked["action"], asked["context"]) == ("Run the tool pay", PAYMENT)
    assert (asked["agentId"], asked["userId"]) == ("agent-1", "user-1")
    assert (asked["editable"], asked["useWithin"]) == ([*PAYMENT], 60)
    used = await loopin.get_interrupt_status(asked["interruptId"])
    assert used.used_at is not None


async def test_arguments_may_be_json_text(loopin: LoopinClient, human: Human) -> None:
    assert (await ask(loopin, json.dumps(PAYMENT))).approved
    assert human.asked[0]["context"] == PAYMENT


@pytest.mark.parametrize(
    "changes", [{"amount": 399.5}, {"memo": "March"}, {"memo": 1}, {"tags": [True]}]
)
async def test_edited_call_has_all_its_arguments(
    loopin: LoopinClient, human: Human, changes: JSON
) -> None:
    human.answer = APPROVED | {"modifiedParams": changes}

    assert (await ask(loopin)).edited == PAYMENT | changes


async def test_value_that_is_repeated_is_no_edit(loopin: LoopinClient, human: Human) -> None:
    human.answer = APPROVED | {"modifiedParams": {"amount": 4200}}

    assert (await ask(loopin)).edited is None


@pytest.mark.parametrize("value", ["4200", True, None, [4200], {"value": 4200}])
async def test_value_of_another_type_is_not_run_and_stays_unused(
    loopin: LoopinClient, human: Human, value: object
) -> None:
    human.answer = APPROVED | {"modifiedParams": {"amount": value}}

    answer = await ask(loopin)

    assert not answer.approved
    assert 'the human gave "amount" a value of another type' in answer.reason
    assert (await loopin.get_interrupt_status(human.asked[0]["interruptId"])).used_at is None


async def test_without_editing_the_api_lets_nothing_be_changed(
    loopin: LoopinClient, human: Human
) -> None:
    assert (await ask(loopin, can_edit=False)).approved
    assert human.asked[0]["editable"] == []


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ({"decision": "rejected"}, "A human rejected this call, so it did not run."),
        (
            {"decision": "rejected", "reason": "Too dear"},
            "A human rejected this call, so it did not run. The reason: Too dear",
        ),
        ("waits", "Nobody decided about this call in time, so it did not run."),
        ("cancels", "The request about this call was cancelled, so it did not run."),
    ],
)
async def test_what_is_not_approved_says_why(
    loopin: LoopinClient, human: Human, answer: JSON | str, reason: str
) -> None:
    human.answer = answer

    assert await ask(loopin) == CallAnswer(False, reason)
    # The same call gets the same answer, and nobody is asked again.
    assert await ask(loopin) == CallAnswer(False, reason)
    assert len(human.asked) == 1


async def test_same_call_runs_once_and_another_one_is_asked_about(
    loopin: LoopinClient, human: Human
) -> None:
    first, second = [await ask(loopin) for _ in range(2)]
    other = await ask(loopin, call_id="run-1/call-2")

    assert [first.approved, second.approved, other.approved] == [True, False, True]
    assert "its approval was used before" in second.reason
    assert "may have run already" in second.reason
    assert len(human.asked) == 2


async def test_agents_do_not_share_the_names_of_their_calls(
    loopin: LoopinClient, human: Human
) -> None:
    assert (await ask(loopin)).approved
    assert (await ask(loopin, agent_id="agent-2")).approved
    assert len(human.asked) == 2


async def test_same_call_with_other_arguments_is_not_approved(
    loopin: LoopinClient, human: Human
) -> None:
    human.answer = "waits"
    await ask(loopin)

    answer = await ask(loopin, PAYMENT | {"amount": 1})

    assert not answer.approved
    assert "Idempotency-Key was used before with another payload" in answer.reason
    assert len(human.asked) == 1


async def test_any_text_names_a_call(loopin: LoopinClient, human: Human) -> None:
    names = ["", '"', "\n", "é\udc80", "x" * 5000]

    assert all([(await ask(loopin, call_id=name)).approved for name in names])
    assert len(human.asked) == len(names)


@pytest.mark.parametrize(
    ("arguments", "fault"),
    [
        ("{", "the JSON of its arguments is not valid JSON"),
        ('{"amount": 1, "amount": 9999}', 'the JSON of its arguments names "amount" twice'),
        ("[1]", "its arguments are not a JSON object"),
        (None, "its arguments are not a JSON object"),
        (ITSELF, "context must not be nested more than 32 levels deep"),
        ({"text": "x" * 70_000}, "context must be at most 65536 bytes"),
        ({"when": object()}, "context must be representable as JSON"),
    ],
)
async def test_call_that_cannot_be_shown_is_not_approved(
    loopin: LoopinClient,
    human: Human,
    arguments: Any,  # noqa: ANN401 - frameworks pass on what they have
    fault: str,
) -> None:
    answer = await ask(loopin, arguments)

    assert not answer.approved
    assert answer.reason.startswith("This call was not approved, so it did not run: ")
    assert fault in answer.reason
    assert human.asked == []


async def test_api_that_is_away_approves_nothing(client: LoopinClient, route: respx.Route) -> None:
    route.side_effect = httpx.ConnectError("")

    answer = await ask(client)

    assert not answer.approved
    assert answer.reason.startswith("This call was not approved, so it did not run: No connection")


async def test_change_that_no_api_should_allow_is_not_lost(
    client: LoopinClient, route: respx.Route
) -> None:
    created = {"interruptId": "int-1", "status": "pending", "expiresAt": "2030-01-01T00:00:00Z"}
    approved = {"interruptId": "int-1", "status": "approved", "action": ""}
    route.side_effect = [
        httpx.Response(201, json=created),
        httpx.Response(200, json=approved | {"modifiedParams": {"amount": 1}}),
    ]

    answer = await ask(client, can_edit=False)

    assert not answer.approved
    assert 'the human changed "amount", which cannot be changed here' in answer.reason
