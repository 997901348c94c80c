"""What the analytics page shows: figures in readable units, and their charts."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from functools import cached_property

from loopin_mcp.api.pages.filters import UNNAMED
from loopin_mcp.api.pages.history.analytics.charts import Column, ColumnChart, Part, bar, percent
from loopin_mcp.api.store.history.analytics import (
    EVERYBODY,
    TOP_NAMES,
    Breakdown,
    Decisions,
    Group,
    Period,
    UserCount,
)
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
class Row:
    """A row of a table: a name with its bar below it, and cells."""

    name: str
    parts: tuple[Part, ...]
    cells: tuple[str, ...]

    @property
    def short_name(self) -> str:
        """The name, cut if it is long."""
        return self.name if len(self.name) <= LONGEST_NAME else f"{self.name[:LONGEST_NAME]}…"


@dataclass(frozen=True)
class Table:
    """Figures by name: each row has a name with a bar, and a cell below each of the `heads`."""

    id: str
    title: str
    note: str
    heads: tuple[str, ...]
    rows: tuple[Row, ...]
    is_of_users: bool = False


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
    breakdown: Breakdown
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
    def by_period(self) -> tuple[Table, ...]:
        """The decisions by people in the period, by what they are about and who made them."""
        found = self.breakdown
        reviewers = tuple(replace(each, name=_reviewer(each.name)) for each in found.reviewers)
        tables = (
            self._decided("agents", "By agent", "Agent", found.agents),
            self._decided("types", "By type of action", "Type of action", found.types),
            self._decided("reviewers", "By reviewer", "Reviewer", reviewers),
            self._hours,
        )
        return tuple(table for table in tables if table.rows)

    @property
    def of_all_time(self) -> tuple[Table, ...]:
        """Requests by status, urgency and user."""
        users = self.users[:TOP_USERS] if self.is_of_everybody else ()
        counts = [(user.user_id, "plain", user.count) for user in users]
        tables = (
            self._parts("status", "By status", "Status", STATUSES, self.analytics.by_status),
            self._parts("urgency", "By urgency", "Urgency", URGENCIES, self.analytics.by_urgency),
            replace(self._counted("busiest", "Most-asked users", "User", counts), is_of_users=True),
        )
        return tuple(table for table in tables if table.rows)

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

    def _parts(
        self, table_id: str, title: str, head: str, names: Sequence[str], counts: Mapping[str, int]
    ) -> Table:
        rows = [(name.capitalize(), name, counts.get(name, 0)) for name in names]
        return self._counted(table_id, title, head, rows)

    def _counted(
        self, table_id: str, title: str, head: str, counts: Sequence[tuple[str, str, int]]
    ) -> Table:
        """Names, their kinds and counts, which are parts of all requests."""
        longest = max((number for _, _, number in counts), default=0)
        total = self.analytics.total_interrupts
        rows = tuple(
            Row(name, bar([(kind, number)], longest), (f"{number:,}", percent(number, total)))
            for name, kind, number in counts
        )
        return Table(table_id, title, "All requests.", (head, "Number", "Share"), rows)

    def _decided(self, table_id: str, title: str, head: str, groups: Sequence[Group]) -> Table:
        longest = max((each.approved + each.rejected for each in groups), default=0)
        rows = tuple(
            Row(
                each.name,
                bar([("approved", each.approved), ("rejected", each.rejected)], longest),
                (f"{each.approved:,}", f"{each.rejected:,}", duration(each.average_ms)),
            )
            for each in groups
        )
        heads = (head, "Approved", "Rejected", "Average time")
        most = f" The {TOP_NAMES} with the most." if len(rows) == TOP_NAMES else ""
        return Table(table_id, title, f"Decisions since {self.since}.{most}", heads, rows)

    @property
    def _hours(self) -> Table:
        hours = self.breakdown.hours
        longest = max((each.average_ms for each in hours), default=0)
        rows = tuple(
            Row(
                f"{each.hour:02}:00",
                bar([("plain", each.average_ms)], longest),
                (duration(each.average_ms), f"{each.decided:,}"),
            )
            for each in hours
        )
        note = f"By the hour in which the agent asked, in UTC, since {self.since}."
        heads = ("Asked", "Average time", "Decisions")
        return Table("hours", "Response times by hour of day", note, heads, rows)


def _reviewer(name: str) -> str:
    return UNNAMED.get(name or "anonymous", name)


def in_words(day: date) -> str:
    """A day in words, such as "7 Mar 2026"."""
    return f"{day.day} {day:%b %Y}"


def _time(name: str, milliseconds: float | None, note: str) -> Tile:
    if milliseconds is None:
        return Tile(name, "–", "No decisions yet")
    return Tile(name, duration(milliseconds), note)
