"""The figures, on each kind of database."""

import statistics
from collections.abc import Sequence
from datetime import UTC, date, datetime
from functools import partial
from pathlib import Path

import anyio
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loopin_mcp.api.access.actors import Actor
from loopin_mcp.api.store.history.analytics import (
    EVERYBODY,
    Breakdown,
    Decisions,
    Group,
    Hour,
    Period,
    UserCount,
)
from loopin_mcp.api.store.opening import open_sqlite
from loopin_mcp.api.store.store import Store
from loopin_mcp.wire.fields import Verdict
from loopin_mcp.wire.models import ActionCount, Analytics, Decision
from tests.support import AGENT, PUBLIC_URL, REVIEWER, Clock, new_interrupt
from tests.support.examples import AS_FOUND

APPROVED = Decision(decision="approved")
REJECTED = Decision(decision="rejected")


async def answer(
    store: Store,
    clock: Clock,
    response_ms: int,
    verdict: Verdict = "approved",
    user_id: str = "user-1",
) -> None:
    """Decide an interrupt that was created this long ago."""
    now = clock.now
    clock.now -= response_ms
    asked = new_interrupt(user_id=user_id, expires_in=2_592_000)
    created = await store.create_interrupt(asked, AGENT)
    clock.now = now
    await store.decide_interrupt(created.interrupt_id, Decision(decision=verdict), REVIEWER)


async def answer_all(store: Store, clock: Clock, responses_ms: Sequence[int]) -> None:
    for place, response_ms in enumerate(responses_ms):
        await answer(store, clock, response_ms, "rejected" if place % 3 else "approved")


async def test_analytics_of_nobody_are_empty(store: Store) -> None:
    assert await store.get_interrupt_analytics("nobody") == Analytics(
        user_id="nobody",
        total_interrupts=0,
        approval_rate=None,
        avg_response_time_ms=None,
        p50_response_time_ms=None,
        p95_response_time_ms=None,
        by_status={},
        by_urgency={},
        top_action_types=(),
    )


async def test_times_and_rate_are_unknown_while_nothing_is_decided(store: Store) -> None:
    await store.create_interrupt(new_interrupt(), AGENT)
    cancelled = await store.create_interrupt(new_interrupt(), AGENT)
    await store.cancel_interrupt(cancelled.interrupt_id, AGENT)

    analytics = await store.get_interrupt_analytics("user-1")

    assert analytics == Analytics(
        user_id="user-1",
        total_interrupts=2,
        approval_rate=None,
        avg_response_time_ms=None,
        p50_response_time_ms=None,
        p95_response_time_ms=None,
        by_status={"cancelled": 1, "pending": 1},
        by_urgency={"medium": 2},
        top_action_types=(
            ActionCount(action="Transfer <amount> to vendor account ending in <number>", count=2),
        ),
    )


async def test_analytics_count_one_user_and_group_actions_by_type(
    store: Store, clock: Clock
) -> None:
    actions = ["Pay $1", "Pay €2,000", "__proto__", "constructor", "b", "a", "Pay 3 USD"]
    ids = [
        (await store.create_interrupt(new_interrupt(action=action), AGENT)).interrupt_id
        for action in actions
    ]
    await store.create_interrupt(new_interrupt(urgency="high", expires_in=1), AGENT)
    await store.create_interrupt(new_interrupt(user_id="user-2"), AGENT)
    clock.advance(2)
    await store.decide_interrupt(ids[0], APPROVED, REVIEWER)
    clock.advance(2)
    await store.decide_interrupt(ids[1], APPROVED, REVIEWER)
    await store.decide_interrupt(ids[2], REJECTED, REVIEWER)
    await store.cancel_interrupt(ids[3], AGENT)

    analytics = await store.get_interrupt_analytics("user-1")

    assert analytics == Analytics(
        user_id="user-1",
        total_interrupts=8,
        approval_rate=2 / 3,
        avg_response_time_ms=10_000 / 3,
        p50_response_time_ms=4000,
        p95_response_time_ms=4000,
        by_status={"approved": 2, "cancelled": 1, "expired": 1, "pending": 3, "rejected": 1},
        by_urgency={"high": 1, "medium": 7},
        top_action_types=(
            ActionCount(action="Pay <amount>", count=3),
            ActionCount(action="Transfer <amount> to vendor account ending in <number>", count=1),
            ActionCount(action="__proto__", count=1),
            ActionCount(action="a", count=1),
            ActionCount(action="b", count=1),
        ),
    )


@pytest.mark.parametrize(
    ("responses_ms", "p50", "p95"),
    [
        ([1500], 1500, 1500),
        ([0], 0, 0),
        ([3000, 1000], 2000, 2900),
        ([1000, 5, 20], 20, 902),
        ([7] * 20, 7, 7),
        ([7, 7, 7, 9], 7, 8.7),
        (range(1, 101), 50.5, 95.05),
        (range(101), 50, 95),
    ],
)
async def test_percentiles_lie_between_the_closest_ranks(
    store: Store, clock: Clock, responses_ms: Sequence[int], p50: float, p95: float
) -> None:
    await answer_all(store, clock, responses_ms)
    await store.create_interrupt(new_interrupt(), AGENT)
    await answer(store, clock, 99_000, user_id="user-2")

    analytics = await store.get_interrupt_analytics("user-1")

    assert analytics.p50_response_time_ms == pytest.approx(p50)
    assert analytics.p95_response_time_ms == pytest.approx(p95)


@settings(AS_FOUND, derandomize=True)
@given(responses_ms=st.lists(st.integers(0, 2_000_000_000) | st.integers(0, 3), min_size=2))
def test_percentiles_are_those_of_the_standard_library(
    responses_ms: list[int], tmp_path_factory: pytest.TempPathFactory
) -> None:
    analytics = anyio.run(partial(figures_of, responses_ms, tmp_path_factory.mktemp("data")))

    percentiles = statistics.quantiles(responses_ms, n=100, method="inclusive")
    assert analytics.avg_response_time_ms == pytest.approx(statistics.mean(responses_ms))
    assert analytics.p50_response_time_ms == pytest.approx(percentiles[49])
    assert analytics.p95_response_time_ms == pytest.approx(percentiles[94])


async def figures_of(responses_ms: list[int], directory: Path) -> Analytics:
    """The figures of a user with these response times."""
    database = await open_sqlite(directory / "loopin.db")
    try:
        clock = Clock()
        store = Store(database, PUBLIC_URL, clock)
        await answer_all(store, clock, responses_ms)
        return await store.get_interrupt_analytics("user-1")
    finally:
        await database.aclose()


def at(text: str) -> int:
    """A moment in UTC, in epoch milliseconds."""
    return round(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1000)


async def answer_at(
    store: Store, clock: Clock, moment: str, response_ms: int = 0, verdict: Verdict = "approved"
) -> None:
    clock.now = at(moment)
    await answer(store, clock, response_ms, verdict)


async def test_decisions_are_counted_by_day_in_utc(store: Store, clock: Clock) -> None:
    await answer_at(store, clock, "2025-06-12T23:59:59.999")
    await answer_at(store, clock, "2025-06-13T00:00:00", 99_000_000)
    await answer_at(store, clock, "2025-06-13T23:59:59.999", 0, "rejected")
    await answer_at(store, clock, "2025-06-15T00:00:00")
    await answer_at(store, clock, "2025-06-15T15:06:40")
    await store.create_interrupt(new_interrupt(), AGENT)

    counted = await store.figures.decisions("user-1", Period(3, by_week=False))

    assert counted == (
        Decisions(date(2025, 6, 13), approved=1, rejected=1),
        Decisions(date(2025, 6, 14), approved=0, rejected=0),
        Decisions(date(2025, 6, 15), approved=2, rejected=0),
    )


async def test_weeks_are_whole_and_begin_on_monday(store: Store, clock: Clock) -> None:
    await answer_at(store, clock, "2025-06-01T23:59:59")
    await answer_at(store, clock, "2025-06-02T00:00:00")
    await answer_at(store, clock, "2025-06-08T23:59:59.999")
    await answer_at(store, clock, "2025-06-09T00:00:00", 0, "rejected")
    # The clock of another process may be ahead.
    await answer_at(store, clock, "2025-06-16T00:00:00")

    clock.now = at("2025-06-15T23:59:59.999")
    counted = await store.figures.decisions("user-1", Period(8, by_week=True))
    clock.now += 1
    a_day_later = await store.figures.decisions("user-1", Period(8, by_week=True))

    assert counted == (
        Decisions(date(2025, 6, 2), approved=2, rejected=0),
        Decisions(date(2025, 6, 9), approved=0, rejected=1),
    )
    assert a_day_later == (
        Decisions(date(2025, 6, 9), approved=0, rejected=1),
        Decisions(date(2025, 6, 16), approved=1, rejected=0),
    )


async def test_figures_of_everybody_are_those_of_all_users(store: Store, clock: Clock) -> None:
    await answer_all(store, clock, [1000, 3000])
    await answer(store, clock, 8000, user_id="user-2")

    analytics = await store.figures.analytics(EVERYBODY)
    [counted] = await store.figures.decisions(EVERYBODY, Period(1, by_week=False))
    users = await store.figures.busiest_users(2)
    busiest = await store.figures.busiest_users(1)

    assert (analytics.total_interrupts, analytics.approval_rate) == (3, 2 / 3)
    assert (analytics.avg_response_time_ms, analytics.p50_response_time_ms) == (4000, 3000)
    assert (counted.approved, counted.rejected) == (2, 1)
    assert users == (UserCount("user-1", 2), UserCount("user-2", 1))
    assert busiest == users[:1]


async def test_decisions_of_a_period_are_broken_down(store: Store, clock: Clock) -> None:
    bob = Actor("bob", "inbox")
    for agent, action, verdict, reviewer, user in (
        ("agent-1", "Pay $1", "approved", REVIEWER, "user-1"),
        ("agent-1", "Pay $2", "rejected", bob, "user-2"),
        ("agent-2", "Deploy", "approved", bob, "user-1"),
    ):
        asked = new_interrupt(agent_id=agent, action=action, user_id=user)
        created = await store.create_interrupt(asked, AGENT)
        clock.advance(3600 - 1)
        decision = Decision.model_validate({"decision": verdict})
        await store.decide_interrupt(created.interrupt_id, decision, reviewer)
        clock.advance(1)
    period = Period(7, by_week=False)

    of_all = await store.figures.breakdown(EVERYBODY, period)
    of_one = await store.figures.breakdown("user-1", period)
    clock.advance(7 * 86_400)
    later = await store.figures.breakdown(EVERYBODY, period)

    hour_ms = 3_599_000
    assert of_all == Breakdown(
        agents=(Group("agent-1", 1, 1, hour_ms), Group("agent-2", 1, 0, hour_ms)),
        types=(Group("Pay <amount>", 1, 1, hour_ms), Group("Deploy", 1, 0, hour_ms)),
        reviewers=(Group("bob", 1, 1, hour_ms), Group("alice", 1, 0, hour_ms)),
        hours=tuple(Hour(hour, 1, hour_ms) for hour in (15, 16, 17)),
    )
    assert of_one.agents == (Group("agent-1", 1, 0, hour_ms), Group("agent-2", 1, 0, hour_ms))
    assert [each.name for each in of_one.reviewers] == ["alice", "bob"]
    assert later == Breakdown((), (), (), ())
