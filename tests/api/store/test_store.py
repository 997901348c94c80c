"""The store, on each kind of database."""

from datetime import timedelta
from functools import partial

import anyio
import pytest

from loopin_mcp.api.access.actors import Actor
from loopin_mcp.api.audit.audit_keys import NO_KEYS
from loopin_mcp.api.database.rows import RowReader
from loopin_mcp.api.database.steps import Database, execute
from loopin_mcp.api.store.outcomes import expire
from loopin_mcp.api.store.store import Store
from loopin_mcp.errors import ConflictError, InvalidRequestError, NotFoundError, UnavailableError
from loopin_mcp.wire.fields import Verdict
from loopin_mcp.wire.models import Decision, Interrupt, PendingPage
from tests.support import AGENT, MOMENT, PUBLIC_URL, REVIEWER, Clock, new_interrupt

APPROVED = Decision(decision="approved")
REJECTED = Decision(decision="rejected", reason="Too much", modified_params={"amount": 1})


async def test_created_interrupt_is_read_back_whole(store: Store) -> None:
    created = await store.create_interrupt(new_interrupt(expires_in=60), AGENT)

    read = await store.get_interrupt_status(created.interrupt_id)

    assert read == Interrupt.model_validate(
        {
            "interruptId": created.interrupt_id,
            "agentId": "agent-1",
            "userId": "user-1",
            "status": "pending",
            "action": "Transfer $4,200 to vendor account ending in 9821",
            "context": {"amount": 4200, "currency": "USD"},
            "urgency": "medium",
            "createdAt": "2025-06-15T15:06:40.000Z",
            "expiresAt": "2025-06-15T15:07:40.000Z",
            "reviewUrl": f"{PUBLIC_URL}/review/{created.interrupt_id}",
            # From sha256sum, for agentId, userId, action, context and urgency in RFC 8785 form.
            "payloadDigest": "cd4d9f328eb6855aa789b69bf3574c58744f513d2a4743129e66ca2cb46a431b",
            "eventsHead": read.events_head,
        }
    )
    assert created.expires_at == read.expires_at
    assert created.review_url == read.review_url


async def test_decision_is_read_back_whole(store: Store, clock: Clock) -> None:
    created = await store.create_interrupt(new_interrupt(), AGENT)
    pending = await store.get_interrupt_status(created.interrupt_id)
    clock.advance(1.5)

    decided = await store.decide_interrupt(created.interrupt_id, REJECTED, REVIEWER)

    read = await store.get_interrupt_status(created.interrupt_id)
    assert read == pending.model_copy(
        update={
            "status": "rejected",
            "decision": "rejected",
            "decided_at": decided.decided_at,
            "settled_at": decided.decided_at,
            "decided_by": "alice",
            "decided_via": "review-page",
            "reason": "Too much",
            "modified_params": {"amount": 1},
            "events_head": read.events_head,
        }
    )
    assert read.events_head != pending.events_head
    assert decided.model_dump(by_alias=True) == {
        "interruptId": created.interrupt_id,
        "status": "resolved",
        "decision": "rejected",
        "decidedAt": "2025-06-15T15:06:41.500Z",
    }


async def test_end_without_a_decision_has_its_time(store: Store, clock: Clock) -> None:
    ids = [
        (await store.create_interrupt(new_interrupt(expires_in=3), AGENT)).interrupt_id
        for _ in range(2)
    ]
    pending = [(await store.get_interrupt_status(each)).settled_at for each in ids]
    clock.advance(1)
    await store.cancel_interrupt(ids[0], AGENT)
    clock.advance(5)

    noticed = [(await store.get_interrupt_status(each)).settled_at for each in ids]
    await store.expire_interrupts()
    stored = [(await store.get_interrupt_status(each)).settled_at for each in ids]

    assert pending == [None, None]
    assert noticed == stored == [MOMENT + timedelta(seconds=1), MOMENT + timedelta(seconds=3)]


async def test_second_decision_is_refused_and_first_stands(store: Store) -> None:
    created = await store.create_interrupt(new_interrupt(), AGENT)
    await store.decide_interrupt(created.interrupt_id, APPROVED, REVIEWER)
    stands = await store.get_interrupt_status(created.interrupt_id)

    with pytest.raises(ConflictError, match="^Interrupt is already approved$"):
        await store.decide_interrupt(created.interrupt_id, REJECTED, REVIEWER)

    assert await store.get_interrupt_status(created.interrupt_id) == stands


async def test_of_many_decisions_at_once_exactly_one_wins(store: Store) -> None:
    created = await store.create_interrupt(new_interrupt(), AGENT)
    won: list[str] = []
    lost: list[str] = []

    async def decide(name: str, verdict: Verdict) -> None:
        try:
            decision = Decision(decision=verdict)
            await store.decide_interrupt(created.interrupt_id, decision, Actor(name, "api"))
            won.append(name)
        except ConflictError:
            lost.append(name)

    async with anyio.create_task_group() as reviewers:
        for number in range(20):
            reviewers.start_soon(decide, f"r{number}", ("approved", "rejected")[number % 2])

    read = await store.get_interrupt_status(created.interrupt_id)
    assert (len(won), len(lost)) == (1, 19)
    assert read.decided_by == won[0]


async def test_expiry_holds_to_the_moment(store: Store, clock: Clock) -> None:
    created = await store.create_interrupt(new_interrupt(expires_in=10), AGENT)
    clock.advance(9.999)
    before = await store.get_interrupt_status(created.interrupt_id)
    clock.advance(0.001)

    after = await store.get_interrupt_status(created.interrupt_id)

    assert (before.status, after.status) == ("pending", "expired")
    with pytest.raises(ConflictError, match="^Interrupt is already expired$"):
        await store.decide_interrupt(created.interrupt_id, APPROVED, REVIEWER)
    with pytest.raises(ConflictError, match="with status: expired$"):
        await store.cancel_interrupt(created.interrupt_id, AGENT)
    assert (await store.list_pending_interrupts("user-1")).count == 0


async def test_cancelled_interrupt_cannot_be_decided_or_cancelled_again(store: Store) -> None:
    created = await store.create_interrupt(new_interrupt(), AGENT)

    cancelled = await store.cancel_interrupt(created.interrupt_id, AGENT)

    assert cancelled.status == "cancelled"
    with pytest.raises(ConflictError, match="^Interrupt is already cancelled$"):
        await store.decide_interrupt(created.interrupt_id, APPROVED, REVIEWER)
    with pytest.raises(ConflictError, match="^Cannot cancel an interrupt with status: cancelled$"):
        await store.cancel_interrupt(created.interrupt_id, AGENT)


async def test_unknown_id_is_not_found(store: Store) -> None:
    with pytest.raises(NotFoundError):
        await store.get_interrupt_status("nobody")
    with pytest.raises(NotFoundError):
        await store.decide_interrupt("nobody", APPROVED, REVIEWER)
    with pytest.raises(NotFoundError):
        await store.cancel_interrupt("nobody", AGENT)


async def test_pages_hold_each_pending_interrupt_of_the_user_once_newest_first(
    store: Store, clock: Clock
) -> None:
    ids = []
    for number in range(7):
        # Some have the same millisecond, and the later one of those is listed first too.
        clock.advance(0.001 * (number % 2))
        ids.append((await store.create_interrupt(new_interrupt(), AGENT)).interrupt_id)
        await store.create_interrupt(new_interrupt(user_id="user-2"), AGENT)
    await store.decide_interrupt(ids[3], APPROVED, REVIEWER)

    pages: list[PendingPage] = []
    cursor = None
    while not pages or cursor:
        pages.append(await store.list_pending_interrupts("user-1", limit=4, cursor=cursor))
        cursor = pages[-1].next_cursor

    listed = [item for page in pages for item in page.interrupts]
    assert [page.count for page in pages] == [4, 2]
    del ids[3]
    assert [item.interrupt_id for item in listed] == ids[::-1]


@pytest.mark.parametrize("cursor", ["nonsense", "Zm9v", "é", "-", "OmFiYw", "MTphAGI"])
async def test_foreign_cursor_is_refused_by_name(store: Store, cursor: str) -> None:
    with pytest.raises(InvalidRequestError, match="^cursor is not one"):
        await store.list_pending_interrupts("user-1", cursor=cursor)


async def test_failed_statement_takes_no_other_with_it(database: Database) -> None:
    failures: list[str] = []

    async def write(interrupt_id: str) -> None:
        try:
            await execute(
                database, "INSERT INTO deletions VALUES (:id, 0, '', '')", id=interrupt_id
            )
        except UnavailableError as error:
            failures.append(str(error))

    async with anyio.create_task_group() as writers:
        for interrupt_id in ("a", "b", "a", "c", "b"):
            writers.start_soon(write, interrupt_id)

    rows = await database.read("SELECT interrupt_id FROM deletions ORDER BY interrupt_id")
    assert [row["interrupt_id"] for row in rows] == ["a", "b", "c"]
    assert len(failures) == 2


async def test_unreadable_statement_says_the_database_is_unavailable(database: Database) -> None:
    with pytest.raises(UnavailableError):
        await database.read("SELECT nothing FROM nowhere")


async def test_expiry_that_somebody_else_has_stored_is_left_to_them(
    database: Database, clock: Clock
) -> None:
    steps = partial(expire, NO_KEYS, ["gone"], clock(), RowReader(PUBLIC_URL))

    assert await database.transact(steps) == []
