"""Unified diffs: tinted by line and by word, with the numbers of the lines before and after."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Literal

from loopin_mcp.api.pages.values.budget import Budget
from loopin_mcp.api.pages.values.code import lines_of
from loopin_mcp.api.pages.values.folds import Lines, in_boxes, numbered
from loopin_mcp.api.pages.values.marks import code_line, escaped, is_plain
from loopin_mcp.api.pages.values.word_diff import Kind, Part, are_alike, cost_of, word_diff
from loopin_mcp.wire.plain_text import is_blank

_HUNK = re.compile(r"@@ -(\d{1,9})(?:,(\d{1,9}))? \+(\d{1,9})(?:,(\d{1,9}))? @@")
_HEAD = re.compile(
    r"diff --git |index |--- |\+\+\+ |\*\*\* |Binary files |rename |new file |deleted "
)

Mark = Literal["add", "del", "same", "hunk", "head"]
_MARKS: dict[str, Mark] = {"+": "add", "-": "del"}
_TAGS = {"add": "ins", "del": "del"}


@dataclass(frozen=True)
class _Line:
    """A line of a diff, with its numbers before and after the change."""

    mark: Mark
    text: str
    before: int | None = None
    after: int | None = None


def diff(label: str, text: str, budget: Budget) -> str:
    """A diff as HTML."""
    lines = [*_parsed(lines_of(text))]
    htmls = _htmls(lines, budget)
    width = max(len(str(line.before or line.after or "")) for line in lines)
    numbers = [f"{line.before or '':>{width}} {line.after or '':>{width}}" for line in lines]
    if not any(map(str.strip, numbers)):
        numbers = numbered(lines)
    return in_boxes(
        Lines(
            label,
            [line.text for line in lines],
            lambda start, end: "".join(htmls[start:end]),
            numbers,
            blankness=lambda text: text[:1] if is_blank(text[1:]) else None,
        )
    )


def summary_of(text: str) -> str:
    """How many lines a diff adds and removes: "+3 −1"."""
    marks = [line.mark for line in _parsed(lines_of(text))]
    return f"+{marks.count('add'):,} −{marks.count('del'):,}"


def _parsed(texts: Sequence[str]) -> Iterator[_Line]:
    """Each line with its mark; within a hunk, `--- ` is a line that was removed."""
    before = after = left_before = left_after = 0
    for text in texts:
        mark: Mark = _MARKS.get(text[:1], "same")
        if found := _HUNK.match(text):
            before, after = int(found[1]), int(found[3])
            left_before, left_after = (int(found[at] or 1) for at in (2, 4))
            yield _Line("hunk", text)
        elif left_before > 0 or left_after > 0:
            if text.startswith("\\"):
                yield _Line("hunk", text)
                continue
            has_before, has_after = mark != "add", mark != "del"
            yield _Line(mark, text, before if has_before else None, after if has_after else None)
            before, left_before = before + has_before, left_before - has_before
            after, left_after = after + has_after, left_after - has_after
        elif text.startswith(("@@", "\\")):
            yield _Line("hunk", text)
        elif _HEAD.match(text):
            yield _Line("head", text)
        else:
            # More lines than the hunk's head says are still lines of a change.
            yield _Line(mark, text)


def _htmls(lines: Sequence[_Line], budget: Budget) -> list[str]:
    """Each line as HTML, with the words marked that changed in a line."""
    htmls = [code_line(line.text) for line in lines]
    for removed, added in _pairs(lines):
        texts = lines[removed].text, lines[added].text
        if all(map(is_plain, texts)) and (words := _changed(*texts, budget)):
            htmls[removed], htmls[added] = words
    return [_tinted(line.mark, shown) for line, shown in zip(lines, htmls, strict=True)]


def _tinted(mark: Mark, shown: str) -> str:
    tag = _TAGS.get(mark)
    if tag:
        return f"<{tag}>{shown}\n</{tag}>"
    return f"{shown}\n" if mark == "same" else f'<span class="{mark}">{shown}\n</span>'


def _pairs(lines: Sequence[_Line]) -> Iterator[tuple[int, int]]:
    """The places of lines that replace each other: runs of removed ones before added ones."""
    at, removed = 0, range(0)
    for mark, group in groupby(line.mark for line in lines):
        run = range(at, at + sum(1 for _ in group))
        if mark == "add":
            yield from zip(removed, run, strict=False)
        removed = run if mark == "del" else range(0)
        at = run.stop


def _changed(old: str, new: str, budget: Budget) -> tuple[str, str] | None:
    """Two lines as HTML with the changed words marked, if they have enough in common."""
    if not budget.allows(cost_of(old[1:], new[1:])):
        return None
    parts = word_diff(old[1:], new[1:])
    if not are_alike(parts):
        return None
    return _marked(old[0], parts, "gone"), _marked(new[0], parts, "new")


def _marked(sign: str, parts: Sequence[Part], changed: Kind) -> str:
    """A line of one side after its sign."""
    return sign + "".join(
        f"<mark>{escaped(text)}</mark>" if kind == changed else escaped(text)
        for kind, text in parts
        if kind in ("same", changed)
    )
