"""Whoever can write the database, and has no key, can forge no decision."""

from collections.abc import AsyncIterator

import httpx
import pytest

from loopin_mcp.api.audit.audit_keys import NO_KEYS, AuditKeys
from loopin_mcp.api.audit.digests import digest
from loopin_mcp.api.audit.stored_trails import Trails
from loopin_mcp.api.database.rows import SHORT, short_id
from loopin_mcp.api.database.steps import Database, execute
from loopin_mcp.api.serving.housekeeping import clean_up
from loopin_mcp.api.store.creation import IdempotencyKey
from loopin_mcp.api.store.store import Store
from loopin_mcp.errors import NotFoundError, TamperedError
from loopin_mcp.settings.settings import Settings
from loopin_mcp.wire.models import Decision
from tests.support import AGENT, PUBLIC_URL, REVIEWER, Clock, api_client, new_interrupt
from tests.support.auditing import audited
from tests.support.forging import (
    FORGERIES,
    KEY,
    KEYS,
    Forger,
    Forgery,
    approved_row,
    approved_row_of_a_rejection,
    pending_again,
)
from tests.support.page import Page

HOOK = "https://203.0.113.7/hook"
APPROVE = {"decision": "approved"}
NOW, HOUR_MS = 1_750_000_000_000, 3_600_000


@pytest.fixture
async def api(keyed: Store) -> AsyncIterator[httpx.AsyncClient]:
    async with api_client(keyed) as client:
        yield client


@pytest.fixture
async def forger(keyed: Store, database: Database, clock: Clock) -> Forger:
    ids = []
    for decision in (None, "rejected", "approved"):
        asked = new_interrupt(callback_url=HOOK)
        ids.append((await keyed.create_interrupt(asked, AGENT)).interrupt_id)
        clock.advance(1)
        if decision:
            made = Decision.model_validate({"decision": decision, "reason": "So"})
            await keyed.decide_interrupt(ids[-1], made, REVIEWER)
    return Forger(database, *ids)


@pytest.mark.parametrize("forge", FORGERIES)
async def test_forgery_is_refused_everywhere(
    api: httpx.AsyncClient, forger: Forger, settings: Settings, forge: Forgery
) -> None:
    before = await audited(settings, keys=KEYS)
    interrupt_id = await forge(forger)

    path = f"/interrupts/{interrupt_id}"
    read, waited = await api.get(path), await api.get(path, headers={"Prefer": "wait=1"})
    refused = [
        await api.post(f"{path}/decide", json=APPROVE),
        await api.delete(path),
    ]
    form = await api.post(f"/review/{interrupt_id}", data=APPROVE)
    pick = {"pick": f"{interrupt_id} {'0' * 64}"}
    together = Page(await api.post("/inbox/decide", data=APPROVE | pick))
    page = Page(await api.get(f"/review/{interrupt_id}"))
    after = await audited(settings, keys=KEYS)

    assert before[0] is True
    for answer in (read, waited, *refused):
        assert (answer.status_code, answer.json()["code"]) == (409, "tampered")
        assert "approved" not in answer.text
    assert (form.status_code, together["h1"]) == (409, ["0 approved"])
    assert (len(page["alert"]), page["button"]) == (1, [])
    assert page["h1"] != ["Approved"]
    assert after[0] is False
    # Of a pending one, it has only the beginning of the id.
    assert any(line.startswith(interrupt_id[:SHORT]) for line in after[1])


async def test_what_nobody_forged_is_as_it_was(
    api: httpx.AsyncClient, forger: Forger, settings: Settings
) -> None:
    await approved_row(forger)

    read = [await api.get(f"/interrupts/{each}") for each in (forger.rejected, forger.approved)]
    history = await api.get("/history")

    assert [answer.json()["status"] for answer in read] == ["rejected", "approved"]
    assert history.text.count("Not to be trusted") == 1
    assert history.text.count(">Approved</span>") == 1


async def test_trail_of_an_earlier_key_counts_while_that_key_is_listed(
    database: Database, forger: Forger, settings: Settings, clock: Clock
) -> None:
    rotated, replaced = AuditKeys(["new", KEY]), AuditKeys(["new"])
    async with api_client(Store(database, PUBLIC_URL, clock, rotated)) as api:
        decided = await api.post(f"/interrupts/{forger.pending}/decide", json=APPROVE)
        read = await api.get(f"/interrupts/{forger.pending}")
    async with api_client(Store(database, PUBLIC_URL, clock, replaced)) as api:
        refused = await api.get(f"/interrupts/{forger.approved}")
        page = Page(await api.get(f"/review/{forger.approved}"))

    assert (decided.status_code, read.json()["status"]) == (200, "approved")
    assert (await audited(settings, keys=rotated))[0] is True
    assert refused.status_code == 409
    assert "were made with another key" in refused.json()["error"]
    assert "AUDIT_KEY" in refused.json()["error"]
    assert page["alert"][0].startswith("The audit trail of this request cannot be checked")
    is_whole, said = await audited(settings, keys=replaced)
    assert not is_whole
    assert said[-1].startswith(
        "Checked 3 interrupts and 6 events: no tampering found; the hashes of 3 interrupts cannot "
        "be checked: they need LOOPIN_AUDIT_KEY"
    )


async def test_audit_without_the_key_says_that_it_cannot_check_the_hashes(
    forger: Forger, settings: Settings
) -> None:
    before = await audited(settings)
    await approved_row(forger)
    after = await audited(settings)

    assert (before[0], len(before[1])) == (False, 1)
    assert "no tampering found; the hashes of 3 interrupts cannot be checked" in before[1][0]
    assert any(line.startswith(f"{forger.pending}: its status") for line in after[1])


@pytest.mark.parametrize(
    ("kind", "detail", "at_ms", "fault"),
    [
        ("decided", {"decision": "approved"}, 0, "event 3 is earlier than the one before it"),
        ("decided", {"decision": "approved"}, NOW, "event 3 is a second outcome"),
        ("cancelled", {}, NOW, "event 3 is a second outcome"),
        ("expired", {}, NOW + HOUR_MS, "event 3 is a second outcome"),
        ("created", {}, NOW, "event 3 cannot follow the one before it"),
        ("migrated", {}, NOW, "event 3 cannot follow the one before it"),
        ("used-by-nobody", {}, NOW, "event 3 cannot follow the one before it"),
    ],
)
async def test_order_of_events_is_checked_where_there_is_no_key(
    database: Database,
    clock: Clock,
    settings: Settings,
    kind: str,
    detail: dict[str, str],
    at_ms: int,
    fault: str,
) -> None:
    store = Store(database, PUBLIC_URL, clock)
    interrupt_id = (await store.create_interrupt(new_interrupt(), AGENT)).interrupt_id
    await store.decide_interrupt(interrupt_id, Decision(decision="rejected"), REVIEWER)
    head = (await store.get_interrupt_status(interrupt_id)).events_head

    await Forger(database, interrupt_id, "", "").put(
        interrupt_id, 3, kind, str(head), detail, at_ms
    )

    with pytest.raises(TamperedError, match="was changed after it was created"):
        await store.get_interrupt_status(interrupt_id)
    assert f"{interrupt_id}: {fault}." in (await audited(settings))[1]


@pytest.mark.parametrize(
    ("kind", "at_ms", "fault"),
    [
        ("decided", NOW + HOUR_MS, "event 2 does not fit the time of expiry"),
        ("cancelled", NOW + HOUR_MS, "event 2 does not fit the time of expiry"),
        ("expired", NOW + HOUR_MS - 1, "event 2 does not fit the time of expiry"),
        ("callback-delivered", NOW, "event 2 reports a callback before an outcome"),
        ("callback-given-up", NOW, "event 2 reports a callback before an outcome"),
    ],
)
async def test_outcome_comes_in_its_time_and_before_its_callback(
    database: Database, clock: Clock, settings: Settings, kind: str, at_ms: int, fault: str
) -> None:
    store = Store(database, PUBLIC_URL, clock)
    interrupt_id = (await store.create_interrupt(new_interrupt(), AGENT)).interrupt_id
    head = (await store.get_interrupt_status(interrupt_id)).events_head

    forger = Forger(database, interrupt_id, "", "")
    await forger.put(interrupt_id, 2, kind, str(head), {}, at_ms)

    assert f"{short_id(interrupt_id)}: {fault}." in (await audited(settings))[1]


async def test_trail_begins_with_its_creation(
    database: Database, clock: Clock, settings: Settings
) -> None:
    store = Store(database, PUBLIC_URL, clock)
    interrupt_id = (await store.create_interrupt(new_interrupt(), AGENT)).interrupt_id

    await Forger(database, interrupt_id, "", "").put(interrupt_id, 1, "viewed", "", {})

    said = (await audited(settings))[1]
    assert f"{short_id(interrupt_id)}: event 1 does not create it." in said


async def test_what_was_made_without_a_key_does_not_count_with_one(
    database: Database, clock: Clock, keyed: Store
) -> None:
    open_to_all = Store(database, PUBLIC_URL, clock, NO_KEYS)
    interrupt_id = (await open_to_all.create_interrupt(new_interrupt(), AGENT)).interrupt_id
    await open_to_all.decide_interrupt(interrupt_id, Decision(decision="approved"), REVIEWER)

    with pytest.raises(TamperedError, match="made without a key"):
        await keyed.get_interrupt_status(interrupt_id)


async def test_what_was_made_with_a_key_does_not_count_without_one(
    database: Database, clock: Clock, forger: Forger
) -> None:
    open_to_all = Store(database, PUBLIC_URL, clock, NO_KEYS)

    with pytest.raises(TamperedError, match="made with a key: set LOOPIN_AUDIT_KEY"):
        await open_to_all.get_interrupt_status(forger.approved)


async def test_repeated_create_gets_only_what_its_own_key_created(
    database: Database, keyed: Store
) -> None:
    key, other = IdempotencyKey("api-key", "this"), IdempotencyKey("api-key", "other")
    await keyed.create_interrupt_once(new_interrupt(), AGENT, other)
    approved, _ = await keyed.create_interrupt_once(new_interrupt(), AGENT, key)
    replayed = await keyed.create_interrupt_once(new_interrupt(), AGENT, key)
    await execute(database, f"UPDATE idempotency_keys SET interrupt_id = '{approved.interrupt_id}'")  # noqa: S608

    assert replayed == (approved, True)
    with pytest.raises(TamperedError, match="for another Idempotency-Key"):
        await keyed.create_interrupt_once(new_interrupt(), AGENT, other)


async def test_repeated_create_gets_only_what_asks_the_same(
    database: Database, keyed: Store
) -> None:
    key, other = IdempotencyKey("api-key", "this"), new_interrupt(action="Pay Mallory")
    approved, _ = await keyed.create_interrupt_once(new_interrupt(), AGENT, key)
    await keyed.decide_interrupt(approved.interrupt_id, Decision(decision="approved"), REVIEWER)
    fingerprint = digest(other.model_dump(mode="json", by_alias=True))
    await execute(database, f"UPDATE idempotency_keys SET fingerprint = '{fingerprint}'")  # noqa: S608

    with pytest.raises(TamperedError, match="for another Idempotency-Key or payload"):
        await keyed.create_interrupt_once(other, AGENT, key)


async def test_page_of_a_forged_request_is_not_recorded_as_viewed(
    api: httpx.AsyncClient, keyed: Store, forger: Forger
) -> None:
    await forger.edit(forger.pending, "UPDATE interrupts SET action = 'Pay Mallory' WHERE TRUE")
    await api.get(f"/review/{forger.pending}")
    await forger.edit(forger.pending, "UPDATE interrupts SET expires_ms = expires_ms + 1 WHERE 1=1")

    with pytest.raises(TamperedError):
        await keyed.record_view(forger.pending, REVIEWER)

    assert [event.type for event in await keyed.list_events(forger.pending)] == ["created"]


async def test_forged_expiry_is_not_recorded(keyed: Store, forger: Forger, clock: Clock) -> None:
    clock.advance(3600)
    await pending_again(forger)

    await keyed.expire_interrupts()

    kinds = [event.type for event in await keyed.list_events(forger.rejected)]
    assert kinds == ["created", "decided"]
    assert [event.type for event in await keyed.list_events(forger.pending)][1:] == ["expired"]


async def test_forged_request_is_kept_though_it_is_old(
    keyed: Store, forger: Forger, database: Database, clock: Clock, settings: Settings
) -> None:
    await execute(database, "DELETE FROM deliveries")
    await approved_row_of_a_rejection(forger)
    clock.advance(2 * 86_400)

    await clean_up(keyed, 1)
    await execute(database, "UPDATE deletions SET events_head = 'x'")

    ids = [row["interrupt_id"] for row in await database.read("SELECT interrupt_id FROM events")]
    assert forger.approved not in ids
    assert forger.rejected in ids
    assert (await audited(settings, keys=KEYS))[1][-2:] == [
        f"{forger.approved}: its deletion was not recorded with a key set here.",
        "The records of 1 deletion cannot be checked: they need LOOPIN_AUDIT_KEY, or the "
        "API's key, as it was when they were made.",
    ]
    assert len((await audited(settings))[1]) == len((await audited(settings, keys=KEYS))[1]) - 1


async def test_request_of_an_earlier_key_is_deleted_and_the_record_is_not_proven(
    forger: Forger, database: Database, clock: Clock, settings: Settings
) -> None:
    await execute(database, "DELETE FROM deliveries")
    clock.advance(2 * 86_400)

    replaced = AuditKeys(["new"])
    await clean_up(Store(database, PUBLIC_URL, clock, replaced), 1)

    _, said = await audited(settings, keys=replaced)
    assert said[-1].startswith("The records of 2 deletions cannot be checked")


# PostgreSQL keeps columns to their types.
@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
async def test_row_whose_trail_cannot_be_found_is_not_trusted(
    database: Database, api: httpx.AsyncClient, keyed: Store, forger: Forger
) -> None:
    """Such as one that is gone once its events are looked up, or has no id that can be named."""
    await forger.approve(forger.pending)
    await forger.edit(
        forger.pending, "UPDATE interrupts SET interrupt_id = CAST(interrupt_id AS BLOB) WHERE TRUE"
    )

    history = await api.get("/history")

    assert history.text.count("Not to be trusted") == 1
    assert history.text.count(">Approved</span>") == 1


async def test_inbox_leaves_out_a_forged_outcome_that_it_would_report(
    api: httpx.AsyncClient, forger: Forger
) -> None:
    await approved_row_of_a_rejection(forger)

    answer = await api.get("/", params={"done": forger.rejected})

    assert answer.status_code == 200
    assert "outcome-approved" not in answer.text


async def test_events_that_are_damaged_are_said_to_be_in_the_lists(
    api: httpx.AsyncClient, forger: Forger
) -> None:
    await forger.edit(forger.approved, "UPDATE events SET detail = '[' WHERE TRUE")

    answer = await api.get("/history")

    assert "its stored data cannot be read" in answer.text


async def test_forged_outcome_is_not_among_those_that_wake_a_wait(
    keyed: Store, forger: Forger
) -> None:
    await approved_row_of_a_rejection(forger)
    ids = [forger.rejected, forger.pending]

    found = [each.interrupt_id async for each in keyed.awaited.read(ids)]

    assert found == [forger.pending]


async def test_trail_of_what_is_gone_is_not_found(database: Database) -> None:
    with pytest.raises(NotFoundError):
        await Trails(database, NO_KEYS).of("nobody", 0)
