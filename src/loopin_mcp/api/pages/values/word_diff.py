"""Compares two texts by word, in bounded time."""

import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby, takewhile
from typing import Literal, NamedTuple, get_args

# A line break, other blanks, a word, or a single other character.
_TOKEN = re.compile(r"\n|[^\S\n]+|\w+|[^\w\s]")
_KEPT = re.compile(r"[\w\n]")
# More edits are shown as one; so are those of texts that would take long.
_MOST_EDITS, _MOST_STEPS = 400, 2_000_000
# Texts with less in common are better read one beside the other.
_ALIKE = 0.3

Kind = Literal["same", "gone", "new"]


class Part(NamedTuple):
    """A part of two texts: in both, only in the first one, or only in the second one."""

    kind: Kind
    text: str


def word_diff(before: str, after: str) -> tuple[Part, ...]:
    """The parts of two texts in order; what is gone comes before what is new in its place."""
    old, new = _TOKEN.findall(before), _TOKEN.findall(after)
    start, end = _common(old, new)
    old_end, new_end = len(old) - end, len(new) - end
    edits = [
        *(Part("same", token) for token in old[:start]),
        *_edits(old[start:old_end], new[start:new_end]),
        *(Part("same", token) for token in old[old_end:]),
    ]
    return tuple(_joined(_without_scraps(_joined(edits))))


def cost_of(before: str, after: str) -> int:
    """The most that a comparison may take of a `Budget`; only what differs counts."""
    most = max(len(before), len(after)) - sum(_common(before, after))
    return 1 + min(2 * most, _MOST_EDITS) ** 2 // 160 + most // 32


def are_alike(parts: Sequence[Part]) -> bool:
    """Whether two texts have enough in common that a reader wants to see what differs."""
    same, gone, new = (
        sum(len(part.text) for part in parts if part.kind == kind) for kind in get_args(Kind)
    )
    return same >= _ALIKE * (same + max(gone, new))


def _common(one: Sequence[str], other: Sequence[str]) -> tuple[int, int]:
    """How many tokens, or characters, are the same at the beginning, and then at the end."""
    start = _same(zip(one, other, strict=False))
    return start, _same(zip(one[start:][::-1], other[start:][::-1], strict=False))


def _same(pairs: Iterable[tuple[str, str]]) -> int:
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))


def _edits(old: Sequence[str], new: Sequence[str]) -> list[Part]:
    """The fewest edits (Myers, "An O(ND) Difference Algorithm", 1986), or one for all."""
    rounds: list[dict[int, int]] = []
    furthest = {1: 0}
    for count in range(min(_MOST_EDITS, _MOST_STEPS // (len(old) + len(new) + 1)) + 1):
        rounds.append(dict(furthest))
        for diagonal in range(-count, count + 1, 2):
            at = _step(furthest, diagonal, count)
            while at < len(old) and at - diagonal < len(new) and old[at] == new[at - diagonal]:
                at += 1
            furthest[diagonal] = at
            if at == len(old) and at - diagonal == len(new):
                return _walked(rounds, old, new)
    return [*(Part("gone", token) for token in old), *(Part("new", token) for token in new)]


def _step(furthest: dict[int, int], diagonal: int, count: int) -> int:
    """Where an edit leads on this diagonal: one down, or one to the right."""
    goes_down = _goes_down(furthest, diagonal, count)
    return furthest[diagonal + 1] if goes_down else furthest[diagonal - 1] + 1


def _walked(rounds: Sequence[dict[int, int]], old: Sequence[str], new: Sequence[str]) -> list[Part]:
    """The edits on the way back from the end."""
    found: list[Part] = []
    at, across = len(old), len(new)
    for count in range(len(rounds) - 1, 0, -1):
        begin = _step(rounds[count], at - across, count)
        while at > begin:
            at, across = at - 1, across - 1
            found.append(Part("same", old[at]))
        if _goes_down(rounds[count], at - across, count):
            across -= 1
            found.append(Part("new", new[across]))
        else:
            at -= 1
            found.append(Part("gone", old[at]))
    found += (Part("same", token) for token in old[:at][::-1])
    return found[::-1]


def _goes_down(furthest: dict[int, int], diagonal: int, count: int) -> bool:
    return diagonal == -count or (
        diagonal != count and furthest[diagonal - 1] < furthest[diagonal + 1]
    )


def _joined(parts: Iterable[Part]) -> Iterator[Part]:
    """The parts with neighbours of one kind joined, and what is gone before what is new."""
    for is_same, group in groupby(parts, key=lambda part: part.kind == "same"):
        run = list(group)
        kinds: tuple[Kind, ...] = ("same",) if is_same else ("gone", "new")
        for kind in kinds:
            text = "".join(part.text for part in run if part.kind == kind)
            if text:
                yield Part(kind, text)


def _without_scraps(parts: Iterable[Part]) -> Iterator[Part]:
    """The parts without blanks and signs that only stand between two edits."""
    found = list(parts)
    for at, part in enumerate(found):
        is_scrap = part.kind == "same" and not _KEPT.search(part.text)
        if is_scrap and 0 < at < len(found) - 1:
            yield Part("gone", part.text)
            yield Part("new", part.text)
        else:
            yield part
