"""Figures over many interrupts: analytics, decisions by day, the most-asked users.

Triggers keep the tallies that these are made from; see the view `interrupt_figures` in the schema.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date

import anyio

from loopin_mcp.api.clock import DAY_MS, Clock, moment
from loopin_mcp.api.database.steps import Database, Row, Value
from loopin_mcp.wire.models import ActionCount, Analytics

TOP_ACTION_TYPES = 5
# How many agents, types of action and reviewers a breakdown names.
TOP_NAMES = 10
# The figures of an agent that count by day; those changed are approved ones.
AGENT_FIGURES = ("agent asked", "agent approved", "agent changed", "agent rejected")
# No user has this id, since ids are never blank.
EVERYBODY = ""

# How many statements on all users may run at once. On PostgreSQL they take long, and those on one
# user must not wait for a connection.
LONG_AT_ONCE = 2

_OF_USER = "SELECT * FROM tallies WHERE user_id = :user_id"
_OF_ALL = "SELECT * FROM tallies_of_all"
# For sums only.
_APART = "SELECT * FROM tallies_apart"
# Whether `count` response times, of which the last has the rank `upto`, have one next to a
# percentile.
_NEAR = " OR ".join(
    f"(upto > last * {percent} / 100 AND upto - count < last * {percent} / 100 + 2)"
    for percent in (50, 95)
)
# One statement, so that all figures are of one moment. It reads exact response times only from the
# ranges that the percentiles are in: at most four, or PostgreSQL would expect many, and compile the
# statement for a second. Those pending that have expired are still stored as pending.
_ANALYTICS = f"""
    WITH tally AS NOT MATERIALIZED (:whose), ranges AS MATERIALIZED (
        SELECT place, count, LEAD(place) OVER (ORDER BY place) AS next_place,
            SUM(count) OVER (ORDER BY place) AS upto, SUM(count) OVER () - 1 AS last
        FROM tally WHERE figure = 'response time range' AND name = ''
    ), times AS (
        SELECT tally.place, tally.count, last, ranges.upto - ranges.count
            + SUM(tally.count) OVER (PARTITION BY ranges.place ORDER BY tally.place) AS upto
        FROM (SELECT * FROM ranges WHERE {_NEAR} LIMIT 4) AS ranges JOIN tally
        ON figure = 'response time' AND name = '' AND tally.place >= ranges.place
            AND tally.place < COALESCE(next_place, {2**62})
    )
    SELECT figure, name, SUM(count) AS count FROM tally
    WHERE figure IN ('status', 'urgency') GROUP BY figure, name
    UNION ALL
    SELECT 'action', name, count FROM (
        SELECT name, count FROM tally WHERE figure = 'action'
        ORDER BY count DESC, name LIMIT {TOP_ACTION_TYPES}) AS top
    UNION ALL
    SELECT 'pending', 'expired', COUNT(*) FROM interrupts
    WHERE status = 'pending' AND expires_ms <= :now AND :user_id IN ('', user_id)
    UNION ALL
    SELECT 'response', 'count', SUM(count) FROM ranges
    UNION ALL
    SELECT 'response', 'total', SUM(total) FROM tally WHERE figure = 'response time range'
    UNION ALL
    SELECT 'upto', CAST(place AS TEXT), upto FROM times WHERE {_NEAR}
"""  # noqa: S608 - only constants

_DECISIONS = """
    SELECT (place - :since) / :step AS step, name, SUM(count) AS count FROM (:whose) AS tally
    WHERE figure = 'status' AND name IN ('approved', 'rejected')
        AND place >= :since AND place < :until
    GROUP BY 1, name
"""
# Of an agent, a type of action or a reviewer, decisions by day; see the index tallies_by_day.
_BY_NAME = " UNION ALL ".join(
    f"""
    SELECT * FROM (SELECT '{kind}' AS kind, name, SUM(count) AS decided, SUM(total) AS total,
        SUM(CASE figure WHEN '{kind} approved' THEN count ELSE 0 END) AS approved
        FROM (:whose) AS tally WHERE figure IN ('{kind} approved', '{kind} rejected')
        AND place >= :since AND place < :until
        GROUP BY name ORDER BY decided DESC, name LIMIT {TOP_NAMES}) AS {kind}s
    """  # noqa: S608 - only constants
    for kind in ("agent", "type", "reviewer")
)
_BY_HOUR = """
    SELECT 'hour' AS kind, name, SUM(count) AS decided, SUM(total) AS total, 0 AS approved
    FROM (:whose) AS tally WHERE figure = 'hour' AND place >= :since AND place < :until
    GROUP BY name
"""
_BUSIEST = """
    SELECT user_id, SUM(count) AS count FROM tallies WHERE figure = 'urgency' AND user_id <> ''
    GROUP BY user_id ORDER BY count DESC, user_id LIMIT :limit
"""


@dataclass(frozen=True)
class Period:
    """The last `days` days in UTC including today, counted by day or by week."""

    days: int
    by_week: bool

    def steps(self, now: int) -> range:
        """The first day of each step, in days since 1970; the last step contains today."""
        today = now // DAY_MS
        first = today - self.days + 1
        if not self.by_week:
            return range(first, today + 1)
        # Weeks are whole and begin on a Monday; day 0 was a Thursday.
        return range(first - (first + 3) % 7, today + 1, 7)


@dataclass(frozen=True)
class Decisions:
    """The number of decisions in one step of a period, which begins at `start`."""

    start: date
    approved: int
    rejected: int


@dataclass(frozen=True)
class UserCount:
    """How often a user was asked."""

    user_id: str
    count: int


@dataclass(frozen=True)
class Group:
    """The decisions by people about an agent or a type of action, or of a reviewer."""

    name: str
    approved: int
    rejected: int
    average_ms: float


@dataclass(frozen=True)
class Hour:
    """The decisions by people about interrupts that were created in an hour of the day in UTC."""

    hour: int
    decided: int
    average_ms: float


@dataclass(frozen=True)
class Breakdown:
    """The decisions by people in a period; of each kind, those with the most of them first."""

    agents: tuple[Group, ...]
    types: tuple[Group, ...]
    reviewers: tuple[Group, ...]
    hours: tuple[Hour, ...]


class Figures:
    """Counts the interrupts of one user, or of all users for `EVERYBODY`."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._long = anyio.Semaphore(LONG_AT_ONCE)

    async def analytics(self, user_id: str) -> Analytics:
        """The figures over all time, as of one moment."""
        rows = await self._read(user_id, _ANALYTICS, now=self._clock())
        counts: dict[str, dict[str, int]] = defaultdict(dict)
        for row in rows:
            counts[str(row["figure"])][str(row["name"])] = _count(row)
        by_status = _by_status(counts)
        approved = by_status.get("approved", 0)
        decided = approved + by_status.get("rejected", 0)
        timed = counts["response"]["count"]
        upto = {int(response_ms): rank for response_ms, rank in counts["upto"].items()}
        return Analytics(
            user_id=user_id,
            total_interrupts=sum(by_status.values()),
            approval_rate=approved / decided if decided else None,
            avg_response_time_ms=counts["response"]["total"] / timed if timed else None,
            p50_response_time_ms=_percentile(upto, timed, 50),
            p95_response_time_ms=_percentile(upto, timed, 95),
            by_status=by_status,
            by_urgency=dict(sorted(counts["urgency"].items())),
            top_action_types=_largest(counts["action"]),
        )

    async def decisions(self, user_id: str, period: Period) -> tuple[Decisions, ...]:
        """The decisions in each step of a period, oldest first."""
        steps = period.steps(self._clock())
        rows = await self._read(
            user_id,
            _DECISIONS,
            since=steps[0],
            until=steps[-1] + steps.step,
            step=steps.step,
        )
        counts = {(row["step"], row["name"]): _count(row) for row in rows}
        return tuple(
            Decisions(
                start=moment(day * DAY_MS).date(),
                approved=counts.get((place, "approved"), 0),
                rejected=counts.get((place, "rejected"), 0),
            )
            for place, day in enumerate(steps)
        )

    async def breakdown(self, user_id: str, period: Period) -> Breakdown:
        """The decisions in a period by agent, type of action, reviewer and hour of the day."""
        steps = period.steps(self._clock())
        days = {"since": steps[0], "until": steps[-1] + steps.step}
        sql = f"{_BY_NAME} UNION ALL {_BY_HOUR}"
        rows = await self._read(user_id, sql, of_all=_APART, **days)
        groups: dict[str, list[Group]] = defaultdict(list)
        hours = []
        for row in rows:
            name, decided = str(row["name"]), int(row["decided"] or 0)
            approved, average_ms = int(row["approved"] or 0), int(row["total"] or 0) / decided
            if row["kind"] == "hour":
                hours.append(Hour(int(name), decided, average_ms))
            else:
                group = Group(name, approved, decided - approved, average_ms)
                groups[str(row["kind"])].append(group)
        return Breakdown(
            agents=_most_first(groups["agent"]),
            types=_most_first(groups["type"]),
            reviewers=_most_first(groups["reviewer"]),
            hours=tuple(sorted(hours, key=lambda each: each.hour)),
        )

    async def busiest_users(self, limit: int) -> tuple[UserCount, ...]:
        """The users who were asked most often."""
        rows = await self._database.read(_BUSIEST, limit=limit)
        return tuple(UserCount(str(row["user_id"]), _count(row)) for row in rows)

    async def _read(
        self, user_id: str, sql: str, *, of_all: str = _OF_ALL, **params: Value
    ) -> list[Row]:
        """The rows of a statement on the tallies `:whose`."""
        if user_id != EVERYBODY:
            sql = sql.replace(":whose", _OF_USER)
            return await self._database.read(sql, user_id=user_id, **params)
        async with self._long:
            sql = sql.replace(":whose", of_all)
            return await self._database.read(sql, user_id=user_id, **params)


def _count(row: Row) -> int:
    return int(row["count"] or 0)


def _most_first(groups: Iterable[Group]) -> tuple[Group, ...]:
    return tuple(sorted(groups, key=lambda each: (-each.approved - each.rejected, each.name)))


def _by_status(counts: Mapping[str, Mapping[str, int]]) -> dict[str, int]:
    """The number of interrupts in each status that has any."""
    expired, settled = counts["pending"]["expired"], counts["status"]
    pending = sum(counts["urgency"].values()) - sum(settled.values()) - expired
    by_status = Counter(settled) + Counter(expired=expired, pending=pending)
    return dict(sorted(by_status.items()))


def _largest(counts: Mapping[str, int]) -> tuple[ActionCount, ...]:
    largest = sorted(counts.items(), key=lambda each: (-each[1], each[0]))
    return tuple(ActionCount(action=name, count=count) for name, count in largest)


def _percentile(upto: Mapping[int, int], count: int, percent: int) -> float | None:
    """A percentile of `count` values, interpolated as PostgreSQL's percentile_cont does.

    `upto` has the values next to it, each with the rank of the last that is equal.
    """
    place, rest = divmod((count - 1) * percent, 100)
    near = [value for value in sorted(upto) if upto[value] > place]
    if not near:
        return None
    high = next((value for value in near if upto[value] > place + 1), near[0])
    return near[0] + (high - near[0]) * rest / 100
