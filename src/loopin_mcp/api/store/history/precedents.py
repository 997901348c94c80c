"""What was asked and decided before: by a request's agent, in similar requests, and why."""

from collections.abc import Mapping
from dataclasses import dataclass

from loopin_mcp.api.audit.replay import STATE
from loopin_mcp.api.audit.stored_trails import LONG, Trails
from loopin_mcp.api.clock import DAY_MS, Clock
from loopin_mcp.api.database.rows import RowReader
from loopin_mcp.api.database.steps import Database, Row, Value
from loopin_mcp.api.store.history.analytics import AGENT_FIGURES
from loopin_mcp.api.store.history.settled import LONGEST_CONTEXT
from loopin_mcp.wire.models import Interrupt

RECORD_DAYS = 30
# How many settled interrupts like one are read, and the longest values of all but the last.
MOST_ALIKE = 5
LONGEST_VALUES = LONG
# More of them are not counted.
MOST_WAITING = 1000
MOST_REASONS = 3
# How many reasons are read to find those that differ.
READ_REASONS = 50

_FIGURES = str(AGENT_FIGURES)
_ALIKE = """agent_id = :agent_id
    AND action_type = (SELECT action_type FROM interrupts WHERE interrupt_id = :interrupt_id)
    AND interrupt_id <> :interrupt_id"""
# Counts of an agent's interrupts by day, whether any was settled before, and how many wait.
_COUNTS = f"""
    SELECT figure, SUM(count) AS count FROM tallies_apart
    WHERE figure IN {_FIGURES} AND place IN (:days) AND name = :agent_id GROUP BY figure
    UNION ALL SELECT 'settled', COUNT(*) FROM (SELECT 1 AS one FROM interrupts
        WHERE agent_id = :agent_id AND settled_ms IS NOT NULL
        AND interrupt_id <> :interrupt_id LIMIT 1) AS settled
    UNION ALL SELECT 'waiting', COUNT(*) FROM (SELECT 1 AS one FROM interrupts
        WHERE {_ALIKE} AND settled_ms IS NULL AND status = 'pending' AND expires_ms > :now
        LIMIT {MOST_WAITING}) AS waiting
    """  # noqa: S608 - only constants
# Those that were settled before, the last first, else the last that waits; and the last rejection.
_ROWS = f"""
    SELECT part, {STATE} FROM (
        SELECT 'alike' AS part, id,
            ROW_NUMBER() OVER (ORDER BY settled_ms DESC, ordinal DESC) AS place
            FROM (SELECT interrupt_id AS id, settled_ms, ordinal FROM interrupts
            WHERE {_ALIKE} AND settled_ms IS NOT NULL
            ORDER BY settled_ms DESC, ordinal DESC LIMIT {MOST_ALIKE}) AS alike
        UNION ALL SELECT * FROM (SELECT 'waiting', interrupt_id, 1 FROM interrupts
            WHERE {_ALIKE} AND settled_ms IS NULL
            AND ordinal < (SELECT ordinal FROM interrupts WHERE interrupt_id = :interrupt_id)
            ORDER BY ordinal DESC LIMIT 1) AS waiting
        UNION ALL SELECT * FROM (SELECT 'rejected', interrupt_id, 1 FROM interrupts
            WHERE agent_id = :agent_id AND status = 'rejected' AND interrupt_id <> :interrupt_id
            AND settled_ms >= :since
            ORDER BY settled_ms DESC LIMIT 1) AS rejected
    ) AS found JOIN interrupts ON interrupt_id = id
    WHERE place = 1 OR LENGTH(context) + COALESCE(LENGTH(modified_params), 0) <= {LONGEST_VALUES}
    ORDER BY part, place
    """  # noqa: S608 - only constants
_REASONS = f"""
    SELECT reason, settled_ms FROM interrupts
    WHERE status = 'rejected' AND reason IS NOT NULL AND decided_by = :name
    ORDER BY settled_ms DESC LIMIT {READ_REASONS}
    """  # noqa: S608 - only constants


@dataclass(frozen=True)
class Record:
    """How many of an agent's interrupts of the last `RECORD_DAYS` days were asked and decided.

    Those approved with changes are among the approved ones.
    """

    asked: int = 0
    approved: int = 0
    changed: int = 0
    rejected: int = 0


@dataclass(frozen=True)
class Precedents:
    """What was asked and decided before an interrupt; nothing whose trail has a fault.

    `is_new` says that nothing of its agent was settled before. `alike` are settled interrupts of
    the same agent and type of action, the last first; `last` is the last of them, or else one that
    is pending. `waiting` is how many similar ones are pending.
    """

    record: Record
    is_new: bool
    alike: tuple[Interrupt, ...]
    last: Interrupt | None
    rejected: Interrupt | None
    waiting: int


class PrecedentFinder:
    """Finds what was asked and decided before."""

    def __init__(self, database: Database, reader: RowReader, trails: Trails, clock: Clock) -> None:
        self._database = database
        self._reader = reader
        self._trails = trails
        self._clock = clock

    async def unusual(self, interrupt: Interrupt) -> Precedents:
        """What to compare a pending interrupt with."""
        now = self._clock()
        first_day = now // DAY_MS - RECORD_DAYS + 1
        days = ", ".join(map(str, range(first_day, first_day + RECORD_DAYS)))
        params: dict[str, Value] = {
            "interrupt_id": interrupt.interrupt_id,
            "agent_id": interrupt.agent_id,
        }
        counted = await self._database.find(_COUNTS.replace(":days", days), **params, now=now)
        rows = await self._database.read(_ROWS, **params, since=first_day * DAY_MS, now=now)
        return await self._of({str(row["figure"]): int(row["count"] or 0) for row in counted}, rows)

    async def recent_reasons(self, *names: str) -> tuple[str, ...]:
        """The last different reasons to reject of those who decided under these names.

        At most three, newest first.
        """
        rows = [row for name in names for row in await self._database.find(_REASONS, name=name)]
        rows.sort(key=lambda row: -int(row["settled_ms"] or 0))
        reasons = [text for row in rows if (text := str(row["reason"]).strip())]
        return tuple(dict.fromkeys(reasons))[:MOST_REASONS]

    async def _of(self, counts: Mapping[str, int], rows: list[Row]) -> Precedents:
        faults = await self._trails.faults(rows, LONGEST_CONTEXT) if rows else {}
        found: dict[str, list[Interrupt]] = {"alike": [], "waiting": [], "rejected": []}
        for row in rows:
            if row["interrupt_id"] not in faults:
                found[str(row["part"])] += self._reader.interrupts([row])
        return Precedents(
            record=Record(**{f.split()[1]: counts.get(f, 0) for f in AGENT_FIGURES}),
            is_new=not counts["settled"],
            alike=tuple(found["alike"]),
            last=next(iter([*found["alike"], *found["waiting"]]), None),
            rejected=next(iter(found["rejected"]), None),
            waiting=counts["waiting"],
        )
