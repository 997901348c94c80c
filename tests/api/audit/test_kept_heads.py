"""Heads that others kept reveal a chain that was rewritten as a whole."""

import json
from pathlib import Path

import pytest

from loopin_mcp.api.audit.commands import export
from loopin_mcp.api.audit.events import hash_of
from loopin_mcp.api.database.steps import Database
from loopin_mcp.api.serving.housekeeping import clean_up
from loopin_mcp.api.store.opening import open_archive
from loopin_mcp.api.store.store import Store
from loopin_mcp.errors import ConfigurationError
from loopin_mcp.settings.settings import Settings
from tests.support import AGENT, Clock, execute, new_interrupt, take_due
from tests.support.auditing import audited, decided, edit, settings_of

CHANGE = "UPDATE"
DAY_S = 86_400


@pytest.fixture
def settings(database: Database, request: pytest.FixtureRequest, tmp_path: Path) -> Settings:
    return settings_of(database, request, tmp_path)


async def exported(settings: Settings) -> list[str]:
    said: list[str] = []
    async with open_archive(settings, embedded=False) as archive:
        assert await export(archive, said.append, said.append)
    return said


async def forge(store: Store, database: Database, interrupt_id: str) -> None:
    """Rewrite an interrupt as rejected, with correct hashes."""
    decision = (await store.list_events(interrupt_id))[-1]
    detail = {**decision.detail, "decision": "rejected"}
    forged = hash_of(decision.model_copy(update={"detail": detail}))
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
    callback = await store.get_outcome(interrupt_id)
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
    await execute(database, "INSERT INTO deletions VALUES (:id, :now, '')", id=interrupt_id, now=0)

    assert await audited(settings) == (
        False,
        [
            "Checked 1 interrupt and 3 events: no tampering found.",
            f"{interrupt_id}: it exists, but is recorded as deleted by its age.",
            "1970-01-01: 1 deleted by their age.",
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
