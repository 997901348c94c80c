"""A context as a reviewer reads it: each value by what it is."""

import json
from dataclasses import dataclass

from markupsafe import Markup
from pydantic import JsonValue

from loopin_mcp.api.pages.filters import LIKE_OTHERS, formatted, visible, visible_name
from loopin_mcp.api.pages.values.budget import Budget
from loopin_mcp.api.pages.values.code import code, lines_of
from loopin_mcp.api.pages.values.diffs import diff, summary_of
from loopin_mcp.api.pages.values.folds import (
    FIRST_ROWS,
    MOST_ROWS,
    PART,
    prose,
    size_of,
)
from loopin_mcp.api.pages.values.kinds import Kind, kind_of, typed
from loopin_mcp.api.pages.values.markdown import markdown
from loopin_mcp.api.pages.values.tables import (
    DEEPEST,
    as_json,
    columns_of,
    is_for_tree,
    open_levels,
    table,
    tree,
)
from loopin_mcp.wire.models import Interrupt
from loopin_mcp.wire.plain_text import counted

# Longer prose has a line of its own.
_LONGEST, _MOST_LINES = 300, 3


@dataclass(frozen=True)
class Value:
    """A value as HTML under its name, with a note of its kind and size.

    A wide one has a line of its own. `copied` is the JSON of the text that a button copies, or
    empty if that is the text of the HTML.
    """

    name: Markup
    html: Markup
    note: Markup
    is_wide: bool
    copied: str
    is_code: bool


@dataclass(frozen=True)
class Context:
    """All values of a context, the rest of which fold if they are many."""

    first: tuple[Value, ...]
    rest: tuple[Value, ...]

    @property
    def parts(self) -> int:
        """How many parts are folded, and count as not opened."""
        values = (*self.first, *self.rest)
        return sum(value.html.count(PART) for value in values) + (1 if self.rest else 0)

    @property
    def unopened(self) -> str:
        """How many parts are not opened, in words; empty for none."""
        return f"{counted(self.parts, 'part')} not opened" if self.parts else ""


def shown_context(interrupt: Interrupt) -> Context:
    """Each value of the context of an interrupt; the texts in a tool's call are code."""
    reader = _Reader(is_code=interrupt.call is not None)
    values = [reader.value(name, value) for name, value in (interrupt.context or {}).items()]
    cut = FIRST_ROWS if len(values) > MOST_ROWS else len(values)
    return Context(tuple(values[:cut]), tuple(values[cut:]))


class _Reader:
    """Renders the values of one context."""

    def __init__(self, *, is_code: bool) -> None:
        self._is_code = is_code
        self._budget = Budget()
        self._opened = 0

    def value(self, name: str, value: JsonValue) -> Value:
        """A value of the context itself."""
        self._opened = open_levels(value)
        html, note, is_wide = self._rendered(name, value, 1)
        text = _text_of(value)
        is_bare = text.strip() and text not in LIKE_OTHERS
        is_exact = is_bare and "\r" not in text and "hidden-character" not in html
        copied = "" if is_exact and not is_wide else json.dumps(text, ensure_ascii=False)
        return Value(
            formatted(name),
            Markup(html),  # noqa: S704 - its parts are escaped
            note,
            is_wide,
            copied,
            self._is_code,
        )

    def _rendered(self, name: str, value: JsonValue, depth: int) -> tuple[str, Markup, bool]:
        """The HTML of a value, a note of its kind and size, and whether it needs the width."""
        if isinstance(value, str) and value.strip():
            return self._text(name, value, kind_of(name, value, is_code=self._is_code))
        if pair := typed(value):
            kind, text = pair
            return self._text(name, text, kind)
        if not isinstance(value, dict | list) or not value:
            return formatted(value), Markup(), False
        return *self._nested(name, value, depth), True

    def _text(self, name: str, text: str, kind: Kind) -> tuple[str, Markup, bool]:
        texts = lines_of(text)
        if kind.form == "text" and len(texts) <= _MOST_LINES and len(text) <= _LONGEST:
            return formatted(text), visible_name(kind.label), False
        label = f"{name}, {kind.label}" if kind.label else name
        size = size_of(texts) if len(texts) > 1 else ""
        if kind.form == "diff":
            html = diff(label, text, self._budget)
            size = f"{summary_of(text)} · {size_of(texts)}"
        elif kind.form == "code":
            html = code(label, text, kind.language, self._budget)
        elif kind.form == "markdown":
            html = markdown(label, text, self._budget)
        else:
            html = prose(label, texts)
        if html.startswith("<code"):
            return html, Markup(), False
        note = visible_name(" · ".join(filter(None, (kind.label, size))))
        return html, note, True

    def _nested(
        self, name: str, value: dict[str, JsonValue] | list[JsonValue], depth: int
    ) -> tuple[str, Markup]:
        if columns := columns_of(value):
            rows = value if isinstance(value, list) else []
            return table(name, rows, columns), visible(counted(len(rows), "row"))
        size = visible(counted(len(value), "item" if isinstance(value, list) else "field"))
        if depth > DEEPEST or (depth == 1 and not is_for_tree(value)):
            return as_json(name, value), size
        return tree(value, self._item, depth), size

    def _item(self, name: str, value: JsonValue, depth: int) -> str:
        """A value of a tree under its name."""
        html, note, is_wide = self._rendered(name, value, depth + 1)
        label = f'<bdi class="name">{formatted(name)}</bdi>'
        if note:
            label += f' <span class="note">{note}</span>'
        if not is_wide:
            return f'{label} <span class="value" dir="auto">{html}</span>'
        is_open = depth < self._opened or isinstance(value, str)
        start = PART.replace(">", " open>") if is_open else PART
        return f"{start}<summary>{label}</summary>{html}</details>"


def _text_of(value: JsonValue) -> str:
    """The text that the button of a value copies."""
    if isinstance(value, str):
        return value
    pair = typed(value)
    return pair[1] if pair else json.dumps(value, indent=2, ensure_ascii=False)
