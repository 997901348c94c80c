"""The geometry of charts: bars that lie, and columns that stand on a line or hang from it.

Across, all is measured in percent of the chart's width, and down in em, so that a chart fits any
width and grows with its text.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import count

ROW_EM = 2.75
PLOT_EM = 11.0
MOST_LINES = 7
MOST_LABELS = 4
# What is there can be seen, however little it is beside the rest.
THINNEST_PERCENT = 0.75
THINNEST_EM = 0.12


def percent(part: int, whole: int) -> str:
    """A share as text; neither nothing nor all is said of anything else."""
    share = 100 * part / whole if whole else 0
    if 0 < share < 1:
        return "<1%"
    return ">99%" if 99 < share < 100 else f"{share:.0f}%"


@dataclass(frozen=True)
class Bar:
    """One row of a bar chart: a count, its share of `total` and its bar beside the longest."""

    name: str
    kind: str
    count: int
    total: int
    longest: int
    place: int

    @property
    def share(self) -> str:
        """The count in percent of the total."""
        return percent(self.count, self.total)

    @property
    def width(self) -> float:
        """In percent of the chart's width, which the longest bar fills."""
        if not self.count:
            return 0
        return max(round(100 * self.count / self.longest, 2), THINNEST_PERCENT)

    @property
    def text_y(self) -> float:
        """The line its name stands on, in em."""
        return round(self.place * ROW_EM + 1.1, 2)

    @property
    def y(self) -> float:
        """The upper edge of the bar, below its name."""
        return round(self.place * ROW_EM + 1.55, 2)


@dataclass(frozen=True)
class BarChart:
    """Counts by name, as bars one below the other."""

    bars: tuple[Bar, ...]

    @classmethod
    def of(cls, counts: Sequence[tuple[str, str, int]], total: int) -> "BarChart":
        """The chart of names, their kinds and counts, which are parts of `total`."""
        longest = max((number for _, _, number in counts), default=0)
        return cls(
            tuple(
                Bar(name, kind, number, total, longest, place)
                for place, (name, kind, number) in enumerate(counts)
            )
        )

    @property
    def height(self) -> float:
        """In em."""
        return len(self.bars) * ROW_EM

    @property
    def description(self) -> str:
        """The chart in words."""
        return ", ".join(f"{bar.name}: {bar.count}" for bar in self.bars)


@dataclass(frozen=True)
class Line:
    """A line across the plot, and the count it stands for; above and below zero alike."""

    y: float
    count: int

    @property
    def label(self) -> str:
        """The count in little room; from ten thousand on, lines stand at thousands."""
        return str(self.count) if self.count < 10_000 else f"{self.count // 1000}k"


@dataclass(frozen=True)
class Column:
    """One interval of time: what stands on the zero line, and what hangs from it."""

    above: int
    below: int
    slot_x: float
    slot_width: float
    zero: float
    em_each: float

    @property
    def x(self) -> float:
        """Its left edge: a sixth of its slot is free on either side."""
        return round(self.slot_x + self.slot_width / 6, 3)

    @property
    def width(self) -> float:
        """Two thirds of its slot."""
        return round(self.slot_width * 2 / 3, 3)

    @property
    def middle(self) -> float:
        """Where its label is centred."""
        return round(self.slot_x + self.slot_width / 2, 3)

    @property
    def above_height(self) -> float:
        """How high it stands."""
        return self._height(self.above)

    @property
    def above_y(self) -> float:
        """Where what stands begins, from the top."""
        return round(self.zero - self.above_height, 3)

    @property
    def below_height(self) -> float:
        """How deep it hangs."""
        return self._height(self.below)

    def _height(self, number: int) -> float:
        return max(round(number * self.em_each, 3), THINNEST_EM) if number else 0


@dataclass(frozen=True)
class ColumnChart:
    """Pairs of counts over time, the first above a line and the second below, on one scale."""

    pairs: tuple[tuple[int, int], ...]

    @cached_property
    def columns(self) -> tuple[Column, ...]:
        """One for each pair, side by side."""
        slot = 100 / len(self.pairs)
        return tuple(
            Column(above, below, place * slot, slot, self.zero, self._em_each)
            for place, (above, below) in enumerate(self.pairs)
        )

    @cached_property
    def lines(self) -> tuple[Line, ...]:
        """At round counts, from the top of the plot to its bottom."""
        above, below = self._bounds
        numbers = range(above, -below - 1, -self._step)
        return tuple(Line(round(self.zero - n * self._em_each, 3), abs(n)) for n in numbers)

    @property
    def zero(self) -> float:
        """Where the zero line is, from the top."""
        return round(self._bounds[0] * self._em_each, 3)

    @property
    def label_places(self) -> range:
        """Which columns have room for a label."""
        return range(0, len(self.pairs), math.ceil(len(self.pairs) / MOST_LABELS))

    @property
    def _em_each(self) -> float:
        """The height of one."""
        return PLOT_EM / sum(self._bounds)

    @cached_property
    def _bounds(self) -> tuple[int, int]:
        """The highest and the lowest line; there is room for one even where nothing is."""
        above, below = (self._step * math.ceil(most / self._step) for most in self._most)
        return max(above, self._step), below

    @cached_property
    def _step(self) -> int:
        """From line to line: the least round number with which they are not too many."""
        fitting = (step for step in _round_numbers() if _lines(self._most, step) <= MOST_LINES)
        return next(fitting)

    @property
    def _most(self) -> tuple[int, int]:
        above, below = zip(*self.pairs, strict=True)
        return max(above), max(below)


def _round_numbers() -> Iterable[int]:
    return (digit * 10**power for power in count() for digit in (1, 2, 5))


def _lines(most: tuple[int, int], step: int) -> int:
    return sum(math.ceil(number / step) for number in most) + 1
