"""Figures over many interrupts: analytics, decisions by day, the most-asked users."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

from loopin_mcp.api.clock import DAY_MS, Clock, moment
from loopin_mcp.api.database.rows import STATUS
from loopin_mcp.api.database.steps import Database, Row
from loopin_mcp.wire.models import ActionCount, Analytics

TOP_ACTION_TYPES = 5
# No user has this id, since ids are never blank.
EVERYBODY = ""

# One statement, so that all figures are of one moment. The third part yields only the response
# times next to each percentile, with their rank as `count`.
_ANALYTICS = f"""
    SELECT {STATUS} AS status, urgency, NULL AS action_type, COUNT(*) AS count,
        SUM(decided_ms - created_ms) AS response_ms, COUNT(decided_ms) AS timed
    FROM interrupts WHERE :whose GROUP BY 1, urgency
    UNION ALL
    SELECT NULL, NULL, action_type, count, NULL, NULL FROM (
        SELECT action_type, COUNT(*) AS count FROM interrupts WHERE :whose
        GROUP BY action_type ORDER BY count DESC, action_type LIMIT {TOP_ACTION_TYPES}) AS top
    UNION ALL
    SELECT NULL, NULL, NULL, place, response_ms, NULL FROM (
        SELECT decided_ms - created_ms AS response_ms, COUNT(*) OVER () - 1 AS last,
            ROW_NUMBER() OVER (ORDER BY decided_ms - created_ms) AS place
        FROM interrupts WHERE :whose AND decided_ms IS NOT NULL) AS ranked
    WHERE place - last * 50 / 100 IN (1, 2) OR place - last * 95 / 100 IN (1, 2)
"""  # noqa: S608 - only constants

_DECISIONS = """
    SELECT (decided_ms - :since_ms) / :step_ms AS place, status, COUNT(*) AS count
    FROM interrupts WHERE :whose AND decided_ms >= :since_ms AND decided_ms < :until_ms
    GROUP BY 1, status
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


class Figures:
    """Counts the interrupts of one user, or of all users for `EVERYBODY`."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def analytics(self, user_id: str) -> Analytics:
        """The figures over all time, as of one moment."""
        sql = _of(user_id, _ANALYTICS)
        rows = await self._database.read(sql, user_id=user_id, now=self._clock())
        groups = [row for row in rows if row["status"] is not None]
        top = [
            ActionCount(action=str(row["action_type"]), count=_int(row, "count"))
            for row in rows
            if row["action_type"] is not None
        ]
        response_ms = {
            _int(row, "count"): _int(row, "response_ms")
            for row in rows
            if row["status"] is None and row["action_type"] is None
        }
        by_status = _tally(groups, "status")
        approved = by_status.get("approved", 0)
        decided = approved + by_status.get("rejected", 0)
        timed = sum(_int(group, "timed") for group in groups)
        total_ms = sum(_int(group, "response_ms") for group in groups)
        return Analytics(
            user_id=user_id,
            total_interrupts=sum(by_status.values()),
            approval_rate=approved / decided if decided else None,
            avg_response_time_ms=total_ms / timed if timed else None,
            p50_response_time_ms=_percentile(response_ms, timed, 50),
            p95_response_time_ms=_percentile(response_ms, timed, 95),
            by_status=by_status,
            by_urgency=_tally(groups, "urgency"),
            top_action_types=tuple(sorted(top, key=lambda each: (-each.count, each.action))),
        )

    async def decisions(self, user_id: str, period: Period) -> tuple[Decisions, ...]:
        """The decisions in each step of a period, oldest first."""
        steps = period.steps(self._clock())
        rows = await self._database.read(
            _of(user_id, _DECISIONS),
            user_id=user_id,
            since_ms=steps[0] * DAY_MS,
            until_ms=(steps[-1] + steps.step) * DAY_MS,
            step_ms=steps.step * DAY_MS,
        )
        counts = {(_int(row, "place"), row["status"]): _int(row, "count") for row in rows}
        return tuple(
            Decisions(
                start=moment(day * DAY_MS).date(),
                approved=counts.get((place, "approved"), 0),
                rejected=counts.get((place, "rejected"), 0),
            )
            for place, day in enumerate(steps)
        )

    async def busiest_users(self, limit: int) -> tuple[UserCount, ...]:
        """The users who were asked most often."""
        rows = await self._database.read(
            """
            SELECT user_id, COUNT(*) AS count FROM interrupts
            GROUP BY user_id ORDER BY count DESC, user_id LIMIT :limit
            """,
            limit=limit,
        )
        return tuple(UserCount(str(row["user_id"]), _int(row, "count")) for row in rows)


def _of(user_id: str, sql: str) -> str:
    """The statement for one user's interrupts, or for everybody's."""
    return sql.replace(":whose", "TRUE" if user_id == EVERYBODY else "user_id = :user_id")


def _int(row: Row, column: str) -> int:
    return int(row[column] or 0)


def _percentile(by_rank: Mapping[int, int], count: int, percent: int) -> float | None:
    """A percentile of `count` values, interpolated as PostgreSQL's percentile_cont does.

    `by_rank` holds the values next to it; ranks begin at 1.
    """
    if not count:
        return None
    place, rest = divmod((count - 1) * percent, 100)
    low = by_rank[place + 1]
    high = by_rank.get(place + 2, low)
    return low + (high - low) * rest / 100


def _tally(groups: list[Row], column: str) -> dict[str, int]:
    """The counts of grouped rows, summed by one column and sorted by it."""
    counts: Counter[str] = Counter()
    for group in groups:
        counts[str(group[column])] += _int(group, "count")
    return dict(sorted(counts.items()))
