"""Makes visible what text can hide: bidirectional controls and characters without a glyph."""

import unicodedata

from markupsafe import Markup, escape

# Categories whose characters have no glyph: controls, formats, surrogates, private use,
# unassigned, line and paragraph separators.
_HIDDEN_CATEGORIES = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
# Letters, symbols and marks that draw nothing: fillers, the blank Braille cell, variation
# selectors.
_BLANK = frozenset("\u115f\u1160\u3164\uffa0\u2800\u034f\u17b4\u17b5") | {
    chr(code) for code in (*range(0x180B, 0x1810), *range(0xFE00, 0xFE10), *range(0xE0100, 0xE01F0))
}
_EMOJI_STYLE = "\ufe0f"


def visible(text: str) -> Markup:
    """The text as HTML, each character that would not be seen replaced by its code and name."""
    shown = []
    for index, character in enumerate(text):
        previous = text[index - 1] if index else ""
        if _is_hidden(character) and not _styles_emoji(character, previous):
            name = unicodedata.name(character, "control character")
            shown.append(
                Markup('<span class="hidden-character" title="{}">U+{:04X}</span>').format(
                    name, ord(character)
                )
            )
        else:
            shown.append(escape(character))
    return Markup("").join(shown)


def _is_hidden(character: str) -> bool:
    if character in "\n\t":
        return False
    return character in _BLANK or unicodedata.category(character) in _HIDDEN_CATEGORIES


def _styles_emoji(character: str, previous: str) -> bool:
    return character == _EMOJI_STYLE and bool(previous) and unicodedata.category(previous) == "So"
