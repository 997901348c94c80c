"""Lines in boxes: runs of blank lines are counted, and what is too long for two screens folds."""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Literal, NamedTuple

from markupsafe import escape

from loopin_mcp.api.pages.filters import visible
from loopin_mcp.api.pages.values.marks import LONGEST_LINE, halves, with_gaps
from loopin_mcp.wire.plain_text import counted, is_blank, plain_text

# Two screens of lines, and how many of a longer value are shown before it is opened.
MOST_ROWS, FIRST_ROWS = 60, 40
_ROW = 80
# How many blank lines in a row fold; the second number is for texts with too many runs.
_FEWEST_BLANK, _MANY_BLANK, _MOST_RUNS = 3, 20, 200
_LONGEST_LABEL = 80
# A smaller box does not scroll on any screen.
_LINES_OF_BOX, _WIDTH_OF_BOX = 20, 24
# How much of one very long line is shown before it is opened.
_SHOWN_OF_LINE = 2000
PART = '<details class="part">'


class _Run(NamedTuple):
    """Lines that are shown in one way, from one index up to another."""

    form: Literal["lines", "blank", "hidden", "long"]
    start: int
    end: int


def _blankness(line: str) -> str | None:
    return "" if is_blank(line) else None


@dataclass(frozen=True)
class Lines:
    """The lines of a text, `html` of some of them, and their numbers, if they have any.

    `blankness` is the same for all blank lines of a run, and None for other lines. A line longer
    than `longest` is shown by itself. Prose `wraps`, without numbers or a scroll of its own.
    """

    label: str
    texts: Sequence[str]
    html: Callable[[int, int], str]
    numbers: Sequence[str] = ()
    wraps: bool = False
    blankness: Callable[[str], str | None] = _blankness
    longest: int = LONGEST_LINE


def size_of(texts: Sequence[str]) -> str:
    """The size of lines in words: "340 lines, 12 KB"."""
    count = sum(len(text.encode()) + 1 for text in texts) - 1
    size = f", {count / 1000:,.0f} KB" if count >= 1000 else ""
    return f"{counted(len(texts), 'line')}{size}"


def numbered(lines: Sequence[object]) -> list[str]:
    """The numbers of all lines, as wide as the last."""
    width = len(str(len(lines)))
    return [f"{number:>{width}}" for number in range(1, len(lines) + 1)]


def part(summary: str, content: str) -> str:
    """A folded part, which counts as not opened. Its summary is HTML."""
    return f"{PART}<summary>{summary}</summary>{content}</details>"


def box(label: str, content: str, *, scrolls: bool = True, kind: str = "") -> str:
    """A box with a scroll of its own, which the keyboard reaches."""
    name = escape(plain_text(label)[:_LONGEST_LABEL])
    focus = f' role="group" tabindex="0" aria-label="{name}"' if scrolls else ""
    return f'<div class="box{kind}"{focus}>{content}</div>'


def in_boxes(lines: Lines) -> str:
    """All lines: those of the first screen, and the rest folded if it needs more than two."""
    runs = [*_runs(lines, _FEWEST_BLANK)]
    if len(runs) > _MOST_RUNS:
        runs = [*_runs(lines, _MANY_BLANK)]
    first, rest = _cut(lines, runs)
    shown = _in_box(lines, first)
    if not rest:
        return shown
    texts = lines.texts[rest[0].start :]
    return shown + part(f"Rest: {size_of(texts)}", _in_box(lines, rest))


def prose(label: str, texts: Sequence[str]) -> str:
    """Lines of prose, which wrap."""
    lines = Lines(
        label,
        texts,
        lambda start, end: visible("\n".join(texts[start:end])),
        wraps=True,
        longest=_SHOWN_OF_LINE,
    )
    return in_boxes(lines)


def rows_of(texts: Sequence[str]) -> int:
    """How many rows of the screen lines of prose take, about."""
    return sum(1 + len(text) // _ROW for text in texts)


def _runs(lines: Lines, fewest: int) -> Iterator[_Run]:
    start = 0
    for is_long, group in groupby(map(len, lines.texts), lambda size: size > lines.longest):
        end = start + sum(1 for _ in group)
        if is_long:
            yield from (_Run("long", at, at + 1) for at in range(start, end))
        else:
            yield from _short_runs(lines, start, end, fewest)
        start = end


def _short_runs(lines: Lines, start: int, end: int, fewest: int) -> Iterator[_Run]:
    begun = at = start
    for blankness, group in groupby(lines.texts[start:end], lines.blankness):
        count = sum(1 for _ in group)
        if blankness is not None and count >= fewest:
            if begun < at:
                yield _Run("lines", begun, at)
            run = lines.texts[at : at + count]
            is_space = all(line.isascii() and line[len(blankness) :].strip() == "" for line in run)
            yield _Run("blank" if is_space else "hidden", at, at + count)
            begun = at + count
        at += count
    if begun < end:
        yield _Run("lines", begun, end)


def _rows(lines: Lines, run: _Run) -> int:
    """How many rows of the screen a run takes, about."""
    if run.form == "lines":
        texts = lines.texts[run.start : run.end]
        return rows_of(texts) if lines.wraps else len(texts)
    return 1 + (_SHOWN_OF_LINE // _ROW if run.form == "long" else 0)


def _cut(lines: Lines, runs: Sequence[_Run]) -> tuple[Sequence[_Run], Sequence[_Run]]:
    """The runs of the first screen and the rest, if all of them need more than two."""
    if sum(_rows(lines, run) for run in runs) <= MOST_ROWS:
        return runs, ()
    first: list[_Run] = []
    rest, left = deque(runs), FIRST_ROWS
    while left > 0:
        run = rest.popleft()
        if run.form == "lines" and _rows(lines, run) > left:
            end = run.start + 1
            while _rows(lines, run._replace(end=end + 1)) <= left:
                end += 1
            rest.appendleft(run._replace(start=end))
            run = run._replace(end=end)
            left = 0
        left -= _rows(lines, run)
        first.append(run)
    return first, [*rest]


def _in_box(lines: Lines, runs: Sequence[_Run]) -> str:
    content = "".join(_shown(lines, run) for run in runs)
    if lines.wraps:
        return content
    texts = [lines.texts[at] for run in runs for at in range(run.start, run.end)]
    scrolls = len(texts) > _LINES_OF_BOX or max(map(len, texts)) > _WIDTH_OF_BOX
    return box(lines.label, content, scrolls=scrolls, kind=" code")


def _shown(lines: Lines, run: _Run) -> str:
    count = run.end - run.start
    if run.form == "blank":
        return f'<p class="note">{counted(count, "blank line")}</p>'
    shown = _rendered(lines, run.start, run.end, lines.html(run.start, run.end))
    if run.form == "hidden":
        return part(f"{counted(count, 'line')} of invisible characters", shown)
    return shown if run.form == "lines" else _long(lines, run.start)


def _long(lines: Lines, at: int) -> str:
    """A very long line, whose length is named and whose rest folds."""
    text = lines.texts[at]
    first, rest = halves(text, _SHOWN_OF_LINE)
    note = f'<p class="note">A line of {len(text):,} characters</p>'
    shown = _rendered(lines, at, at + 1, first, " long")
    if rest:
        summary = f"Rest of this line: {len(text) - _SHOWN_OF_LINE:,} characters"
        shown += part(summary, _rendered(lines, at, at, rest, " long"))
    return note + shown


def _rendered(lines: Lines, start: int, end: int, content: str, kind: str = "") -> str:
    if lines.wraps:
        return f'<div class="prose" dir="auto">{content}</div>'
    numbers = "\n".join(lines.numbers[start:end])
    return (
        f'<div class="lines{kind}"><pre class="numbers" aria-hidden="true">{numbers}</pre>'
        f"<pre><code>{with_gaps(content)}</code></pre></div>"
    )
