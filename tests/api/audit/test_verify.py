"""An audit finds every interrupt that was edited."""

import json

import pytest

from loopin_mcp.api.audit.audit_keys import NO_KEYS, AuditKeys
from loopin_mcp.api.audit.commands import REMEDY, export
from loopin_mcp.api.audit.records import RECORDS_AT_ONCE
from loopin_mcp.api.database.steps import Database, execute
from loopin_mcp.api.store.opening import open_archive
from loopin_mcp.api.store.store import Store
from loopin_mcp.errors import UnavailableError
from loopin_mcp.settings.settings import Settings
from tests.support import AGENT, PUBLIC_URL, Clock, new_interrupt
from tests.support.auditing import audited, decided, edit

ASKED = [
    "its payloadDigest does not match what it asks",
    "its payloadDigest does not match its events",
]
CHANGE = "UPDATE interrupts SET"

# The result does not depend on the kind of database.
in_sqlite = pytest.mark.parametrize("database", ["sqlite"], indirect=True)


async def test_what_nobody_changed_is_as_it_was_written(
    store: Store, settings: Settings, clock: Clock
) -> None:
    await decided(store, clock)
    for _ in range(2):
        await store.create_interrupt(new_interrupt(expires_in=60), AGENT)
    cancelled = await store.create_interrupt(new_interrupt(), AGENT)
    await store.cancel_interrupt(cancelled.interrupt_id, AGENT)
    clock.advance(61)
    before = await audited(settings)
    await store.expire_interrupts()

    assert before == (True, ["Checked 4 interrupts and 7 events: no tampering found."])
    assert await audited(settings) == (
        True,
        ["Checked 4 interrupts and 9 events: no tampering found."],
    )


async def test_empty_database_is_as_it_was_written(store: Store, settings: Settings) -> None:
    assert await audited(settings) == (
        True,
        ["Checked 0 interrupts and 0 events: no tampering found."],
    )


@in_sqlite
@pytest.mark.parametrize(
    ("change", "found"),
    [
        ("action = 'Pay more'", ASKED),
        ("""context = '{"amount": 4201}'""", ASKED),
        ("agent_id = 'agent-2'", ASKED),
        ("user_id = 'user-2'", ASKED),
        ("urgency = 'low'", ASKED),
        ("payload_digest = 'x'", ASKED[:1]),
        (
            "status = 'rejected'",
            ["its decision does not match its events", "its status does not match its events"],
        ),
        ("reason = NULL", ["its reason does not match its events"]),
        (
            """modified_params = '{"amount": 4200}'""",
            ["its modifiedParams does not match its events"],
        ),
        ("decided_by = 'bob'", ["its decidedBy does not match its events"]),
        ("decided_via = 'inbox'", ["its decidedVia does not match its events"]),
        ("decided_ms = decided_ms + 1", ["its decidedAt does not match its events"]),
        ("settled_ms = 1", ["its settledAt does not match its events"]),
        ("created_ms = 1", ["its createdAt does not match its events"]),
        ("expires_ms = expires_ms + 1", ["its expiresAt does not match its events"]),
        ("event_count = 4", ["it has 3 events and should have 4"]),
        ("events_head = 'x'", ["its eventsHead is not the hash of its last event"]),
        ("context = 'x'", ["its stored data cannot be read"]),
        ("created_ms = 9000000000000000000", ["its stored data cannot be read"]),
    ],
)
async def test_changed_interrupt_is_found(
    store: Store,
    database: Database,
    settings: Settings,
    clock: Clock,
    change: str,
    found: list[str],
) -> None:
    await decided(store, clock)
    interrupt_id = await decided(store, clock)

    await edit(database, interrupt_id, f"{CHANGE} {change} WHERE TRUE")

    assert await audited(settings) == (
        False,
        [
            *(f"{interrupt_id}: {fault}." for fault in found),
            "Checked 2 interrupts and 6 events: tampering found in 1 interrupt.",
        ],
    )


@in_sqlite
@pytest.mark.parametrize(
    ("changes", "found"),
    [
        (["UPDATE events SET actor = 'bob' WHERE sequence = 3"], "event 3 was changed"),
        (["UPDATE events SET channel = 'mcp' WHERE sequence = 3"], "event 3 was changed"),
        (["UPDATE events SET at_ms = at_ms - 1 WHERE sequence = 3"], "event 3 was changed"),
        (["UPDATE events SET type = 'viewed' WHERE sequence = 3"], "event 3 was changed"),
        (["UPDATE events SET hash = 'x' WHERE sequence = 3"], "event 3 was changed"),
        (
            ["UPDATE events SET previous_hash = '' WHERE sequence = 3"],
            "event 3 does not follow the one before it",
        ),
        (
            ["UPDATE events SET detail = '[' WHERE sequence = 3"],
            "its stored data cannot be read",
        ),
        (["DELETE FROM events WHERE sequence = 3"], "it has 2 events and should have 3"),
        (["DELETE FROM events WHERE sequence = 2"], "event 2 is missing"),
        (["DELETE FROM events WHERE TRUE"], "it has no events"),
        (["DELETE FROM interrupts WHERE TRUE"], "it is missing, but its events exist"),
        (
            [
                "UPDATE events SET sequence = 9 WHERE sequence = 3",
                "UPDATE events SET sequence = 3 WHERE sequence = 2",
                "UPDATE events SET sequence = 2 WHERE sequence = 9",
            ],
            "event 2 does not follow the one before it",
        ),
        (
            [
                "INSERT INTO events SELECT interrupt_id, 4, type, at_ms, actor, channel, detail,"
                " previous_hash, hash FROM events WHERE sequence = 3"
            ],
            "event 4 does not follow the one before it",
        ),
    ],
)
async def test_changed_events_are_found(
    store: Store,
    database: Database,
    settings: Settings,
    clock: Clock,
    changes: list[str],
    found: str,
) -> None:
    await decided(store, clock)
    interrupt_id = await decided(store, clock)

    await edit(database, interrupt_id, *changes)

    is_whole, said = await audited(settings)
    assert not is_whole
    assert f"{interrupt_id}: {found}." in said
    assert all(line.startswith(interrupt_id) for line in said[:-1])


async def test_database_of_either_kind_is_searched(
    store: Store, database: Database, settings: Settings, clock: Clock
) -> None:
    ids = [await decided(store, clock) for _ in range(3)]
    await edit(database, ids[0], "UPDATE interrupts SET action = 'Pay more' WHERE TRUE")
    await edit(database, ids[1], "DELETE FROM interrupts WHERE TRUE")
    await edit(database, ids[2], "DELETE FROM events WHERE TRUE")

    is_whole, said = await audited(settings)

    assert (is_whole, said.pop()) == (
        False,
        "Checked 3 interrupts and 6 events: tampering found in 3 interrupts.",
    )
    assert sorted(said) == sorted(
        [
            *(f"{ids[0]}: {fault}." for fault in ASKED),
            f"{ids[1]}: it is missing, but its events exist.",
            f"{ids[2]}: it has no events.",
        ]
    )


async def test_audit_can_change_nothing(
    store: Store, database: Database, settings: Settings, clock: Clock
) -> None:
    await decided(store, clock)

    async with open_archive(settings, embedded=False) as archive:
        with pytest.raises(UnavailableError):
            await execute(archive, "DELETE FROM events")

    assert len(await database.read("SELECT sequence FROM events")) == 3


@in_sqlite
async def test_ids_that_are_no_text_are_named_and_end_no_audit(
    store: Store, database: Database, settings: Settings, clock: Clock
) -> None:
    ids = sorted([await decided(store, clock) for _ in range(3)])
    no_text = "interrupt_id = CAST(X'7AFF' AS TEXT) || event_count"
    for count, interrupt_id in enumerate(ids[1:]):
        await edit(database, interrupt_id, f"{CHANGE} event_count = {count} WHERE TRUE")
        await edit(database, interrupt_id, f"{CHANGE} {no_text} WHERE TRUE")
    lines: list[str] = []

    _, said = await audited(settings)
    async with open_archive(settings, embedded=False) as archive:
        await export(archive, NO_KEYS, lines.append, said.append)

    assert said == [
        *(f"{interrupt_id}: it is missing, but its events exist." for interrupt_id in ids[1:]),
        "z\\udcff0: it has no events.",
        "z\\udcff1: it has no events.",
        "Checked 5 interrupts and 9 events: tampering found in 4 interrupts.",
        "z\\udcff0: its stored data cannot be read.",
        "z\\udcff1: its stored data cannot be read.",
    ]
    assert len(lines) == 3


@in_sqlite
async def test_more_ids_that_are_no_text_than_are_read_at_once_are_all_named(
    store: Store, database: Database, settings: Settings
) -> None:
    for number in range(RECORDS_AT_ONCE + 1):
        await execute(
            database,
            """
            INSERT INTO events
            SELECT CAST(X'FF' AS TEXT) || :number, 1, 't', 0, 'a', 'c', '{}', '', ''
            """,
            number=number,
        )

    _, said = await audited(settings)

    assert len(set(said)) == RECORDS_AT_ONCE + 2


@in_sqlite
async def test_nothing_that_is_checked_controls_the_terminal(
    store: Store, database: Database, settings: Settings, clock: Clock
) -> None:
    evil = "\x1b]0;x\x07\x9b2J\u202e\x7f\r\n\\"
    interrupt_id = await decided(store, clock)
    await edit(database, interrupt_id, f"UPDATE interrupts SET interrupt_id = '{evil}' WHERE TRUE")  # noqa: S608
    await execute(
        database,
        "INSERT INTO events VALUES (:evil, 1, :evil, 0, :evil, :evil, '{}', '', :evil)",
        evil=evil + "x",
    )
    await execute(
        database, "INSERT INTO deletions VALUES (:evil, 'x', :evil, :evil)", evil=evil + "y"
    )
    head = json.dumps({"interruptId": interrupt_id, "eventsHead": "\u0336\u05c3"})
    lines: list[str] = []
    progress: list[str] = []

    _, said = await audited(settings, [head])
    async with open_archive(settings, embedded=False) as archive:
        await export(archive, NO_KEYS, lines.append, progress.append)

    everything = said + lines + progress
    assert len(everything) > 8
    assert all(" " <= letter <= "~" for letter in "".join(everything))
    assert any(line.startswith(r"\x1b]0;x\x07\x9b2J\u202e\x7f\r\n\\: ") for line in said)
    ids = [evil, interrupt_id, evil + "x"]
    assert sorted(json.loads(line)["interruptId"] for line in lines) == sorted(ids)
    assert progress[-1].endswith("y: the record of its deletion cannot be read.")


async def test_export_counts_what_its_key_cannot_check(
    database: Database, settings: Settings, clock: Clock
) -> None:
    await decided(Store(database, PUBLIC_URL, clock, AuditKeys(["of the API"])), clock)
    lines: list[str] = []
    progress: list[str] = []

    async with open_archive(settings, embedded=False) as archive:
        assert await export(archive, AuditKeys(["another"]), lines.append, progress.append)

    assert len(lines) == 1
    assert progress == [f"The hashes of 1 interrupt cannot be checked: {REMEDY}."]
