"""The geometry of charts: bars in tables, and columns above and below a zero line.

Horizontal measures are in percent of the chart's width, vertical ones in em. So a chart fits any
width and grows with its text.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import count

PLOT_EM = 11.0
MOST_LINES = 7
MOST_LABELS = 4
# Even the smallest count can be seen beside the largest.
THINNEST_PERCENT = 0.75
THINNEST_EM = 0.12


def percent(part: int, whole: int) -> str:
    """A share as text; only nothing is "0%", and only everything is "100%"."""
    share = 100 * part / whole if whole else 0
    if 0 < share < 1:
        return "<1%"
    return ">99%" if 99 < share < 100 else f"{share:.0f}%"


@dataclass(frozen=True)
class Part:
    """A part of a bar: its kind, where it begins, and its width."""

    kind: str
    x: float
    width: float


def bar(counts: Sequence[tuple[str, float]], longest: float) -> tuple[Part, ...]:
    """A bar of kinds and their counts, side by side; the `longest` bar is as wide as the chart."""
    parts: list[Part] = []
    x = 0.0
    for kind, number in counts:
        if number:
            width = max(round(100 * number / longest, 2), THINNEST_PERCENT)
            parts.append(Part(kind, round(min(x, 100 - width), 2), width))
            x += width
    return tuple(parts)


@dataclass(frozen=True)
class Line:
    """A line across the plot, and the count it stands for, which is positive below zero too."""

    y: float
    count: int

    @property
    def label(self) -> str:
        """The count, short; from ten thousand on, lines stand at thousands."""
        return str(self.count) if self.count < 10_000 else f"{self.count // 1000}k"


@dataclass(frozen=True)
class Column:
    """One interval of time: a part above the zero line, which begins at `above_y`, and one below.

    The column fills the middle two thirds of its slot; its label is centred on `middle`.
    """

    slot_x: float
    slot_width: float
    x: float
    width: float
    middle: float
    above_y: float
    above_height: float
    below_height: float


@dataclass(frozen=True)
class ColumnChart:
    """Pairs of counts over time, the first above the `zero` line and the second below it.

    `label_places` are the columns that have room for a label.
    """

    columns: tuple[Column, ...]
    lines: tuple[Line, ...]
    zero: float
    label_places: range

    @classmethod
    def of(cls, pairs: Sequence[tuple[int, int]]) -> "ColumnChart":
        """The chart of these pairs, on one scale that fills the plot."""
        above, below = zip(*pairs, strict=True)
        step = _step(max(above), max(below))
        # There is room for one line even where nothing is.
        top = max(_up_to(step, max(above)), step)
        bottom = _up_to(step, max(below))
        em_each = PLOT_EM / (top + bottom)
        zero = round(top * em_each, 3)
        slot = 100 / len(pairs)
        return cls(
            tuple(
                _column(place * slot, slot, zero, _height(up * em_each), _height(down * em_each))
                for place, (up, down) in enumerate(pairs)
            ),
            tuple(
                Line(round(zero - number * em_each, 3), abs(number))
                for number in range(top, -bottom - 1, -step)
            ),
            zero,
            range(0, len(pairs), math.ceil(len(pairs) / MOST_LABELS)),
        )


def _column(x: float, width: float, zero: float, above: float, below: float) -> Column:
    return Column(
        slot_x=x,
        slot_width=width,
        x=round(x + width / 6, 3),
        width=round(width * 2 / 3, 3),
        middle=round(x + width / 2, 3),
        above_y=round(zero - above, 3),
        above_height=above,
        below_height=below,
    )


def _height(exact: float) -> float:
    return max(round(exact, 3), THINNEST_EM) if exact else 0


def _step(most_above: int, most_below: int) -> int:
    """The smallest round number as the distance of lines that are not too many."""
    return next(
        step
        for step in _round_numbers()
        if math.ceil(most_above / step) + math.ceil(most_below / step) < MOST_LINES
    )


def _round_numbers() -> Iterable[int]:
    return (digit * 10**power for power in count() for digit in (1, 2, 5))


def _up_to(step: int, number: int) -> int:
    return step * math.ceil(number / step)
