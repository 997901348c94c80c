"""Lists of flat objects as tables, and other nested values as trees folded by level."""

import json
from collections.abc import Callable, Iterable, Sequence

from pydantic import JsonValue

from loopin_mcp.api.pages.filters import formatted, visible_json
from loopin_mcp.api.pages.values.folds import (
    FIRST_ROWS,
    MOST_ROWS,
    Lines,
    box,
    in_boxes,
    numbered,
    part,
)
from loopin_mcp.wire.plain_text import counted

# A value of a tree by its name, as HTML.
Show = Callable[[str, JsonValue, int], str]

_MOST_COLUMNS, _LONGEST_CELL = 12, 200
# A table scrolls in its box, so that more rows than lines are within reach.
_MOST_TABLE_ROWS, _FIRST_TABLE_ROWS = 120, 60
# Larger trees are shown as JSON, whose HTML is shorter, and so are their deeper levels.
_MOST_VALUES, DEEPEST = 1500, 6


def columns_of(value: JsonValue) -> list[str]:
    """The columns of a table that shows a list of flat objects, or nothing for other values."""
    if not isinstance(value, list) or len(value) < 2:
        return []
    rows = [item for item in value if isinstance(item, dict)]
    columns = list(dict.fromkeys(name for row in rows for name in row))
    is_full = sum(map(len, rows)) * 2 >= len(columns) * len(value)
    if len(rows) < len(value) or not is_full or len(columns) > _MOST_COLUMNS:
        return []
    return columns if all(_is_cell(cell) for row in rows for cell in row.values()) else []


def _is_cell(value: JsonValue) -> bool:
    if isinstance(value, str):
        return len(value) <= _LONGEST_CELL and value.count("\n") < 4
    return not isinstance(value, dict | list)


def table(label: str, rows: Sequence[JsonValue], columns: Sequence[str]) -> str:
    """A list of flat objects as a table with a head that stays."""
    if len(rows) <= _MOST_TABLE_ROWS:
        return _table(label, rows, columns)
    first, rest = rows[:_FIRST_TABLE_ROWS], rows[_FIRST_TABLE_ROWS:]
    folded = part(f"Rest: {counted(len(rest), 'row')}", _table(label, rest, columns))
    return _table(label, first, columns) + folded


def _table(label: str, rows: Sequence[JsonValue], columns: Sequence[str]) -> str:
    objects = [row for row in rows if isinstance(row, dict)]
    head = "".join(_heading(objects, name) for name in columns)
    body = "".join(f"<tr>{''.join(_cell(row, name) for name in columns)}</tr>" for row in objects)
    content = f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody>"
    return box(label, f'<table class="grid">{content}</table>')


def _heading(rows: Sequence[dict[str, JsonValue]], name: str) -> str:
    """The head of a column, on the side where its values are."""
    kind = ' class="number"' if all(is_number(row[name]) for row in rows if name in row) else ""
    return f'<th scope="col" dir="auto"{kind}>{formatted(name)}</th>'


def _cell(row: dict[str, JsonValue], name: str) -> str:
    if name not in row:
        return "<td></td>"
    value = row[name]
    if isinstance(value, str):
        return f'<td dir="auto">{formatted(value)}</td>'
    kind = ' class="number"' if is_number(value) else ""
    return f"<td{kind}>{formatted(value)}</td>"


def is_number(value: JsonValue) -> bool:
    """Whether a value is a number; `True` is not, although Python counts it as one."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def is_for_tree(value: JsonValue) -> bool:
    """Whether a value is small enough for a tree."""
    count = 0
    level: list[JsonValue] = [value]
    while level and count <= _MOST_VALUES:
        level = [inner for item in level for inner in children_of(item).values()]
        count += len(level)
    return count <= _MOST_VALUES


def children_of(value: JsonValue) -> dict[str, JsonValue]:
    """The values in a value by their names; those of a list are numbered from 1."""
    if isinstance(value, list):
        return {str(number): item for number, item in enumerate(value, 1)}
    return value if isinstance(value, dict) else {}


def open_levels(value: JsonValue) -> int:
    """How many levels of a tree are open at first: as many as fit on a screen."""
    rows = levels = 0
    level: list[JsonValue] = [value]
    while level:
        level = [inner for item in level for inner in children_of(item).values()]
        rows += len(level)
        if rows > FIRST_ROWS:
            break
        levels += 1
    return levels


def tree(value: JsonValue, show: Show, depth: int = 1) -> str:
    """A nested value, in which `show` gives the HTML of each item."""
    items = list(children_of(value).items())
    cut = len(items) if len(items) <= MOST_ROWS else FIRST_ROWS
    shown = _list((show(name, item, depth) for name, item in items[:cut]))
    if rest := items[cut:]:
        others = _list(show(name, item, depth) for name, item in rest)
        shown += part(f"Rest: {counted(len(rest), 'value')}", others)
    return shown


def _list(items: Iterable[str]) -> str:
    return f'<ul class="tree">{"".join(f"<li>{item}</li>" for item in items)}</ul>'


def as_json(label: str, value: JsonValue) -> str:
    """A value as formatted JSON in lines."""
    texts = json.dumps(value, indent=2, ensure_ascii=False).split("\n")
    # Strings of JSON have no line breaks of their own.
    htmls = str(visible_json(value)).split("\n")
    lines = Lines(label, texts, lambda start, end: "\n".join(htmls[start:end]), numbered(texts))
    return in_boxes(lines)
