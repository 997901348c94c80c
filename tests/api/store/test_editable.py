"""What may be changed of a request: named by the agent, and enforced whoever decides."""

from typing import Any

import pytest

from loopin_mcp.api.audit.audit_keys import NO_KEYS
from loopin_mcp.api.audit.commands import verify
from loopin_mcp.api.database.steps import Database
from loopin_mcp.api.store.creation import IdempotencyKey
from loopin_mcp.api.store.store import Store
from loopin_mcp.errors import InvalidRequestError, TamperedError, UnprocessableError
from loopin_mcp.wire.models import Decision
from tests.support import AGENT, REVIEWER, Clock, new_interrupt
from tests.support.auditing import edit

CONTEXT = {"amount": 4200, "currency": "USD", "urgent": True, "payee": {"iban": "DE1"}}
OPTIONS = {"currency": ["USD", "EUR"], "urgent": [True, False]}
EDITABLE = ["amount", "currency", "urgent"]


async def ask(store: Store, **changes: object) -> str:
    """Create an interrupt; returns its id."""
    new = new_interrupt(**{"context": CONTEXT, "options": OPTIONS, **changes})
    return (await store.create_interrupt(new, AGENT)).interrupt_id


async def decide(store: Store, interrupt_id: str, **params: Any) -> None:  # noqa: ANN401 - JSON
    decision = Decision(decision="approved", modified_params=params)
    await store.decide_interrupt(interrupt_id, decision, REVIEWER)


async def test_what_may_be_changed_is_kept(store: Store, clock: Clock) -> None:
    interrupt_id = await ask(store, editable=EDITABLE)

    read = await store.get_interrupt_status(interrupt_id)
    [created] = await store.list_events(interrupt_id)

    assert (read.editable, read.options) == (tuple(EDITABLE), OPTIONS)
    assert (created.detail["editable"], created.detail["options"]) == (EDITABLE, OPTIONS)
    [waiting] = (await store.list_pending_interrupts(str(read.user_id))).interrupts
    assert waiting.options == OPTIONS
    clock.advance(3601)
    await store.expire_interrupts()
    assert (await store.get_interrupt_status(interrupt_id)).status == "expired"


async def test_refusal_names_only_some_of_many_keys(store: Store) -> None:
    context = {f"key{number:02}": number for number in range(12)}
    interrupt_id = await ask(store, context=context, options={}, editable=[*context])

    with pytest.raises(InvalidRequestError, match='"key09" and 2 others may be changed$'):
        await decide(store, interrupt_id, **{f"other{number}": 1 for number in range(20)})


@pytest.mark.parametrize(
    ("editable", "params", "refusal"),
    [
        (EDITABLE, {"payee": {"iban": "DE2"}}, '"payee" cannot be changed: only "amount", "cu'),
        (EDITABLE, {"memo": "new"}, '"memo" cannot be changed'),
        ([], {"amount": 1}, '"amount" cannot be changed: no value may be'),
        (EDITABLE, {"currency": "CHF"}, '"currency" can only be one of "USD", "EUR"'),
        (None, {"currency": ["EUR"]}, '"currency" can only be one of'),
        (None, {"urgent": 1}, '"urgent" can only be one of true, false'),
        (["amount"], {"amount": 4200.5, "urgent": False}, '"urgent" cannot be changed'),
    ],
)
async def test_change_that_the_request_does_not_allow_is_refused_by_key(
    store: Store, editable: list[str] | None, params: dict[str, Any], refusal: str
) -> None:
    options = {} if editable in ([], ["amount"]) else OPTIONS
    interrupt_id = await ask(store, editable=editable, options=options)

    with pytest.raises(InvalidRequestError, match=f"^modifiedParams: {refusal}"):
        await decide(store, interrupt_id, **params)

    assert (await store.get_interrupt_status(interrupt_id)).is_pending


@pytest.mark.parametrize(
    ("editable", "params"),
    [
        (EDITABLE, {"amount": 4000, "currency": "EUR", "urgent": False}),
        (None, {"payee": {"iban": "DE2"}, "memo": "new"}),
        # What stays as it was is no change.
        (["amount"], {"amount": "4200", "payee": {"iban": "DE1"}, "currency": "USD"}),
        ([], {"amount": 4200.0}),
    ],
)
async def test_other_changes_are_recorded(
    store: Store, editable: list[str] | None, params: dict[str, Any]
) -> None:
    options = {} if editable in ([], ["amount"]) else OPTIONS
    interrupt_id = await ask(store, editable=editable, options=options)

    await decide(store, interrupt_id, **params)

    assert (await store.get_interrupt_status(interrupt_id)).modified_params == params


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ("editable = NULL", "its editable does not match its events"),
        ("""editable = '["amount"]'""", "its editable does not match its events"),
        ("""options = '{"currency": ["USD", "XXX"]}'""", "its options does not match its events"),
    ],
)
async def test_edit_of_what_may_be_changed_is_found(
    store: Store, database: Database, change: str, fault: str
) -> None:
    interrupt_id = await ask(store, editable=EDITABLE)
    await edit(database, interrupt_id, f"UPDATE interrupts SET {change} WHERE TRUE")  # noqa: S608

    said: list[str] = []
    assert not await verify(database, NO_KEYS, None, said.append, said.append)
    assert any(fault in line for line in said)
    with pytest.raises(TamperedError):
        await decide(store, interrupt_id, amount=1)


async def test_same_key_with_other_limits_is_another_payload(store: Store) -> None:
    key = IdempotencyKey("api-key", "one")
    new = new_interrupt(context=CONTEXT, editable=["amount"])
    first, _ = await store.create_interrupt_once(new, AGENT, key)

    again, existed = await store.create_interrupt_once(new, AGENT, key)

    assert (again, existed) == (first, True)
    for editable in ([], None, ["currency"]):
        other = new_interrupt(context=CONTEXT, editable=editable)
        with pytest.raises(UnprocessableError):
            await store.create_interrupt_once(other, AGENT, key)
