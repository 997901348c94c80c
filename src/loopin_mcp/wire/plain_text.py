"""Plain text: untrusted text made safe to show on one line, and durations in words."""

import re
import unicodedata
from collections.abc import Callable, Mapping

from loopin_mcp.wire.misleading import Kind, pieces

# White space, controls, formats and blank letters as a class of regular expressions: text of only
# these shows nothing. Unassigned and private characters show at least as a box.
UNSEEN = (
    r"\s\x00-\x20\x7f-\xa0\xad\u034f\u0600-\u0605\u061c\u06dd\u070f\u0890\u0891\u08e2\u115f\u1160"
    r"\u17b4\u17b5\u180b-\u180f\u2000-\u200f\u2028-\u202f\u205f-\u206f\u2800\u3000\u3164"
    r"\ufe00-\ufe0f\ufeff\uffa0\ufff9-\ufffb"
    "\U000110bd\U000110cd\U00013430-\U0001343f\U00016fe4\U0001bca0-\U0001bca3\U0001d159"
    "\U0001d173-\U0001d17a\U000e0000-\U000e0fff"
)
_SEEN = re.compile(f"[^{UNSEEN}]")
_CUT = "(cut here: the review page has the whole)"
# Blanks that would not be seen, or not be counted.
_BLANKS = re.compile(r"^ +| +$| {2,}| +(?=\r?\n)|(?<=\n) +")
_LINE_BREAK = re.compile(r"\r?\n")
_ISOLATE, _END = "\u2067", "\u2069"
_UNITS = (("day", 86_400), ("hour", 3_600), ("minute", 60))


def plain_text(text: str) -> str:
    """The whole text on one line, in which no character hides or reorders others.

    Line breaks become `↵`, blanks in a row or at an end `␣`, and a character that could mislead its
    code, such as `[U+202E]`. Words that are written from right to left are isolated.
    """
    shown = _BLANKS.sub(lambda blanks: "␣" * len(blanks[0]), text)
    return "".join(_SHOWN[piece.kind](piece.text) for piece in pieces(shown))


def marked(text: str) -> str:
    """Like `plain_text`, with line breaks and blanks as they are: for text on a terminal."""
    return "".join(part if kind == "plain" else _SHOWN[kind](part) for kind, part in pieces(text))


def code_of(character: str) -> str:
    """The code of a character in brackets: `[U+202E]`."""
    return f"[U+{ord(character):04X}]"


def _without_backticks(text: str) -> str:
    return text.replace("`", code_of("`"))


def quoted(
    text: str, at_most: int | None = None, escape: Callable[[str], str] = _without_backticks
) -> str:
    """The plain text between backticks, cut after `at_most` characters.

    A host that renders Markdown shows such a span as it is, without links or headings. `escape`
    replaces backticks, with which the text could leave it.
    """
    plain = escape(plain_text(text))
    if at_most is None or len(plain) <= at_most:
        return f"`{plain}`"
    cut = plain[:at_most]
    return f"`{cut}{_END * (cut.count(_ISOLATE) - cut.count(_END))}` … {_CUT}"


def time_in_words(seconds: float) -> str:
    """A duration in the largest unit of which there are at least two: "119 seconds", "2 hours".

    It is rounded down, so that it never promises too much time; static/loopin.js does the same.
    """
    left = max(0, int(seconds))
    fitting = ((name, length) for name, length in _UNITS if left >= 2 * length)
    name, length = next(fitting, ("second", 1))
    count = left // length
    return f"{count} {name}{'' if count == 1 else 's'}"


def counted(number: int, noun: str) -> str:
    """A number of things in words: "1 line", "2,000 lines"."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def folded(text: str) -> str:
    """The text in a form in which texts that differ only in case or encoding are equal."""
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())


def is_blank(text: str) -> bool:
    """Whether the text shows nothing."""
    return _SEEN.search(text) is None


def _one_line(text: str) -> str:
    return _LINE_BREAK.sub(" ↵ ", text).replace("\t", code_of("\t"))


_SHOWN: Mapping[Kind, Callable[[str], str]] = {
    "plain": _one_line,
    "coded": lambda text: "".join(map(code_of, text)),
    "rtl": lambda text: f"{_ISOLATE}{_one_line(text)}{_END}",
}
