"""The table: one row for each run of a suite, and what misses its goal."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

_HEADS = ("Suite", "Version", "Run", "Result", "Goal")


@dataclass(frozen=True)
class Row:
    """What one run of a suite gave; without `faults` it met its goal."""

    suite: str
    version: str
    run: str
    result: str
    faults: Sequence[str] = ()

    @property
    def cells(self) -> tuple[str, ...]:
        """The row as the table shows it."""
        goal = "missed" if self.faults else "met"
        return (self.suite, self.version, self.run, self.result, goal)


def table(rows: Sequence[Row]) -> str:
    """The rows below each other, and after them each fault."""
    lines = [_HEADS, *(row.cells for row in rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    faults = [f"{row.suite}, {row.run}: {fault}" for row in rows for fault in row.faults]
    parts = [_aligned(lines, widths), faults]
    return "\n\n".join("\n".join(part) for part in parts if part)


def _aligned(lines: Iterable[Sequence[str]], widths: Sequence[int]) -> list[str]:
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    ]
