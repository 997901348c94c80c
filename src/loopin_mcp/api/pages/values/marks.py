"""Text as HTML in which nothing hides: a line of code, and a long text in two parts."""

import html
import re

from markupsafe import Markup

from loopin_mcp.api.pages.filters import visible_pieces
from loopin_mcp.wire.misleading import Piece, has_left_to_right, pieces

# Nobody reads a longer line of code; it is shown by itself.
LONGEST_LINE = 500
_ASCII = re.compile(r"[ -~\t]*")
# Between these, words of code keep their places.
_PUNCTUATION = re.compile(r"([!-/:-@\[-`{-~]+)")
# Blanks that would push the rest of a line out of a box that scrolls sideways.
_GAP = re.compile(r"[ \t]{40,}(?=[^ \t\n])")


def with_gaps(shown: str) -> str:
    """HTML of code with its wide gaps marked: they are narrow, and say how wide they were."""
    return _GAP.sub(_gap, shown)


def _gap(found: re.Match[str]) -> str:
    return f'<span class="gap" data-blanks="{len(found[0])}">{found[0]}</span>'


def escaped(text: str) -> str:
    """The text as the content of an element."""
    return html.escape(text, quote=False)


def is_plain(line: str) -> bool:
    """Whether no character of a line could mislead or change its direction."""
    return bool(_ASCII.fullmatch(line)) or all(kind == "plain" for kind, _ in pieces(line))


def code_line(line: str) -> str:
    """A line of code as HTML, whose parts stay in the order of its characters.

    Empty for a line that is too long: such a line is shown by itself.
    """
    if len(line) > LONGEST_LINE:
        return ""
    if _ASCII.fullmatch(line):
        return escaped(line)
    found: list[Piece] = []
    for piece in pieces(line):
        if piece.kind == "rtl":
            parts = enumerate(_PUNCTUATION.split(piece.text))
            found += [Piece("plain" if at % 2 else "rtl", part) for at, part in parts if part]
        else:
            found.append(piece)
    return visible_pieces(found, isolates=True)


def halves(text: str, at: int) -> tuple[Markup, Markup]:
    """A text as HTML in two parts, marked as a whole: a cut must not change what a word is."""
    parts: tuple[list[Piece], list[Piece]] = ([], [])
    left = at
    for kind, part in pieces(text):
        for half, cut in zip(parts, (part[:left], part[left:]), strict=True):
            if cut:
                half.append(Piece(kind, cut))
        left = max(0, left - len(part))
    isolates = has_left_to_right(text)
    first, rest = (visible_pieces(half, isolates=isolates) for half in parts)
    return first, rest
