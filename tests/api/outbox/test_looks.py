"""Looks for due deliveries: only when one may be due, by index, and none for what owes nothing."""

import anyio
import anyio.lowlevel
import pytest

from loopin_mcp.api.audit.audit_keys import NO_KEYS
from loopin_mcp.api.database.steps import Database, Row, Value, execute
from loopin_mcp.api.outbox.delivery import PAUSE_S, REST_S, Outbox
from loopin_mcp.api.store.deliveries import Deliveries
from loopin_mcp.api.store.outbox import NO_CHANNELS, ChannelDigests
from loopin_mcp.api.store.store import Store
from loopin_mcp.wire.models import Decision
from tests.support import AGENT, PUBLIC_URL, REVIEWER, Clock, Down, new_interrupt, take_due
from tests.support.loops import ON_VIRTUAL_TIME
from tests.support.receiver import NoCallbacks, channels_to, deliver_due, outbox_to, receiving

APPROVED = Decision(decision="approved")
HOOK = "https://example.com/hook"
PHONE = ChannelDigests(("phone",))
PAGER = ChannelDigests((), ("pager",))


class Empty(Down):
    """A database without rows; `reads` are the statements that were read."""

    def __init__(self) -> None:
        super().__init__()
        self.reads: list[tuple[str, dict[str, Value]]] = []

    async def read(self, sql: str, **params: Value) -> list[Row]:
        self.reads.append((sql, params))
        return []

    find = read


async def owed(database: Database) -> list[tuple[Value, Value]]:
    rows = await database.read("SELECT kind, destination FROM deliveries")
    return [(row["kind"], row["destination"]) for row in rows]


@pytest.mark.parametrize(
    ("channels", "urgency", "url", "created", "settled"),
    [
        (NO_CHANNELS, "high", None, [], []),
        (NO_CHANNELS, "high", HOOK, [], [("callback", "")]),
        (PHONE, "medium", None, [("notification", "phone")], []),
        (PAGER, "medium", None, [], []),
        (PAGER, "high", None, [("notification", "pager")], []),
    ],
)
async def test_outbox_looks_only_for_what_a_change_made_due(
    database: Database,
    clock: Clock,
    channels: ChannelDigests,
    urgency: str,
    url: str | None,
    created: list[tuple[str, str]],
    settled: list[tuple[str, str]],
) -> None:
    store = Store(database, PUBLIC_URL, clock, channels=channels)
    rings = store.deliveries.bell.next
    new = new_interrupt(urgency=urgency, callback_url=url)
    asked = await store.create_interrupt(new, AGENT)
    assert (await owed(database), rings.is_set()) == (created, bool(created))

    rings = store.deliveries.bell.next
    await store.decide_interrupt(asked.interrupt_id, APPROVED, REVIEWER)
    assert (await owed(database), rings.is_set()) == (settled, bool(settled))


@pytest.mark.parametrize("anyio_backend", [ON_VIRTUAL_TIME], ids=["virtual time"])
async def test_many_changes_cost_one_look(clock: Clock) -> None:
    database = Empty()
    store = Store(database, PUBLIC_URL, clock)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(Outbox(store, NoCallbacks()).run)
        await anyio.sleep(REST_S / 2)
        at_first = len(database.reads)
        for _ in range(100):
            store.deliveries.bell.ring()
            await anyio.lowlevel.checkpoint()
        await anyio.sleep(REST_S)
        after_rings = len(database.reads)
        await anyio.sleep(PAUSE_S + REST_S)
        tasks.cancel_scope.cancel()

    assert (at_first, after_rings, len(database.reads)) == (1, 2, 3)


@pytest.mark.parametrize("channels", [NO_CHANNELS, PHONE])
async def test_due_deliveries_are_found_by_index(
    sqlite_store: Store, clock: Clock, channels: ChannelDigests
) -> None:
    traced = Empty()
    deliveries = Deliveries(traced, clock, NO_KEYS, channels)
    await deliveries.take_due(["full"], lease_ms=1, limit=9, room=lambda _: 9)
    [(sql, params)] = traced.reads

    plan = await sqlite_store._database.read(f"EXPLAIN QUERY PLAN {sql}", **params)

    steps = [str(step["detail"]) for step in plan if "deliveries" in str(step["detail"])]
    assert {step.partition(" USING INDEX ")[2] for step in steps} == {
        f"deliveries_{which} (kind=? AND urgent=? AND due_ms<?)" for which in ("new", "retried")
    }


async def test_notification_is_sent_only_by_a_process_with_its_channel(
    store: Store, elsewhere: Store
) -> None:
    store.deliveries.channels = PHONE
    created = await store.create_interrupt(new_interrupt(), AGENT)

    for others in (NO_CHANNELS, PAGER):
        elsewhere.deliveries.channels = others
        assert await take_due(elsewhere) == []
    elsewhere.deliveries.channels = PHONE
    [due] = await take_due(elsewhere)

    assert (due.interrupt_id, due.channel, await take_due(store)) == (
        created.interrupt_id,
        "phone",
        [],
    )


async def test_notification_without_a_channel_does_no_harm(
    store: Store, database: Database
) -> None:
    with receiving() as receiver:
        outbox = outbox_to(store, channels_to(receiver.url))
        created = await store.create_interrupt(new_interrupt(), AGENT)
        await execute(database, "UPDATE deliveries SET destination = '', host = ''")
        await deliver_due(outbox)
        assert receiver.messages == []

    await store.decide_interrupt(created.interrupt_id, APPROVED, REVIEWER)
    assert await owed(database) == []
