"""Calls find what they need by indexes, so they take as long with many interrupts as with few."""

from collections.abc import Awaitable, Callable, Collection
from functools import partial
from pathlib import Path
from typing import TypeVar

import anyio

from loopin_mcp.api.database.sqlite import SQLite
from loopin_mcp.api.database.steps import Database, Row, Statement, Steps, Value
from loopin_mcp.api.serving.housekeeping import clean_up
from loopin_mcp.api.store.creation import IdempotencyKey
from loopin_mcp.api.store.history.analytics import EVERYBODY, LONG_AT_ONCE, Period
from loopin_mcp.api.store.history.settled import SEARCHES
from loopin_mcp.api.store.opening import open_sqlite
from loopin_mcp.api.store.outcomes import Standing
from loopin_mcp.api.store.search import Search
from loopin_mcp.api.store.store import Store
from loopin_mcp.wire.models import Decision, HostCall
from tests.support import AGENT, PUBLIC_URL, REVIEWER, Clock, Unmeasured, new_interrupt, take_due

T = TypeVar("T")
TABLES = ("interrupts", "events", "deliveries", "idempotency_keys", "tallies", "deletions")
# An index of the pending ones only.
SMALL = "SCAN interrupts USING INDEX interrupts_waiting"


class Recorded(Unmeasured):
    """A SQLite database that remembers the statements."""

    def __init__(self, database: SQLite) -> None:
        self._database = database
        self.statements: list[Statement] = []

    async def read(self, sql: str, **params: Value) -> list[Row]:
        self.statements.append((sql, params))
        return await self._database.read(sql, **params)

    async def find(self, sql: str, **params: Value) -> list[Row]:
        return await self.read(sql, **params)

    async def transact(self, steps: Callable[[], Steps[T]]) -> T:
        return await self._database.transact(partial(self._recorded, steps))

    async def changed(self, wanted: Callable[[], Awaitable[None]]) -> Collection[str] | None:
        return await self._database.changed(wanted)

    async def aclose(self) -> None:
        await self._database.aclose()

    async def scans(self) -> set[str]:
        """The tables of which a statement reads all rows."""
        found = set()
        for sql, params in self.statements:
            if "SAVEPOINT" not in sql:
                plan = await self._database.read(f"EXPLAIN QUERY PLAN {sql}", **params)
                found |= {str(step["detail"]) for step in plan}
        return {step for step in found if step.startswith("SCAN") and step.split()[1] in TABLES}

    def _recorded(self, steps: Callable[[], Steps[T]]) -> Steps[T]:
        running = steps()
        statement = next(running)
        while True:
            self.statements.append(statement)
            rows = yield statement
            try:
                statement = running.send(rows)
            except StopIteration as end:
                result: T = end.value
                return result


async def use(store: Store, clock: Clock) -> None:
    """Make every call that agents and reviewers make, and those of the background."""
    approved = Decision(decision="approved")
    hook = "https://example.com/hook"
    ids = []
    for place in range(3):
        asked = new_interrupt(callback_url=hook, expires_in=60)
        key = IdempotencyKey("api-key", str(place))
        created, _ = await store.create_interrupt_once(asked, AGENT, key)
        ids.append(created.interrupt_id)
    for digest in "ab":
        call = HostCall(session="s", tool="Bash", digest=digest * 64)
        of_call = new_interrupt(call=call, user_id="user-2")
        created, _ = await store.create_interrupt_for_call(of_call, AGENT, lambda: None)
        if digest == "a":
            standing = Standing("tool", 3600)
            await store.decide_interrupt(created.interrupt_id, approved, REVIEWER, standing)
        await store.approvals.use_approval(created.interrupt_id, AGENT)
    [granted] = await store.approvals.list_standing()
    clock.advance(1)
    await store.approvals.end_standing(granted.interrupt_id, REVIEWER)
    await store.record_view(ids[0], REVIEWER)
    await store.decide_interrupt(ids[0], approved, REVIEWER)
    await store.cancel_interrupt(ids[1], AGENT)
    clock.advance(61)
    await store.expire_interrupts()
    await store.get_interrupt_status(ids[0])
    interrupt, _ = await store.get_trail(ids[0])
    await store.precedents.unusual(interrupt)
    await store.precedents.recent_reasons("alice")
    await store.list_events(ids[0])
    assert [each async for each in store.awaited.read(ids, only_settled=True)]
    await store.list_pending_interrupts("user-1")
    for search in (
        Search(),
        Search(user="user-1"),
        Search(agent="agent-1"),
        Search(user="user-1", agent="agent-1", status="approved", urgency="high", q="pay"),
    ):
        lists = await store.overview.list_inbox(search, limit=1, recent=1, cursor="1.1")
        history = await store.history.list_settled(search, limit=1)
        await store.history.list_settled(search, limit=1, cursor=history.next_cursor)
        assert lists.count == 0
    await store.overview.list_names()
    await store.get_interrupt_analytics("user-1")
    await store.figures.decisions("user-1", Period(30, by_week=False))
    await store.figures.breakdown("user-1", Period(30, by_week=False))
    await store.figures.breakdown(EVERYBODY, Period(30, by_week=False))
    [*owed, last] = await take_due(store)
    await store.deliveries.postpone(last, clock())
    for delivery in [*owed, *await take_due(store)]:
        await store.deliveries.settle(delivery, None)
    await store.deliveries.last_answer(ids[0])
    clock.advance(2 * 86_400)
    await clean_up(store, 1)


async def test_no_call_reads_a_whole_table(tmp_path: Path, clock: Clock) -> None:
    database = Recorded(await open_sqlite(tmp_path / "loopin.db"))

    await use(Store(database, PUBLIC_URL, clock), clock)

    assert await database.scans() <= {SMALL}
    await database.aclose()


class Busy(Unmeasured):
    """A database on which statements on all users, and searches, do not end."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.running = 0
        self.find = database.find
        self.transact = database.transact
        self.changed = database.changed
        self.aclose = database.aclose

    async def read(self, sql: str, **params: Value) -> list[Row]:
        if params.get("user_id") == EVERYBODY or "searched" in params:
            self.running += 1
            await anyio.sleep_forever()
        return await self._database.read(sql, **params)


async def test_statements_that_take_long_leave_threads_to_others(
    database: Database, clock: Clock
) -> None:
    busy = Busy(database)
    store = Store(busy, PUBLIC_URL, clock)
    async with anyio.create_task_group() as callers:
        for _ in range(5):
            callers.start_soon(store.figures.analytics, EVERYBODY)
            callers.start_soon(partial(store.history.list_settled, Search(q="pay"), limit=1))
        await anyio.wait_all_tasks_blocked()

        figures = await store.get_interrupt_analytics("user-1")

        callers.cancel_scope.cancel()
    assert (busy.running, figures.total_interrupts) == (LONG_AT_ONCE + SEARCHES, 0)
