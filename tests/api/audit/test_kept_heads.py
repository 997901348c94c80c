"""Heads that others kept reveal a chain that was rewritten as a whole."""

import json

import pytest

from loopin_mcp.api.audit.audit_keys import NO_KEYS
from loopin_mcp.api.audit.commands import export
from loopin_mcp.api.audit.events import hashed_part
from loopin_mcp.api.database.steps import Database, execute
from loopin_mcp.api.serving.housekeeping import clean_up
from loopin_mcp.api.store.opening import open_archive
from loopin_mcp.api.store.store import Store
from loopin_mcp.errors import ConfigurationError
from loopin_mcp.settings.settings import Settings
from loopin_mcp.wire.models import Decision
from tests.support import AGENT, PUBLIC_URL, Clock, new_interrupt, take_due
from tests.support.auditing import audited, decided, edit
from tests.support.forging import KEYS, Forger

CHANGE = "UPDATE"
DAY_S = 86_400


async def exported(settings: Settings) -> list[str]:
    said: list[str] = []
    async with open_archive(settings, embedded=False) as archive:
        assert await export(archive, NO_KEYS, said.append, said.append)
    return said


async def forge(store: Store, database: Database, interrupt_id: str) -> None:
    """Rewrite an interrupt as rejected, with correct hashes."""
    decision = (await store.list_events(interrupt_id))[-1]
    detail = {**decision.detail, "decision": "rejected"}
    forged = NO_KEYS.hash_of(hashed_part(decision.model_copy(update={"detail": detail})))
    told = f"detail = '{json.dumps(detail)}', hash = '{forged}'"
    stored = f"status = 'rejected', events_head = '{forged}'"
    await edit(
        database,
        interrupt_id,
        f"{CHANGE} events SET {told} WHERE sequence = 3",
        f"{CHANGE} interrupts SET {stored} WHERE TRUE",
    )


async def test_chain_that_was_written_anew_is_found_by_a_head_that_was_kept(
    store: Store, database: Database, settings: Settings, clock: Clock
) -> None:
    asked = await store.create_interrupt(new_interrupt(), AGENT)
    early = (await store.get_interrupt_status(asked.interrupt_id)).events_head
    interrupt_id = await decided(store, clock)
    kept = (await store.get_interrupt_status(interrupt_id)).events_head
    callback = await store.get_interrupt_status(interrupt_id)
    as_csv = f"eventsHead,interruptId\n{early},{asked.interrupt_id}\n{kept},{interrupt_id}\n"
    before = await audited(settings, as_csv.splitlines())

    await forge(store, database, interrupt_id)

    whole = "Checked 2 interrupts and 4 events: no tampering found."
    missing = f"{interrupt_id}: none of its events has the hash {kept}."
    assert before == (True, [whole, "Checked 2 kept heads: none missing."])
    assert await audited(settings) == (True, [whole])
    for checked, heads in (
        ("2 kept heads", as_csv.splitlines()),
        ("1 kept head", [callback.model_dump_json(by_alias=True), "\n"]),
    ):
        assert await audited(settings, heads) == (
            False,
            [whole, missing, f"Checked {checked}: 1 missing."],
        )


async def test_head_of_another_interrupt_is_no_head_of_this_one(
    store: Store, settings: Settings, clock: Clock
) -> None:
    one, other = [await decided(store, clock) for _ in range(2)]
    head = (await store.get_interrupt_status(one)).events_head

    assert await audited(settings, [json.dumps({"interruptId": other, "eventsHead": head})]) == (
        False,
        [
            "Checked 2 interrupts and 6 events: no tampering found.",
            f"{other}: none of its events has the hash {head}.",
            "Checked 1 kept head: 1 missing.",
        ],
    )


async def test_interrupt_that_is_gone_without_a_trace_is_found_by_its_head(
    store: Store, database: Database, settings: Settings, clock: Clock
) -> None:
    interrupt_id = await decided(store, clock)
    kept = await exported(settings)

    await edit(
        database, interrupt_id, "DELETE FROM interrupts WHERE TRUE", "DELETE FROM events WHERE TRUE"
    )

    assert await audited(settings, kept) == (
        False,
        [
            "Checked 0 interrupts and 0 events: no tampering found.",
            f"{interrupt_id}: it does not exist, and was not deleted by its age.",
            "Checked 1 kept head: 1 missing.",
        ],
    )


async def test_what_was_deleted_by_its_age_is_listed_and_no_fault(
    store: Store, settings: Settings, clock: Clock
) -> None:
    old = [await decided(store, clock) for _ in range(2)]
    at_first = (await store.list_events(old[0]))[0].hash
    for callback in await take_due(store, lease_ms=1, limit=9):
        await store.deliveries.settle(callback, ("callback-delivered", {}))
    kept = await exported(settings)
    clock.advance(DAY_S)
    young = await decided(store, clock)
    await clean_up(store, 1)

    kept.append(json.dumps({"interruptId": old[0], "eventsHead": at_first}))
    deleted = "was deleted by its age at 2025-06-16T15:06:43.000Z"
    assert await audited(settings, kept) == (
        True,
        [
            "Checked 1 interrupt and 3 events: no tampering found.",
            "2025-06-16: 2 deleted by their age.",
            *(f"{each}: {deleted}." for each in sorted(old)),
            f"{old[0]}: {deleted} with another eventsHead.",
            "Checked 3 kept heads: none missing.",
        ],
    )
    after = [json.loads(line) for line in await exported(settings)]
    assert [line["interruptId"] for line in after] == [young, *sorted(old)]
    assert [set(line) for line in after[1:]] == [{"interruptId", "deletedAt", "eventsHead"}] * 2


async def test_deletion_on_record_of_what_is_there_is_a_fault(
    store: Store, database: Database, settings: Settings, clock: Clock
) -> None:
    interrupt_id = await decided(store, clock)
    sql = "INSERT INTO deletions VALUES (:id, :now, '', '')"
    await execute(database, sql, id=interrupt_id, now=0)

    assert await audited(settings) == (
        False,
        [
            "Checked 1 interrupt and 3 events: no tampering found.",
            f"{interrupt_id}: it exists, but is recorded as deleted by its age.",
        ],
    )


@pytest.mark.parametrize(
    "lines",
    [
        ['{"interruptId":"a","eventsHead":"b"}', '{"interruptId":"a"}'],
        ['{"interruptId":"a","eventsHead":"b"}', "[1]"],
        ['{"interruptId":"a","eventsHead":"b"}', "{"],
        ["interruptId,eventsHead", "a,b", "a"],
        ["a,b", "a,b", "a,b"],
        ['{"interruptId":"a","eventsHead":"b"}', '{"interruptId":"\\ud800","eventsHead":"b"}'],
        ['{"interruptId":"a","eventsHead":"b"}', '{"interruptId":"\udcff","eventsHead":"b"}'],
        ["interruptId,eventsHead", "a,b", "\udcff,b"],
        ["interruptId,eventsHead", "a,b", "a," + "b" * 200_000],
        ['{"interruptId":"a","eventsHead":"b"}', '{"a":' * 9999],
    ],
)
async def test_heads_that_cannot_be_read_are_refused_by_number(
    store: Store, settings: Settings, lines: list[str]
) -> None:
    with pytest.raises(ConfigurationError, match=r"^Entry [12] of the heads has no interruptId"):
        await audited(settings, lines)


@pytest.mark.parametrize("lines", [[], ["", "\n"], ["interruptId,eventsHead"]])
async def test_no_heads_at_all_are_refused_since_they_show_nothing(
    store: Store, settings: Settings, lines: list[str]
) -> None:
    with pytest.raises(ConfigurationError, match="^No heads were given"):
        await audited(settings, lines)


async def test_head_holds_the_outcome_that_was_kept_with_it(
    store: Store, settings: Settings, clock: Clock
) -> None:
    interrupt_id = await decided(store, clock)
    events = await store.list_events(interrupt_id)
    status = (await store.get_interrupt_status(interrupt_id)).model_dump(mode="json", by_alias=True)
    read = {"interruptId": interrupt_id, "eventsHead": events[1].hash, "status": "pending"}

    said = [
        (await audited(settings, [json.dumps(line)]))[1][1:]
        for line in (
            status,
            read,
            status | {"eventsHead": events[1].hash},
            status | {"status": "rejected", "decision": "rejected"},
            status | {"modifiedParams": {"amount": 1}},
        )
    ]

    whole = ["Checked 1 kept head: none missing."]
    other = [
        f"{interrupt_id}: the kept outcome is not the one that its events have.",
        "Checked 1 kept head: 1 missing.",
    ]
    assert said == [whole, whole, other, other, other]


async def test_outcome_that_follows_the_kept_one_is_found_without_the_key(
    database: Database, settings: Settings, clock: Clock
) -> None:
    store = Store(database, PUBLIC_URL, clock, KEYS)
    interrupt_id = await decided(store, clock)
    head = (await store.get_interrupt_status(interrupt_id)).events_head
    await Forger(database, interrupt_id, "", "").append(interrupt_id, "cancelled")

    kept = [f'{{"interruptId": "{interrupt_id}", "eventsHead": "{head}"}}']

    assert (await audited(settings, kept))[1][-2:] == [
        f"{interrupt_id}: another outcome follows the one of the kept head.",
        "Checked 1 kept head: 1 missing.",
    ]


async def test_state_that_was_put_back_is_found_by_a_head(
    database: Database, settings: Settings, clock: Clock
) -> None:
    store = Store(database, PUBLIC_URL, clock, KEYS)
    asked = await store.create_interrupt(new_interrupt(), AGENT)
    [before] = await database.read("SELECT * FROM interrupts")
    await store.decide_interrupt(asked.interrupt_id, Decision(decision="rejected"), AGENT)
    kept = (await store.get_interrupt_status(asked.interrupt_id)).model_dump_json(by_alias=True)
    columns = [
        "status",
        "settled_ms",
        "decided_ms",
        "decided_by",
        "decided_via",
        "event_count",
        "events_head",
    ]
    change = ", ".join(f"{name} = :{name}" for name in columns)
    await edit(database, asked.interrupt_id, "DELETE FROM events WHERE sequence = 2")
    await execute(database, f"UPDATE interrupts SET {change}", **{n: before[n] for n in columns})  # noqa: S608

    await store.decide_interrupt(asked.interrupt_id, Decision(decision="approved"), AGENT)

    assert (await audited(settings, keys=KEYS))[0] is True
    assert (await audited(settings, [kept], KEYS))[0] is False


@pytest.mark.parametrize("is_stored", [False, True])
async def test_head_of_an_expiry_that_was_read_before_it_was_stored_is_no_fault(
    store: Store, settings: Settings, clock: Clock, is_stored: bool
) -> None:
    asked = await store.create_interrupt(new_interrupt(expires_in=1), AGENT)
    clock.advance(1)
    kept = (await store.get_interrupt_status(asked.interrupt_id)).model_dump_json(by_alias=True)
    if is_stored:
        await store.expire_interrupts()

    assert '"status":"expired"' in kept
    assert (await audited(settings, [kept]))[0] is True


async def test_head_whose_events_are_damaged_is_a_fault(
    store: Store, database: Database, settings: Settings, clock: Clock
) -> None:
    interrupt_id = await decided(store, clock)
    kept = (await store.get_interrupt_status(interrupt_id)).model_dump_json(by_alias=True)
    await edit(database, interrupt_id, "UPDATE events SET detail = '[' WHERE sequence = 2")

    said = (await audited(settings, [kept]))[1]

    assert said[-2:] == [
        f"{interrupt_id}: its stored data cannot be read.",
        "Checked 1 kept head: 1 missing.",
    ]
