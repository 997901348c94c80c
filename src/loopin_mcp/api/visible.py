"""Shows text whole: bidirectional controls and characters without a glyph by their code."""

import json
import re
import unicodedata

from markupsafe import Markup, escape
from pydantic import JsonValue

# Categories whose characters have no glyph: controls, formats, surrogates, private use,
# unassigned, line and paragraph separators.
_HIDDEN_CATEGORIES = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
# Letters, symbols and marks that draw nothing: fillers, the blank Braille cell, the null note
# head, variation selectors.
_BLANK = frozenset("\u115f\u1160\u3164\uffa0\u2800\u034f\u17b4\u17b5\U00016fe4\U0001d159") | {
    chr(code) for code in (*range(0x180B, 0x1810), *range(0xFE00, 0xFE10), *range(0xE0100, 0xE01F0))
}
# What may stand inside an emoji: a joiner, the emoji style and, as one that ends it, a skin tone.
_JOINER, _EMOJI_STYLE, _KEYCAP = "\u200d", "\ufe0f", "\u20e3"
_SKIN_TONES = frozenset(map(chr, range(0x1F3FB, 0x1F400)))
_NOT_PLAIN = re.compile(r"[^ -~\n\t]")
_JSON_STRING = re.compile(r'("(?:[^"\\]|\\.)*")(?=(:)?)')


def visible(text: str) -> Markup:
    """The text as HTML, each character that would not be seen replaced by its code."""
    return Markup(_NOT_PLAIN.sub(_shown, escape(text)))  # noqa: S704 - it is escaped first


def visible_json(value: JsonValue) -> Markup:
    """Formatted JSON as HTML, each string isolated lest its direction reorder its neighbours."""
    text = json.dumps(value, indent=2, ensure_ascii=False)
    # Outside its strings, JSON holds nothing to escape.
    return Markup(_JSON_STRING.sub(_isolated, text))  # noqa: S704 - its strings are escaped


def _isolated(match: re.Match[str]) -> str:
    kind = "json-name" if match[2] else "json-text"
    return f'<bdi class="{kind}">{visible(match[1])}</bdi>'


def _shown(match: re.Match[str]) -> str:
    character = match[0]
    if not _is_hidden(character) or _is_drawn(match.string, match.start()):
        return character
    name = unicodedata.name(character, "unnamed character")
    # A bdi, since `dir=auto` around it looks past one for the text's own direction.
    return f'<bdi class="hidden-character" title="{name}">U+{ord(character):04X}</bdi>'


def _is_hidden(character: str) -> bool:
    return character in _BLANK or unicodedata.category(character) in _HIDDEN_CATEGORIES


def _is_drawn(text: str, index: int) -> bool:
    """Whether a character without a glyph of its own changes what is drawn beside it."""
    character, before, after = text[index], text[index - 1 : index], text[index + 1 : index + 2]
    if character == "\r":
        return after == "\n"
    if character == _EMOJI_STYLE:
        return _is_symbol(before) or after == _KEYCAP
    joins = _is_symbol(before) or before in _SKIN_TONES or before == _EMOJI_STYLE
    return character == _JOINER and joins and _is_symbol(after)


def _is_symbol(character: str) -> bool:
    return character != "" and unicodedata.category(character) == "So"
