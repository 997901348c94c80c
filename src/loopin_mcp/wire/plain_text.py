"""Plain text: untrusted text made safe to show on one line, and durations in words."""

import re
import unicodedata

# Categories whose characters have no glyph: controls, formats, surrogates, private use,
# unassigned, line and paragraph separators.
_HIDDEN_CATEGORIES = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
# Letters, symbols and marks without a glyph: fillers, the blank Braille cell, the null note
# head, variation selectors.
_BLANK = frozenset("\u115f\u1160\u3164\uffa0\u2800\u034f\u17b4\u17b5\U00016fe4\U0001d159") | {
    chr(code) for code in (*range(0x180B, 0x1810), *range(0xFE00, 0xFE10), *range(0xE0100, 0xE01F0))
}
# White space, controls, formats and _BLANK as a class of regular expressions: text of only these
# shows nothing. Unassigned and private characters show at least as a box.
UNSEEN = (
    r"\s\x00-\x20\x7f-\xa0\xad\u034f\u0600-\u0605\u061c\u06dd\u070f\u0890\u0891\u08e2\u115f\u1160"
    r"\u17b4\u17b5\u180b-\u180f\u2000-\u200f\u2028-\u202f\u205f-\u206f\u2800\u3000\u3164"
    r"\ufe00-\ufe0f\ufeff\uffa0\ufff9-\ufffb"
    "\U000110bd\U000110cd\U00013430-\U0001343f\U00016fe4\U0001bca0-\U0001bca3\U0001d159"
    "\U0001d173-\U0001d17a\U000e0000-\U000e0fff"
)
_SEEN = re.compile(f"[^{UNSEEN}]")
# Characters inside an emoji: a joiner, the emoji style and, at its end, a skin tone.
_JOINER, _EMOJI_STYLE, _KEYCAP = "\u200d", "\ufe0f", "\u20e3"
_SKIN_TONES = frozenset(map(chr, range(0x1F3FB, 0x1F400)))
# Combining marks; no script needs more than eight on one letter.
_MARKS, _HIGHEST_PILE = frozenset({"Mn", "Me"}), 8
_NOT_ASCII = re.compile(r"[^ -~]")
_SPACES = "\t \u00a0\u1680\u2000-\u200a\u202f\u205f\u3000"
_SPACE = re.compile(f"[{_SPACES}]+")
_UNITS = (("day", 86_400), ("hour", 3_600), ("minute", 60))
_LINE_BREAK = re.compile(r" ?(?:\r?\n ?)+")


def plain_text(text: str) -> str:
    """The text on one line, in which no character hides or reorders others.

    Line breaks become `↵`, other white space becomes one space, and an invisible character becomes
    its code, such as `[U+202E]`.
    """
    line = _LINE_BREAK.sub(" ↵ ", _SPACE.sub(" ", text.strip()))
    return _NOT_ASCII.sub(_coded, line)


def quoted(text: str, at_most: int) -> str:
    """The plain text between backticks, which it cannot leave, cut after `at_most` characters.

    A host that renders Markdown shows such a span as it is, without links or headings.
    """
    plain = plain_text(text).replace("`", "'")
    if len(plain) <= at_most:
        return f"`{plain}`"
    return f"`{plain[:at_most]}` … (cut here: the review page has the whole)"


def time_in_words(seconds: float) -> str:
    """A duration in the largest unit of which there are at least two: "119 seconds", "2 hours".

    It is rounded down, so that it never promises too much time; static/loopin.js does the same.
    """
    left = max(0, int(seconds))
    fitting = ((name, length) for name, length in _UNITS if left >= 2 * length)
    name, length = next(fitting, ("second", 1))
    count = left // length
    return f"{count} {name}{'' if count == 1 else 's'}"


def folded(text: str) -> str:
    """The text in a form in which texts that differ only in case or encoding are equal."""
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())


def is_unseen(text: str, index: int) -> bool:
    """Whether the character at `index` is invisible and does not change its neighbours."""
    return _is_hidden(text[index]) and not _is_drawn(text, index)


def is_blank(text: str) -> bool:
    """Whether the text shows nothing."""
    return _SEEN.search(text) is None


def _coded(match: re.Match[str]) -> str:
    character, text, index = match[0], match.string, match.start()
    coded = is_unseen(text, index) or _is_piled(text, index)
    return f"[U+{ord(character):04X}]" if coded else character


def _is_piled(text: str, index: int) -> bool:
    """Whether a mark tops a pile so high that it covers the lines around it."""
    marks = text[max(0, index - _HIGHEST_PILE) : index + 1]
    return len(marks) > _HIGHEST_PILE and all(unicodedata.category(m) in _MARKS for m in marks)


def _is_hidden(character: str) -> bool:
    return character in _BLANK or unicodedata.category(character) in _HIDDEN_CATEGORIES


def _is_drawn(text: str, index: int) -> bool:
    """Whether a character without a glyph of its own changes the emoji beside it."""
    character, before, after = text[index], text[index - 1 : index], text[index + 1 : index + 2]
    if character == _EMOJI_STYLE:
        return _is_symbol(before) or after == _KEYCAP
    joins = _is_symbol(before) or before in _SKIN_TONES or before == _EMOJI_STYLE
    return character == _JOINER and joins and _is_symbol(after)


def _is_symbol(character: str) -> bool:
    return character != "" and unicodedata.category(character) == "So"
