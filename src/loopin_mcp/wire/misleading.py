"""Finds what could mislead in untrusted text: the one rule for every place that shows such text.

It decides by Unicode's properties of characters (UAX #9, UAX #44, UTS #39), not by lists of them.
"""

import re
import unicodedata
from collections import Counter
from collections.abc import Iterator
from functools import lru_cache
from typing import Literal, NamedTuple

# Categories whose characters have no glyph: controls, formats, surrogates, private use,
# unassigned, line and paragraph separators.
_HIDDEN_CATEGORIES = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
# Letters, symbols and marks without a glyph: fillers, the blank Braille cell, the null note
# head, blank hieroglyphs, variation selectors.
_BLANK = frozenset(
    "\u115f\u1160\u3164\uffa0\u2800\u034f\u17b4\u17b5\U00016fe4\U0001d159\U00013441\U00013442"
) | {
    chr(code) for code in (*range(0x180B, 0x1810), *range(0xFE00, 0xFE10), *range(0xE0100, 0xE01F0))
}
# Spaces that keyboards and number formats make; others are too thin or too wide to be seen as one.
_COMMON_SPACES = " \u00a0\u202f\u3000"
_KEYS = frozenset("0123456789#*")
# Characters inside an emoji: a joiner, the emoji style and, at its end, a skin tone.
_JOINER, _EMOJI_STYLE, _KEYCAP = "\u200d", "\ufe0f", "\u20e3"
_SKIN_TONES = frozenset(map(chr, range(0x1F3FB, 0x1F400)))
_MARKS, _OVERLAY = frozenset({"Mn", "Me"}), 1
# UTS #39, 5.4: no script needs more marks on one letter.
_HIGHEST_PILE = 4
_MOST_KEPT = 4096
_PLAIN = re.compile(r"[ -~\n\t]*")
_LINE_BREAK = re.compile(r"(\r?\n)")

# The classes of the characters of a line, in which the rules find their patterns: L left-to-right,
# C cased and not ASCII, R right-to-left letter, P other right-to-left character, l and r their
# marks, d ASCII digit, N Arabic number, n other number, X could mislead, "." anything else.
# At first also h hidden, s space and m mark, which depend on their neighbours.
_DEPENDENT = re.compile("[hsm]")
_WORD = re.compile("[LlCRrdNn]+")
_OF_ONE_KIND = frozenset("Lld"), frozenset("Rr")
_PHRASE = re.compile("R(?:[^LX]*R)?r*")
_STRAY = re.compile("(?<![RrP])P+(?![RP])")
_PARTS = re.compile("(?P<coded>X+)|(?P<rtl>[RP](?:[^LlXdNn]*[RrP])?|N+)")
_PARTS_OF_RTL = re.compile("(?P<coded>X+)|(?P<rtl>[^X]+)")

Kind = Literal["plain", "coded", "rtl"]


class Piece(NamedTuple):
    """A part of a text: shown as it is, by the codes of its characters, or isolated as RTL."""

    kind: Kind
    text: str


def pieces(text: str) -> Iterator[Piece]:
    """The whole text in parts; shown by their kinds, they hide, strike out and reorder nothing."""
    if _PLAIN.fullmatch(text):
        yield Piece("plain", text)
        return
    for number, line in enumerate(_LINE_BREAK.split(text)):
        if number % 2 or _PLAIN.fullmatch(line):
            yield Piece("plain", line)
        else:
            yield from _pieces_of_line(line)


def has_left_to_right(text: str) -> bool:
    """Whether the text has a character that is written from left to right."""
    return any(unicodedata.bidirectional(character) == "L" for character in text)


def _pieces_of_line(line: str) -> Iterator[Piece]:
    classes = _classes(line)
    is_rtl = "L" not in classes and ("R" in classes or "N" in classes)
    start = 0
    for found in (_PARTS_OF_RTL if is_rtl else _PARTS).finditer(classes):
        if start < found.start():
            yield Piece("plain", line[start : found.start()])
        yield Piece("coded" if found["coded"] else "rtl", line[found.start() : found.end()])
        start = found.end()
    if start < len(line):
        yield Piece("plain", line[start:])


def _classes(line: str) -> str:
    classes = list(line.translate(_CLASS_OF))
    for found in _DEPENDENT.finditer("".join(classes)):
        index = found.start()
        if found[0] == "m":
            classes[index] = _class_of_mark(line, index, classes)
        elif found[0] == "h":
            classes[index] = "." if _is_drawn(line, index) else "X"
        else:
            around = line[index - 1 : index] + line[index + 1 : index + 2]
            classes[index] = "." if len("".join(around.split())) == 2 else "X"
    _mark_words(line, classes)
    text = "".join(classes).replace("C", "L")
    if re.search("[LdNn]", text):
        text = _PHRASE.sub(_without_lone, text)
    return _STRAY.sub(_marked, text)


class _ClassOf(dict[int, str]):
    """The class of each code point."""

    def __missing__(self, code: int) -> str:
        if len(self) > _MOST_KEPT:
            self.clear()
        self[code] = _class_of(chr(code))
        return self[code]


def _class_of(character: str) -> str:
    category, direction = unicodedata.category(character), unicodedata.bidirectional(character)
    if character in "\t ":
        return "."
    if character in _BLANK or category in _HIDDEN_CATEGORIES:
        return "h"
    if category in _MARKS:
        return "m"
    if category == "Zs":
        return "s" if character in _COMMON_SPACES else "X"
    if direction in ("R", "AL"):
        return "R" if category[0] in "LN" else "P"
    if category == "Nd" and direction != "AN":
        return "d" if character.isascii() else "n"
    if _is_cased(character):
        return "L" if character.isascii() else "C"
    return {"L": "L", "AN": "N"}.get(direction, ".")


_CLASS_OF = _ClassOf()


def _is_drawn(line: str, index: int) -> bool:
    """Whether a character without a glyph of its own changes the emoji beside it."""
    character, before, after = line[index], line[index - 1 : index], line[index + 1 : index + 2]
    if character == _EMOJI_STYLE:
        return _is_symbol(before) or (before in _KEYS and after == _KEYCAP)
    joins = _is_symbol(before) or before in _SKIN_TONES or before == _EMOJI_STYLE
    return character == _JOINER and joins and _is_symbol(after)


def _is_symbol(character: str) -> bool:
    return character != "" and unicodedata.category(character) == "So"


def _class_of_mark(line: str, index: int, classes: list[str]) -> str:
    """The class of a mark: that of its letter, if it belongs there and covers nothing."""
    mark, before = line[index], "".join(classes[index - 1 : index]).replace("C", "L").lower()
    if mark == _KEYCAP and line[index - 1] == _EMOJI_STYLE and before == ".":
        return "."
    strikes = unicodedata.combining(mark) == _OVERLAY or unicodedata.category(mark) == "Me"
    if strikes or before not in ("l", "r") or mark == line[index - 1]:
        return "X"
    letter = index
    while unicodedata.category(line[letter]) in _MARKS:
        letter -= 1
    is_foreign = _is_cased(line[letter]) and _script(mark) != "COMBINING"
    return "X" if is_foreign or index - letter > _HIGHEST_PILE else before


def _mark_words(line: str, classes: list[str]) -> None:
    """Mark what does not belong in its word: the other direction, alphabet or digits."""
    text = "".join(classes)
    scripts = {_script(character) for character in line if character.isalpha()}
    for found in _WORD.finditer(text):
        kinds = set(found[0])
        if any(kinds <= kind for kind in _OF_ONE_KIND):
            continue
        own = _most_used_alphabet(line[found.start() : found.end()])
        for index in range(found.start(), found.end()):
            kind, character = classes[index], line[index]
            mixes = kind in "RrN" and not kinds.isdisjoint("LC")
            is_odd = kind in "Nn" and ("d" in kinds or _is_out_of_place(character, scripts))
            if mixes or is_odd or (_is_cased(character) and _script(character) != own):
                classes[index] = "X"


def _most_used_alphabet(word: str) -> str:
    """The alphabet with capitals that most letters of a word have; Latin before others."""
    found = Counter(_script(character) for character in word if _is_cased(character))
    return max(found, key=lambda script: (found[script], script == "LATIN"), default="")


def _is_out_of_place(digit: str, scripts: set[str]) -> bool:
    """Whether a digit looks unlike its ASCII digit, and stands far from letters of its script."""
    looks_like_ascii = unicodedata.normalize("NFKC", digit).isascii()
    return not looks_like_ascii and scripts.isdisjoint(_name(digit).replace("-", " ").split())


def _without_lone(phrase: re.Match[str]) -> str:
    """A phrase from right to left, marked if it is a single letter among others."""
    return _marked(phrase) if phrase[0].rstrip("r") == "R" else phrase[0]


def _marked(found: re.Match[str]) -> str:
    return "X" * len(found[0])


@lru_cache(maxsize=4096)
def _is_cased(character: str) -> bool:
    return " LETTER " in _name(character) and character.lower() != character.upper()


@lru_cache(maxsize=4096)
def _script(character: str) -> str:
    """The first word of a letter's name, which is its script."""
    return _name(character).partition(" ")[0]


@lru_cache(maxsize=4096)
def _name(character: str) -> str:
    return unicodedata.name(character, "")
