"""Approvals of calls: asked about once, used once, and standing ones, on each kind of database."""

import contextlib
from collections.abc import Callable

import anyio
import pytest

from loopin_mcp.api.access.actors import Actor
from loopin_mcp.api.audit.audit_keys import NO_KEYS
from loopin_mcp.api.audit.commands import verify
from loopin_mcp.api.database.steps import Database, execute
from loopin_mcp.api.store.outcomes import Standing
from loopin_mcp.api.store.store import Store
from loopin_mcp.errors import (
    ConflictError,
    ForbiddenError,
    InvalidRequestError,
    NotFoundError,
    RateLimitedError,
    TamperedError,
    UnavailableError,
)
from loopin_mcp.wire.models import Created, Decision, HostCall
from tests.support import AGENT, REVIEWER, Clock, new_interrupt
from tests.support.auditing import edit

APPROVED = Decision(decision="approved")
REJECTED = Decision(decision="rejected", reason="Not on a Friday")
ONE, OTHER = "1" * 64, "2" * 64
FOR_TOOL = Standing("tool", 3600)
FOR_CALL = Standing("call", 3600)


def nothing() -> None:
    """Refuse nothing."""


def refuse() -> None:
    raise RateLimitedError("Too many")


async def ask(
    store: Store,
    digest: str = ONE,
    *,
    session: str = "s",
    tool: str = "Bash",
    count: Callable[[], None] = nothing,
    **changes: object,
) -> tuple[Created, bool]:
    call = HostCall(session=session, tool=tool, digest=digest)
    return await store.create_interrupt_for_call(new_interrupt(call=call, **changes), AGENT, count)


async def approved(store: Store, standing: Standing | None = None, **changes: object) -> str:
    created, _ = await ask(store, **changes)  # type: ignore[arg-type]
    await store.decide_interrupt(created.interrupt_id, APPROVED, REVIEWER, standing)
    return created.interrupt_id


async def test_approval_is_used_once(store: Store, clock: Clock) -> None:
    interrupt_id = await approved(store)
    clock.advance(2)

    used = await store.approvals.use_approval(interrupt_id, AGENT)

    assert (await store.get_interrupt_status(interrupt_id)).used_at == used.used_at
    with pytest.raises(ConflictError, match=r"was used at 2025-06-15T15:06:42\.000Z: ask again"):
        await store.approvals.use_approval(interrupt_id, AGENT)
    [*_, last] = await store.list_events(interrupt_id)
    read = await store.get_interrupt_status(interrupt_id)
    assert (last.type, last.detail) == ("used", {"payloadDigest": read.payload_digest})


async def test_of_many_uses_at_once_exactly_one_succeeds(store: Store, elsewhere: Store) -> None:
    interrupt_id = await approved(store)
    won = []

    async def use(at: Store) -> None:
        with contextlib.suppress(ConflictError):
            won.append(await at.approvals.use_approval(interrupt_id, AGENT))

    async with anyio.create_task_group() as tasks:
        for at in (store, elsewhere) * 10:
            tasks.start_soon(use, at)

    assert len(won) == 1


async def test_only_an_approval_is_used(store: Store) -> None:
    created, _ = await ask(store)
    with pytest.raises(ConflictError, match="is pending, not approved: do not act"):
        await store.approvals.use_approval(created.interrupt_id, AGENT)

    await store.decide_interrupt(created.interrupt_id, REJECTED, REVIEWER)

    with pytest.raises(ConflictError, match="is rejected, not approved: do not act"):
        await store.approvals.use_approval(created.interrupt_id, AGENT)
    with pytest.raises(NotFoundError):
        await store.approvals.use_approval("nothing", AGENT)


@pytest.mark.parametrize(("after_s", "counts"), [(60, True), (60.001, False)])
async def test_approval_counts_for_so_many_seconds(
    store: Store, clock: Clock, after_s: float, counts: bool
) -> None:
    interrupt_id = await approved(store, use_within=60)
    clock.advance(after_s)

    if counts:
        await store.approvals.use_approval(interrupt_id, AGENT)
    else:
        with pytest.raises(ConflictError, match="could be used for 60 s: ask again"):
            await store.approvals.use_approval(interrupt_id, AGENT)
    again, existed = await ask(store, use_within=60)
    assert (again.interrupt_id == interrupt_id, existed) == (False, False)


async def test_same_question_about_the_same_call_is_asked_once(store: Store, clock: Clock) -> None:
    first, existed = await ask(store)
    assert (first.status, existed) == ("pending", False)

    assert await ask(store, count=refuse) == (first, True)

    await store.decide_interrupt(first.interrupt_id, APPROVED, REVIEWER)
    found, existed = await ask(store, count=refuse)
    assert (found.interrupt_id, found.status, existed) == (first.interrupt_id, "approved", True)
    await store.approvals.use_approval(first.interrupt_id, AGENT)
    following, existed = await ask(store)
    assert (following.status, existed) == ("pending", False)
    assert following.interrupt_id != first.interrupt_id


async def test_many_questions_at_once_are_one(store: Store, elsewhere: Store) -> None:
    asked = set()

    async def ask_at(at: Store) -> None:
        created, _ = await ask(at)
        asked.add(created.interrupt_id)

    async with anyio.create_task_group() as tasks:
        for at in (store, elsewhere) * 5:
            tasks.start_soon(ask_at, at)

    assert len(asked) == 1


@pytest.mark.parametrize(
    "changes",
    [
        {"digest": OTHER},
        {"action": "Something else"},
        {"context": {"command": "rm -rf /"}},
        {"urgency": "high"},
        {"user_id": "somebody else"},
        {"agent_id": "another"},
    ],
)
async def test_another_question_finds_no_approval(store: Store, changes: dict[str, object]) -> None:
    interrupt_id = await approved(store)

    created, existed = await ask(store, **changes)  # type: ignore[arg-type]

    assert (created.interrupt_id == interrupt_id, created.status) == (False, "pending")
    assert not existed


async def test_rejection_answers_for_ten_minutes(store: Store, clock: Clock) -> None:
    created, _ = await ask(store)
    await store.decide_interrupt(created.interrupt_id, REJECTED, REVIEWER)

    clock.advance(599)
    found, _ = await ask(store)
    assert (found.interrupt_id, found.status) == (created.interrupt_id, "rejected")
    clock.advance(1)
    found, existed = await ask(store)
    assert (found.status, existed) == ("pending", False)


async def test_expired_or_cancelled_question_is_asked_anew(store: Store, clock: Clock) -> None:
    first, _ = await ask(store, expires_in=60)
    clock.advance(60)
    second, existed = await ask(store, expires_in=60)
    assert (second.interrupt_id == first.interrupt_id, existed) == (False, False)

    await store.cancel_interrupt(second.interrupt_id, AGENT)

    third, existed = await ask(store, expires_in=60)
    assert (third.interrupt_id == second.interrupt_id, existed) == (False, False)


async def test_mcp_server_does_not_decide_about_a_call(store: Store) -> None:
    created, _ = await ask(store)

    with pytest.raises(ForbiddenError, match="An MCP server cannot decide about a tool call"):
        await store.decide_interrupt(created.interrupt_id, APPROVED, Actor("api-key", "mcp"))

    assert (await store.get_interrupt_status(created.interrupt_id)).is_pending


async def test_standing_approval_of_a_tool_covers_its_calls_in_the_session(store: Store) -> None:
    granted = await approved(store, FOR_TOOL)

    covered, existed = await ask(store, OTHER, action="Run make", count=refuse)

    assert (covered.status, existed) == ("approved", False)
    read = await store.get_interrupt_status(covered.interrupt_id)
    assert (read.decided_by, read.decided_via) == ("alice", "standing-approval")
    await store.approvals.use_approval(covered.interrupt_id, AGENT)
    decided, used = (await store.list_events(covered.interrupt_id))[1:]
    assert decided.detail == {"decision": "approved", "coveredBy": granted}
    assert used.type == "used"
    [standing] = await store.approvals.list_standing()
    assert standing.model_dump(mode="json", by_alias=True) == {
        "interruptId": granted,
        "userId": "user-1",
        "agentId": "agent-1",
        "scope": "tool",
        "session": "s",
        "tool": "Bash",
        "grantedBy": "alice",
        "grantedAt": "2025-06-15T15:06:40.000Z",
        "until": "2025-06-15T16:06:40.000Z",
        "count": 1,
        "covered": [
            {
                "interruptId": covered.interrupt_id,
                "action": "Run make",
                "at": "2025-06-15T15:06:40.000Z",
                "usedAt": "2025-06-15T15:06:40.000Z",
            }
        ],
    }


@pytest.mark.parametrize(
    "changes",
    [
        {"session": "another"},
        {"tool": "Write"},
        {"urgency": "high"},
        {"user_id": "somebody else"},
    ],
)
async def test_standing_approval_covers_nothing_else(
    store: Store, changes: dict[str, object]
) -> None:
    await approved(store, FOR_TOOL)

    created, _ = await ask(store, OTHER, **changes)  # type: ignore[arg-type]

    assert created.status == "pending"


async def test_standing_approval_of_a_call_covers_the_same_question_only(store: Store) -> None:
    granted = await approved(store, FOR_CALL)
    await store.approvals.use_approval(granted, AGENT)

    again, _ = await ask(store)
    assert again.status == "approved"
    # The one who asks chooses the digest, so it has to be the same question too.
    assert (await ask(store, context={"other": 1}))[0].status == "pending"
    assert (await ask(store, OTHER))[0].status == "pending"


async def test_standing_approval_ends_by_itself(store: Store, clock: Clock) -> None:
    await approved(store, Standing("tool", 15 * 60))
    clock.advance(15 * 60)

    assert (await ask(store, OTHER))[0].status == "pending"
    assert await store.approvals.list_standing() == ()


async def test_reviewer_ends_a_standing_approval(store: Store, clock: Clock) -> None:
    granted = await approved(store, FOR_TOOL)
    covered, _ = await ask(store, OTHER)
    clock.advance(1)

    await store.approvals.end_standing(granted, REVIEWER)

    assert await store.approvals.list_standing() == ()
    with pytest.raises(ConflictError, match="standing approval that covered this has ended"):
        await store.approvals.use_approval(covered.interrupt_id, AGENT)
    assert (await ask(store, "3" * 64))[0].status == "pending"
    assert [event.type for event in await store.list_events(granted)][-1] == "ended"
    with pytest.raises(ConflictError, match="not a standing approval, or it has ended: nothing"):
        await store.approvals.end_standing(granted, REVIEWER)


async def test_ordinary_approval_does_not_stand(store: Store) -> None:
    with pytest.raises(ConflictError, match="not a standing approval"):
        await store.approvals.end_standing(await approved(store), REVIEWER)
    with pytest.raises(NotFoundError):
        await store.approvals.end_standing("nothing", REVIEWER)


@pytest.mark.parametrize(
    ("standing", "changes", "decision", "words"),
    [
        (Standing("tool", 899), {}, APPROVED, "15 minutes to 8 hours"),
        (Standing("tool", 28_801), {}, APPROVED, "15 minutes to 8 hours"),
        (FOR_TOOL, {"urgency": "high"}, APPROVED, "without high urgency"),
        (FOR_TOOL, {}, REJECTED, "Only the approval"),
        (
            FOR_CALL,
            {},
            Decision(decision="approved", modified_params={"command": "ls"}),
            "with modified parameters counts once",
        ),
    ],
)
async def test_what_cannot_stand_is_refused(
    store: Store, standing: Standing, changes: dict[str, object], decision: Decision, words: str
) -> None:
    created, _ = await ask(store, **changes)  # type: ignore[arg-type]

    with pytest.raises((ConflictError, InvalidRequestError), match=words):
        await store.decide_interrupt(created.interrupt_id, decision, REVIEWER, standing)

    assert (await store.get_interrupt_status(created.interrupt_id)).is_pending


async def test_request_without_a_call_does_not_stand(store: Store) -> None:
    created = await store.create_interrupt(new_interrupt(), AGENT)

    with pytest.raises(ConflictError, match="Only the approval of a tool call"):
        await store.decide_interrupt(created.interrupt_id, APPROVED, REVIEWER, FOR_TOOL)


async def test_standing_approval_that_somebody_forged_covers_nothing(
    store: Store, database: Database
) -> None:
    interrupt_id = await approved(store)
    await execute(database, "DROP TRIGGER interrupts_use_with_event" + on(database))
    await execute(database, "DROP TRIGGER interrupts_settle_with_event" + on(database))
    await execute(
        database,
        "UPDATE interrupts SET standing = 'tool', standing_until_ms = 9999999999999 "
        "WHERE interrupt_id = :id",
        id=interrupt_id,
    )

    assert await store.approvals.list_standing() == ()
    with pytest.raises(TamperedError):
        await ask(store, OTHER)


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
async def test_damaged_rows_hide_no_standing_approval(store: Store, database: Database) -> None:
    await approved(store, FOR_TOOL)
    covered, _ = await ask(store, OTHER)
    await edit(database, covered.interrupt_id, "UPDATE interrupts SET used_ms = 'x' WHERE TRUE")

    [standing] = await store.approvals.list_standing()
    assert standing.covered == ()


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
async def test_damaged_standing_approval_covers_nothing(store: Store, database: Database) -> None:
    granted = await approved(store, FOR_TOOL)
    await edit(database, granted, "UPDATE interrupts SET call = 'x' WHERE TRUE")

    assert await store.approvals.list_standing() == ()
    with pytest.raises(UnavailableError, match="is damaged"):
        await ask(store, OTHER)


def on(database: Database) -> str:
    return "" if type(database).__name__ == "SQLite" else " ON interrupts"


async def test_database_refuses_a_second_use_and_a_longer_standing(
    store: Store, database: Database
) -> None:
    interrupt_id = await approved(store, FOR_TOOL)
    await store.approvals.use_approval(interrupt_id, AGENT)

    for change in ("used_ms = used_ms + 1", "standing_until_ms = standing_until_ms + 1"):
        with pytest.raises(Exception, match="used once, and with an event|PostgreSQL refuses"):
            await execute(
                database,
                f"UPDATE interrupts SET {change} WHERE interrupt_id = :id",  # noqa: S608
                id=interrupt_id,
            )


async def test_calls_that_are_covered_have_no_response_time(store: Store, clock: Clock) -> None:
    created, _ = await ask(store)
    clock.advance(10)
    await store.decide_interrupt(created.interrupt_id, APPROVED, REVIEWER, FOR_TOOL)
    for digest in "4567":
        await ask(store, digest * 64)

    figures = await store.get_interrupt_analytics("user-1")

    assert (figures.by_status, figures.avg_response_time_ms) == ({"approved": 5}, 10_000)
    assert figures.p50_response_time_ms == 10_000


async def test_trail_with_uses_and_ends_verifies(store: Store, database: Database) -> None:
    granted = await approved(store, FOR_TOOL)
    await store.approvals.use_approval(granted, AGENT)
    covered, _ = await ask(store, OTHER)
    await store.approvals.use_approval(covered.interrupt_id, AGENT)
    await store.approvals.end_standing(granted, REVIEWER)
    said: list[str] = []

    assert await verify(database, NO_KEYS, None, said.append, said.append)
