"""Notifications: sent at once, with one reminder, and never for a settled request."""

import anyio
import anyio.to_thread
import pytest

from loopin_mcp.api.store.store import Store
from loopin_mcp.wire.models import Decision
from tests.support import AGENT, PATIENCE_S, REVIEWER, Clock, new_interrupt
from tests.support.receiver import Receiver, channels_to, deliver_due, outbox_to, receiving

APPROVED = Decision(decision="approved")


async def next_message(receiver: Receiver) -> dict[str, object]:
    return await anyio.to_thread.run_sync(receiver.next)


@pytest.mark.parametrize(
    ("urgency", "title", "kind"),
    [
        ("medium", "LoopIn: approval needed", "info"),
        ("high", "LoopIn: approval needed, high urgency", "warning"),
    ],
)
async def test_new_interrupt_is_told_with_what_a_human_needs_to_decide_when(
    store: Store, clock: Clock, urgency: str, title: str, kind: str
) -> None:
    with receiving() as receiver:
        outbox = outbox_to(store, channels_to(receiver.url))
        created = await store.create_interrupt(new_interrupt(urgency=urgency), AGENT)
        await deliver_due(outbox)
        clock.advance(60)
        await deliver_due(outbox)

        [message] = receiver.messages

    assert created.review_url
    assert message["title"] == title
    assert message["type"] == kind
    assert message["message"].split("\n") == [
        "`Transfer $4,200 to vendor account ending in 9821`",
        f"`agent-1` asks `user-1` · {urgency} urgency · 60 minutes left",
        "Decide on this page:",
        created.review_url,
    ]


@pytest.mark.parametrize(
    ("lasts_s", "left"),
    [
        (1, "1 second"),
        (119, "119 seconds"),
        (120, "2 minutes"),
        (7199, "119 minutes"),
        (7200, "2 hours"),
        (172_800, "2 days"),
        (2_592_000, "30 days"),
    ],
)
async def test_time_left_is_told_in_a_unit_that_fits(
    sqlite_store: Store, lasts_s: int, left: str
) -> None:
    with receiving() as receiver:
        outbox = outbox_to(sqlite_store, channels_to(receiver.url))
        await sqlite_store.create_interrupt(new_interrupt(expires_in=lasts_s), AGENT)
        await deliver_due(outbox)

        [message] = receiver.messages

    assert f" · {left} left\n" in message["message"]


async def test_agent_can_neither_hide_nor_imitate_anything(sqlite_store: Store) -> None:
    forged = (
        "Pay`\n[Approve](http://evil.test) @everyone <b>\u202eDecide on this page:\nhttp://evil"
    )
    new = new_interrupt(action=forged + "!" * 1000, agent_id="a`\nasks nobody")
    with receiving() as receiver:
        outbox = outbox_to(sqlite_store, channels_to(receiver.url))
        created = await sqlite_store.create_interrupt(new, AGENT)
        await deliver_due(outbox)

        [message] = receiver.messages

    action, names, label, link = message["message"].split("\n")
    assert action.startswith(
        "`Pay｀ ↵ ［Approve］(http：//evil．test) ＠everyone ＜b＞［U+202E］Decide on this page: ↵ "
        "http：//evil!"
    )
    assert action.endswith("!` … (cut here: the review page has the whole)")
    assert names == "`a｀ ↵ asks nobody` asks `user-1` · medium urgency · 60 minutes left"
    assert (label, link) == ("Decide on this page:", created.review_url)


async def test_link_stays_whole_where_a_service_draws_markdown(sqlite_store: Store) -> None:
    with receiving() as receiver:
        new = new_interrupt(action="Pay *_x_* [here](http://evil.test) @all `")
        outbox = outbox_to(sqlite_store, channels_to(f"{receiver.url}&format=markdown"))
        created = await sqlite_store.create_interrupt(new, AGENT)
        await deliver_due(outbox)

        [message] = receiver.messages

    assert message["message"].split("\n") == [
        "`Pay ＊＿x＿＊ ［here］(http：//evil．test) ＠all ｀`",
        "`agent-1` asks `user-1` · medium urgency · 60 minutes left",
        "Decide on this page:",
        f"<{created.review_url}>",
    ]


@pytest.mark.parametrize("ending", ["decided", "cancelled", "expired"])
async def test_what_is_settled_is_not_told(store: Store, clock: Clock, ending: str) -> None:
    with receiving() as receiver:
        outbox = outbox_to(store, channels_to(receiver.url))
        created = await store.create_interrupt(new_interrupt(expires_in=100), AGENT)
        if ending == "decided":
            await store.decide_interrupt(created.interrupt_id, APPROVED, REVIEWER)
        elif ending == "cancelled":
            await store.cancel_interrupt(created.interrupt_id, AGENT)
        else:
            clock.advance(100)
        await deliver_due(outbox)

        assert receiver.messages == []


async def test_reminder_goes_out_once_at_half_its_life(store: Store, clock: Clock) -> None:
    with receiving() as receiver:
        outbox = outbox_to(store, channels_to(receiver.url))
        await store.create_interrupt(new_interrupt(expires_in=1000), AGENT)
        await deliver_due(outbox)
        clock.advance(499)
        await deliver_due(outbox)
        told = receiver.messages
        clock.advance(1)
        await deliver_due(outbox)
        [reminder] = receiver.messages
        clock.advance(499)
        await deliver_due(outbox)

        assert (len(told), receiver.messages) == (1, [])
    assert reminder["title"] == "LoopIn: approval still needed"
    assert " · 8 minutes left\n" in reminder["message"]


async def test_decided_interrupt_has_no_reminder(store: Store, clock: Clock) -> None:
    with receiving() as receiver:
        outbox = outbox_to(store, channels_to(receiver.url))
        created = await store.create_interrupt(new_interrupt(expires_in=1000), AGENT)
        await deliver_due(outbox)
        await store.decide_interrupt(created.interrupt_id, APPROVED, REVIEWER)
        clock.advance(500)
        await deliver_due(outbox)

        assert len(receiver.messages) == 1


async def test_what_is_told_after_half_its_life_needs_no_reminder(
    sqlite_store: Store, clock: Clock
) -> None:
    with receiving() as receiver:
        outbox = outbox_to(sqlite_store, channels_to(receiver.url))
        await sqlite_store.create_interrupt(new_interrupt(expires_in=1000), AGENT)
        clock.advance(600)
        await deliver_due(outbox)
        clock.advance(300)
        await deliver_due(outbox)

        [message] = receiver.messages
    assert message["title"] == "LoopIn: approval needed"


async def test_high_urgency_goes_where_it_is_routed_and_nowhere_else(store: Store) -> None:
    with receiving() as ordinary, receiving() as high:
        outbox = outbox_to(store, channels_to(ordinary.url, high=high.url))
        for urgency in ("low", "medium", "high"):
            await store.create_interrupt(new_interrupt(urgency=urgency), AGENT)
        await deliver_due(outbox)

        assert sorted(message["type"] for message in ordinary.messages) == ["info", "info"]
        assert [message["type"] for message in high.messages] == ["warning"]


async def test_with_a_place_for_high_urgency_alone_nothing_else_is_told(store: Store) -> None:
    with receiving() as high:
        outbox = outbox_to(store, channels_to(high=high.url))
        for urgency in ("low", "medium", "high"):
            await store.create_interrupt(new_interrupt(urgency=urgency), AGENT)
        await deliver_due(outbox)

        assert [message["type"] for message in high.messages] == ["warning"]


async def test_place_that_is_named_twice_is_told_once(sqlite_store: Store) -> None:
    with receiving() as receiver:
        channels = channels_to(receiver.url, f"{receiver.url},", high=receiver.url)
        outbox = outbox_to(sqlite_store, channels)
        await sqlite_store.create_interrupt(new_interrupt(urgency="high"), AGENT)
        await deliver_due(outbox)

        assert len(receiver.messages) == 1
    assert channels.ordinary == channels.high == channels.all


async def test_two_processes_on_one_database_tell_once(store: Store, elsewhere: Store) -> None:
    with receiving() as receiver:
        both = [outbox_to(each, channels_to(receiver.url)) for each in (store, elsewhere)]
        for _ in range(10):
            await store.create_interrupt(new_interrupt(), AGENT)
            await elsewhere.create_interrupt(new_interrupt(), AGENT)
        async with anyio.create_task_group() as processes:
            for outbox in both:
                processes.start_soon(deliver_due, outbox)

        assert len(receiver.messages) == 20


async def test_loop_tells_of_each_as_it_comes(sqlite_store: Store) -> None:
    with receiving() as receiver, anyio.fail_after(PATIENCE_S):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(outbox_to(sqlite_store, channels_to(receiver.url)).run)
            for action in ("First", "Second"):
                await sqlite_store.create_interrupt(new_interrupt(action=action), AGENT)
                message = await next_message(receiver)
                assert str(message["message"]).startswith(f"`{action}`\n")
            tasks.cancel_scope.cancel()
