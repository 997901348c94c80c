"""Counts the interrupts again, and compares the tallies that analytics are made from."""

from loopin_mcp.api.database.migrations import SCHEMAS
from loopin_mcp.api.database.steps import Archive, Value, execute

MOST_NAMED = 100

# As this package defines them: the view in the database may have been edited.
_FIGURES = (
    (SCHEMAS / "2.end.sql")
    .read_text("utf-8")
    .partition("interrupt_figures AS")[2]
    .partition(";")[0]
)
# One statement, so that all is of one moment. The user '' stands for all.
_WRONG = f"""
    SELECT DISTINCT user_id, figure FROM (
        SELECT user_id, figure FROM (
            SELECT user_id, figure, name, place, 1 AS count, total FROM ({_FIGURES}) AS figures
            UNION ALL SELECT user_id, figure, name, place, -count, -total FROM tallies
            WHERE user_id <> ''
            UNION ALL SELECT '', figure, name, place, count, total FROM tallies WHERE user_id <> ''
            UNION ALL SELECT '', figure, name, place, -count, -total FROM tallies_of_all
        ) AS compared
        GROUP BY user_id, figure, name, place HAVING SUM(count) <> 0 OR SUM(total) <> 0) AS wrong
    ORDER BY user_id, figure LIMIT {MOST_NAMED + 1}
    """  # noqa: S608 - only constants


async def wrong_figures(archive: Archive) -> list[tuple[Value, Value]]:
    """The users and figures whose tallies are wrong; at most one more than `MOST_NAMED`."""
    rows = await execute(archive, _WRONG)
    return [(row["user_id"], row["figure"]) for row in rows]
