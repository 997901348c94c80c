"""A clock that is set back: past changes stay, and due ones still happen."""

import pytest

from loopin_mcp.api.audit.trail import chain_fault
from loopin_mcp.api.store.outbox import ChannelDigests
from loopin_mcp.api.store.outcomes import Standing
from loopin_mcp.api.store.store import Store
from loopin_mcp.errors import ConflictError
from loopin_mcp.wire.models import Created, Decision, HostCall
from tests.support import AGENT, REVIEWER, Clock, new_interrupt, take_due

APPROVED = Decision(decision="approved")
HOOK = "https://example.com/hook"
PHONE = ChannelDigests(("phone",))

back = pytest.mark.parametrize("hours", [1, 24 * 365])


@back
async def test_expiry_that_was_stored_stays(store: Store, clock: Clock, hours: int) -> None:
    created = await store.create_interrupt(new_interrupt(expires_in=60), AGENT)
    clock.advance(61)
    await store.expire_interrupts()
    clock.advance(-3600 * hours)

    with pytest.raises(ConflictError, match="already expired"):
        await store.decide_interrupt(created.interrupt_id, APPROVED, REVIEWER)
    await store.expire_interrupts()

    read = await store.get_interrupt_status(created.interrupt_id)
    assert (read.status, read.decision) == ("expired", None)


@back
async def test_nothing_is_settled_before_it_was_asked(
    store: Store, clock: Clock, hours: int
) -> None:
    decided = await store.create_interrupt(new_interrupt(), AGENT)
    cancelled = await store.create_interrupt(new_interrupt(), AGENT)
    clock.advance(-3600 * hours)

    answer = await store.decide_interrupt(decided.interrupt_id, APPROVED, REVIEWER)
    await store.cancel_interrupt(cancelled.interrupt_id, AGENT)

    read = await store.get_interrupt_status(decided.interrupt_id)
    figures = await store.get_interrupt_analytics("user-1")
    assert read.created_at == read.decided_at == answer.decided_at
    assert (figures.avg_response_time_ms, figures.p95_response_time_ms) == (0, 0)


@back
async def test_trail_keeps_the_order_in_which_things_happened(
    store: Store, clock: Clock, hours: int
) -> None:
    created = await store.create_interrupt(new_interrupt(), AGENT)
    clock.advance(-3600 * hours)
    await store.record_view(created.interrupt_id, REVIEWER)
    clock.advance(3600 * hours + 5)
    await store.decide_interrupt(created.interrupt_id, APPROVED, REVIEWER)

    events = await store.list_events(created.interrupt_id)

    assert [(event.sequence, event.type) for event in events] == [
        (1, "created"),
        (2, "viewed"),
        (3, "decided"),
    ]
    assert chain_fault(events) is None


@back
async def test_list_holds_each_once_across_its_pages(
    store: Store, clock: Clock, hours: int
) -> None:
    before = await store.create_interrupt(new_interrupt(), AGENT)
    clock.advance(-3600 * hours)
    after = await store.create_interrupt(new_interrupt(), AGENT)

    first = await store.list_pending_interrupts("user-1", limit=1)
    second = await store.list_pending_interrupts("user-1", limit=1, cursor=first.next_cursor)

    listed = [each.interrupt_id for page in (first, second) for each in page.interrupts]
    assert listed == [before.interrupt_id, after.interrupt_id]
    assert second.next_cursor is None


async def test_callback_that_was_taken_before_is_due_again_after_a_year_back(
    store: Store, clock: Clock
) -> None:
    created = await store.create_interrupt(new_interrupt(callback_url=HOOK), AGENT)
    await store.decide_interrupt(created.interrupt_id, APPROVED, REVIEWER)
    [lost] = await take_due(store, lease_ms=20_000, limit=9)
    clock.advance(-3600 * 24 * 365)

    await store.deliveries.bring_forward()
    [due] = await take_due(store, lease_ms=20_000, limit=9)
    again = await take_due(store, lease_ms=20_000, limit=9)

    assert (due.delivery_id, due.tries, again) == (lost.delivery_id, 2, [])


@pytest.mark.parametrize("kind", ["notification", "reminder"])
async def test_notification_that_was_taken_before_is_due_again_after_a_year_back(
    store: Store, clock: Clock, kind: str
) -> None:
    store.deliveries.channels = PHONE
    await store.create_interrupt(new_interrupt(expires_in=2_592_000), AGENT)
    [lost] = await take_due(store)
    if kind == "reminder":
        await store.deliveries.settle(lost, ("notified", {}))
        clock.advance(15 * 24 * 3600)
        [lost] = await take_due(store)
    clock.advance(-3600 * 24 * 365)

    await store.deliveries.bring_forward()
    [due] = await take_due(store)

    assert (due.delivery_id, due.kind, due.tries) == (lost.delivery_id, kind, 2)


async def test_reminder_of_a_long_life_is_not_taken_for_one_of_before(store: Store) -> None:
    store.deliveries.channels = PHONE
    await store.create_interrupt(new_interrupt(expires_in=2_592_000), AGENT)
    [first] = await take_due(store)
    await store.deliveries.settle(first, ("notified", {}))

    await store.deliveries.bring_forward()
    assert await take_due(store) == []


@back
async def test_standing_approval_that_ended_stays_ended(
    store: Store, clock: Clock, hours: int
) -> None:
    async def ask(digest: str) -> Created:
        asked = new_interrupt(call=HostCall(session="s", tool="Bash", digest=digest * 64))
        created, _ = await store.create_interrupt_for_call(asked, AGENT, lambda: None)
        return created

    granted = (await ask("1")).interrupt_id
    await store.decide_interrupt(granted, APPROVED, REVIEWER, Standing("tool", 3600))
    covered = await ask("2")
    clock.advance(60)
    await store.approvals.end_standing(granted, REVIEWER)
    clock.advance(-3600 * hours)

    assert (covered.status, (await ask("3")).status) == ("approved", "pending")
    with pytest.raises(ConflictError, match="has ended: ask again"):
        await store.approvals.use_approval(covered.interrupt_id, AGENT)
