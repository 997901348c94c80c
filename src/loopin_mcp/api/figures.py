"""The figures over many interrupts: their SQL, and the shapes that hold them."""

from collections.abc import Mapping

from loopin_mcp.api.database import Database, Row
from loopin_mcp.api.rows import STATUS, number, tally
from loopin_mcp.models import ActionCount, Analytics

TOP_ACTION_TYPES = 5
# No user has this id, since ids are never blank.
EVERYBODY = ""

# One statement, so that all is from one look at the database. Of the response times it yields
# those at the closest ranks below and above each percentile; `count` is then their rank.
_ANALYTICS = f"""
    SELECT {STATUS} AS status, urgency, NULL AS action_type, COUNT(*) AS count,
        SUM(decided_ms - created_ms) AS response_ms
    FROM interrupts WHERE :whose GROUP BY 1, urgency
    UNION ALL
    SELECT NULL, NULL, action_type, count, NULL FROM (
        SELECT action_type, COUNT(*) AS count FROM interrupts WHERE :whose
        GROUP BY action_type ORDER BY count DESC, action_type LIMIT {TOP_ACTION_TYPES}) AS top
    UNION ALL
    SELECT NULL, NULL, NULL, place, response_ms FROM (
        SELECT decided_ms - created_ms AS response_ms, COUNT(*) OVER () - 1 AS last,
            ROW_NUMBER() OVER (ORDER BY decided_ms - created_ms) AS place
        FROM interrupts WHERE :whose AND decided_ms IS NOT NULL) AS ranked
    WHERE place - last * 50 / 100 IN (1, 2) OR place - last * 95 / 100 IN (1, 2)
"""  # noqa: S608 - constants alone


class Figures:
    """Sums up interrupts. `now` is epoch milliseconds; `EVERYBODY` stands for all users."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def analytics(self, user_id: str, now: int) -> Analytics:
        """The figures over all time, all from one look at the database."""
        rows = await self._database.fetch(_of(user_id, _ANALYTICS), user_id=user_id, now=now)
        groups = [row for row in rows if row["status"] is not None]
        types = [_action_count(row) for row in rows if row["action_type"] is not None]
        response_ms = {
            number(row["count"]): number(row["response_ms"])
            for row in rows
            if row["status"] is None and row["action_type"] is None
        }
        by_status = tally(groups, "status")
        approved = by_status.get("approved", 0)
        decided = approved + by_status.get("rejected", 0)
        total_ms = sum(number(group["response_ms"]) for group in groups)
        return Analytics(
            user_id=user_id,
            total_interrupts=sum(by_status.values()),
            approval_rate=approved / decided if decided else None,
            avg_response_time_ms=total_ms / decided if decided else None,
            p50_response_time_ms=_percentile(response_ms, decided, 50),
            p95_response_time_ms=_percentile(response_ms, decided, 95),
            by_status=by_status,
            by_urgency=tally(groups, "urgency"),
            top_action_types=tuple(sorted(types, key=lambda top: (-top.count, top.action))),
        )


def _of(user_id: str, sql: str) -> str:
    """The statement over one user's interrupts, or over everybody's."""
    return sql.replace(":whose", "TRUE" if user_id == EVERYBODY else "user_id = :user_id")


def _percentile(by_rank: Mapping[int, int], count: int, percent: int) -> float | None:
    """The value below which so many percent of `count` lie, interpolated between two ranks.

    As PostgreSQL's percentile_cont has it. `by_rank` holds the values next to it, from rank 1.
    """
    if not count:
        return None
    place, rest = divmod((count - 1) * percent, 100)
    low = by_rank[place + 1]
    high = by_rank.get(place + 2, low)
    return low + (high - low) * rest / 100


def _action_count(row: Row) -> ActionCount:
    return ActionCount(action=str(row["action_type"]), count=number(row["count"]))
