"""Shows text whole: bidirectional controls and characters without a glyph by their code."""

import json
import re
import unicodedata

from markupsafe import Markup, escape
from pydantic import JsonValue

from loopin_mcp.plain import is_unseen

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
    character, text, index = match[0], match.string, match.start()
    if not is_unseen(text, index) or (character == "\r" and text[index + 1 : index + 2] == "\n"):
        return character
    name = unicodedata.name(character, "unnamed character")
    # A bdi, since `dir=auto` around it looks past one for the text's own direction.
    return f'<bdi class="hidden-character" title="{name}">U+{ord(character):04X}</bdi>'
