"""What the analytics page shows: figures in readable units, and their charts."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cached_property

from loopin_mcp.api.pages.analytics.charts import Bar, BarChart, Column, ColumnChart, percent
from loopin_mcp.api.store.analytics import EVERYBODY, Decisions, Period, UserCount
from loopin_mcp.wire.models import Analytics

STATUSES = ("approved", "rejected", "pending", "expired", "cancelled")
URGENCIES = ("high", "medium", "low")
TOP_USERS = 5
LONGEST_NAME = 120
_UNITS = (("d", "h", 86_400, 3_600), ("h", "min", 3_600, 60), ("min", "s", 60, 1))


def duration(milliseconds: float) -> str:
    """A duration in one unit or two: "4.2 s", "3 min 5 s", "2 d 4 h"."""
    seconds = milliseconds / 1000
    if seconds < 0.1:
        return "<0.1 s"
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    for unit, part, length, part_length in _UNITS:
        parts = round(seconds / part_length)
        if parts * part_length >= length:
            whole, rest = divmod(parts, length // part_length)
            return f"{whole} {unit} {rest} {part}" if rest else f"{whole} {unit}"
    return f"{round(seconds)} s"


@dataclass(frozen=True)
class Tile:
    """One large figure, and a line that explains it."""

    name: str
    value: str
    note: str


@dataclass(frozen=True)
class Ranked:
    """One of the most frequent; its bar has its rank for a name, since names can be long."""

    bar: Bar
    name: str
    short_name: str


@dataclass(frozen=True)
class Ranking:
    """The most frequent first, as a chart and as rows of a table."""

    chart: BarChart
    rows: tuple[Ranked, ...]


@dataclass(frozen=True)
class Interval:
    """A day or week of decisions: its full name, its first `day`, a short `label`, its column."""

    name: str
    day: str
    label: str
    decisions: Decisions
    column: Column


@dataclass(frozen=True)
class Report:
    """The figures of one user, or of all users, and the decisions of a period."""

    analytics: Analytics
    decisions: tuple[Decisions, ...]
    period: Period
    users: tuple[UserCount, ...]

    @property
    def is_of_everybody(self) -> bool:
        """Whether no user was chosen."""
        return self.analytics.user_id == EVERYBODY

    @property
    def is_empty(self) -> bool:
        """Whether there are no requests."""
        return not self.analytics.total_interrupts

    @property
    def is_undecided(self) -> bool:
        """Whether there are no decisions in the period."""
        return not any(each.approved or each.rejected for each in self.decisions)

    @property
    def since(self) -> str:
        """The first day of the period."""
        return in_words(self.decisions[0].start)

    @property
    def tiles(self) -> tuple[Tile, ...]:
        """The large figures at the top."""
        analytics = self.analytics
        approved = analytics.by_status.get("approved", 0)
        decided = approved + analytics.by_status.get("rejected", 0)
        return (
            Tile(
                "Requests",
                f"{analytics.total_interrupts:,}",
                f"{analytics.by_status.get('pending', 0):,} waiting now",
            ),
            Tile(
                "Approved",
                percent(approved, decided) if decided else "–",
                f"{approved:,} of {decided:,} decisions" if decided else "No decisions yet",
            ),
            _time("Median response", analytics.p50_response_time_ms, "Half are faster"),
            _time("Average response", analytics.avg_response_time_ms, "From request to decision"),
            _time("p95 response", analytics.p95_response_time_ms, "95% are faster"),
        )

    @property
    def statuses(self) -> BarChart:
        """Requests by status."""
        return self._parts(STATUSES, self.analytics.by_status)

    @property
    def urgencies(self) -> BarChart:
        """Requests by urgency."""
        return self._parts(URGENCIES, self.analytics.by_urgency)

    @property
    def types(self) -> Ranking:
        """The most frequent types of action."""
        return self._ranking([(top.action, top.count) for top in self.analytics.top_action_types])

    @property
    def top_users(self) -> Ranking:
        """The users who were asked most; none if one user was chosen."""
        users = self.users[:TOP_USERS] if self.is_of_everybody else ()
        return self._ranking([(user.user_id, user.count) for user in users])

    @cached_property
    def over_time(self) -> ColumnChart:
        """Approvals above the line, rejections below it."""
        return ColumnChart.of([(each.approved, each.rejected) for each in self.decisions])

    @cached_property
    def intervals(self) -> tuple[Interval, ...]:
        """The period's days or weeks, oldest first."""
        return tuple(map(self._interval, self.decisions, self.over_time.columns))

    @property
    def labelled_intervals(self) -> tuple[Interval, ...]:
        """The intervals whose columns have room for a label."""
        return tuple(self.intervals[place] for place in self.over_time.label_places)

    def _interval(self, decisions: Decisions, column: Column) -> Interval:
        start = decisions.start
        day = in_words(start)
        name = f"Week of {day}" if self.period.by_week else day
        return Interval(name, day, f"{start.day} {start:%b}", decisions, column)

    def _parts(self, names: Sequence[str], counts: Mapping[str, int]) -> BarChart:
        return BarChart.of(
            [(name.capitalize(), name, counts.get(name, 0)) for name in names],
            self.analytics.total_interrupts,
        )

    def _ranking(self, counts: Sequence[tuple[str, int]]) -> Ranking:
        bars = [(str(rank), "ranked", count) for rank, (_, count) in enumerate(counts, 1)]
        chart = BarChart.of(bars, self.analytics.total_interrupts)
        return Ranking(
            chart,
            tuple(
                Ranked(bar, name, name if len(name) <= LONGEST_NAME else f"{name[:LONGEST_NAME]}…")
                for bar, (name, _) in zip(chart.bars, counts, strict=True)
            ),
        )


def in_words(day: date) -> str:
    """A day in words, such as "7 Mar 2026"."""
    return f"{day.day} {day:%b %Y}"


def _time(name: str, milliseconds: float | None, note: str) -> Tile:
    if milliseconds is None:
        return Tile(name, "–", "No decisions yet")
    return Tile(name, duration(milliseconds), note)
