"""`editable` and `options` over HTTP: checked at once, and enforced when somebody decides."""

from typing import Any

import httpx
import pytest

from loopin_mcp import InvalidRequestError, LoopinClient
from loopin_mcp.api.store.store import Store
from loopin_mcp.wire.models import Decision
from tests.support import api_app, new_interrupt
from tests.support.questions import NEW, create

CONTEXT: dict[str, Any] = {"amount": 1, "to": "a", "list": [1]}
LONG = "k" * 200


@pytest.mark.parametrize(
    ("changes", "refusal"),
    [
        ({"editable": "amount"}, "editable must be a list of keys of the context"),
        ({"editable": [1]}, "editable must be a list of keys of the context"),
        ({"editable": ["to", "to"]}, "editable must name each key once"),
        ({"editable": ["ammount"]}, 'editable names "ammount", which the context does not have'),
        ({"editable": [LONG]}, f'editable names "{"k" * 99}…, which'),
        ({"options": ["to"]}, "options must be an object: keys of the context"),
        ({"options": {"to": []}}, 'options must have a list of 1 to 50 values for "to"'),
        ({"options": {"to": "ab"}}, 'options must have a list of 1 to 50 values for "to"'),
        ({"options": {"to": [*"a", *range(50)]}}, "options must have a list of 1 to 50 values"),
        ({"options": {"to": ["a", None]}}, "options must have only texts, numbers, true or false"),
        ({"options": {"to": ["a", ["b"]]}}, "options must have only texts, numbers, true or"),
        ({"options": {"to": ["a", "b", "a"]}}, 'options must have each value for "to" once'),
        ({"options": {"amount": [1, 1.0]}}, 'options must have each value for "amount" once'),
        ({"options": {"too": ["a"]}}, 'options names "too", which the context does not have'),
        ({"options": {"to": ["b"]}}, 'options must have the value that the context has for "to"'),
        ({"options": {"amount": [True]}}, "options must have the value that the context has"),
        ({"options": {"list": [1]}}, "options must have the value that the context has"),
        (
            {"options": {"to": ["a"]}, "editable": ["amount"]},
            'options has values for "to", which is not in editable: add it there',
        ),
        ({"context": [], "editable": ["to"], "options": {"to": ["a"]}}, "context must be a JSON"),
    ],
)
async def test_limits_that_do_not_fit_are_refused_with_field_and_remedy(
    api: httpx.AsyncClient, changes: dict[str, Any], refusal: str
) -> None:
    refused = await api.post("/interrupts", json=NEW | {"context": CONTEXT} | changes)

    assert refused.status_code == 400
    assert refused.json()["error"].startswith(refusal)


async def test_limits_are_read_back_and_enforced(api: httpx.AsyncClient) -> None:
    limits: dict[str, Any] = {"editable": ["to"], "options": {"to": ["a", "b"]}}
    created = await create(api, context=CONTEXT, **limits)
    path = f"/interrupts/{created['interruptId']}"

    read = (await api.get(path)).json()
    refused = await api.post(
        f"{path}/decide", json={"decision": "approved", "modifiedParams": {"amount": 2}}
    )
    decided = await api.post(
        f"{path}/decide", json={"decision": "approved", "modifiedParams": {"to": "b"}}
    )

    assert {name: read[name] for name in limits} == limits
    assert (refused.status_code, decided.status_code) == (400, 200)
    assert refused.json()["error"].startswith('modifiedParams: "amount" cannot be changed')


async def test_empty_list_lets_nothing_be_changed(api: httpx.AsyncClient) -> None:
    created = await create(api, context=CONTEXT, editable=[])

    assert (await api.get(f"/interrupts/{created['interruptId']}")).json()["editable"] == []


async def test_client_sends_and_reads_limits(sqlite_store: Store) -> None:
    transport = httpx.ASGITransport(api_app(sqlite_store))
    async with httpx.AsyncClient(transport=transport) as http:
        client = LoopinClient("http://127.0.0.1:3002", http=http)
        new = new_interrupt(context=CONTEXT, editable=["to"], options={"to": ["a", "b"]})
        created = await client.create_interrupt(new)

        read = await client.get_interrupt_status(created.interrupt_id)

        assert (read.editable, read.options) == (("to",), {"to": ["a", "b"]})
        with pytest.raises(InvalidRequestError, match='"to" can only be one of "a", "b"'):
            await client.decide_interrupt(
                created.interrupt_id, Decision(decision="approved", modified_params={"to": "c"})
            )
