"""JSON with comments and trailing commas, edited in place: all other text stays as it is."""

import json
import re
from dataclasses import dataclass, field
from typing import TypeAlias

from loopin_mcp.errors import ConfigurationError

JSON: TypeAlias = "bool | int | float | str | list[JSON] | dict[str, JSON] | None"
Keys = tuple[str | int, ...]

# A byte order mark counts as a blank.
_BLANK = re.compile(r"(?:[\ufeff \t\r\n]|//[^\r\n]*|/\*.*?\*/)*", re.DOTALL)
_SCALAR = re.compile(r'"(?:[^"\\\x00-\x1f]|\\.)*"|-?[0-9][0-9.eE+-]*|true|false|null')
# With a comment that ends there.
_REST_OF_LINE = re.compile(r"[ \t]*(?://[^\r\n]*|/\*(?:(?!\*/)[^\r\n])*\*/[ \t]*(?=[\r\n]))?")
_END_OF_LINE = re.compile(r"[ \t]*(?:\r?\n|$)")
_CLOSING = {"{": "}", "[": "]"}


@dataclass(frozen=True)
class Item:
    """A value in the text from `start` to `end`; a member of an object begins at its `key`."""

    key: int
    start: int
    end: int
    value: JSON
    items: dict[str | int, "Item"] = field(default_factory=dict)


def parse(text: str) -> Item:
    """The value that a text holds; of members with the same name, the last one counts.

    Raises:
        ConfigurationError: The text is not JSON with comments; it names the line and column.
    """
    try:
        start = _skip(text, 0)
        item = _value(text, start, start)
        if (end := _skip(text, item.end)) != len(text):
            raise _UnexpectedError(end)
    except _UnexpectedError as error:
        before = text[: error.at]
        line, column = before.count("\n") + 1, error.at - before.rfind("\n")
        raise ConfigurationError(f"not valid JSON at line {line}, column {column}") from error
    except RecursionError as error:
        raise ConfigurationError("JSON that is nested too deeply") from error
    return item


def is_blank(text: str) -> bool:
    """Whether a text has no value: only blanks and comments."""
    return _skip(text, 0) == len(text)


def put(text: str, keys: Keys, value: JSON) -> str:
    """The text with a value in this place; missing objects on the way to it are made.

    Raises:
        ConfigurationError: Something on the way to it is not an object.
    """
    item = parse(text)
    for depth, key in enumerate(keys):
        if text[item.start] != ("[" if isinstance(key, int) else "{"):
            place = ".".join(map(str, keys[:depth])) or "the whole"
            kind = "a list" if isinstance(key, int) else "an object"
            raise ConfigurationError(f"not usable ({place} is not {kind})")
        if key not in item.items:
            for missing in reversed(keys[depth + 1 :]):
                value = {str(missing): value}
            return _added(text, item, key, value)
        container, item = item, item.items[key]
    inline = _is_inline(text, container)
    rendered = _rendered(text, value, _indent_at(text, item.key), inline=inline)
    return text[: item.start] + rendered + text[item.end :]


def drop(text: str, keys: Keys) -> str:
    """The text without the member or element in this place, which must be there."""
    container = parse(text)
    for key in keys[:-1]:
        container = container.items[key]
    item = container.items[keys[-1]]
    length, start, end = len(text), item.key, item.end
    if text[comma := _skip(text, end)] == ",":
        # A comment before the comma is not the member's only, so it stays.
        text = text[:end] + text[end:comma].rstrip(" \t") + text[comma + 1 :]
    elif earlier := [other for other in container.items.values() if other.end <= start]:
        comma = _skip(text, earlier[-1].end)
        text = text[:comma] + text[comma + 1 :]
        start, end = start - 1, end - 1
    head = text[:start].rstrip(" \t")
    if _END_OF_LINE.match(text, end):
        head = head.removesuffix("\n").removesuffix("\r")
    text = head + text[end:]
    close = container.end - 1 - (length - len(text))
    if not text[container.start + 1 : close].strip():
        text = text[: container.start + 1] + text[close:]
    return text


class _UnexpectedError(Exception):
    def __init__(self, at: int) -> None:
        self.at = at


def _skip(text: str, at: int) -> int:
    found = _BLANK.match(text, at)
    return found.end() if found else at


def _value(text: str, key: int, at: int) -> Item:
    if text[at : at + 1] in tuple(_CLOSING):
        return _container(text, key, at)
    if (found := _SCALAR.match(text, at)) is None:
        raise _UnexpectedError(at)
    try:
        return Item(key, at, found.end(), json.loads(found[0]))
    except ValueError as error:
        raise _UnexpectedError(at) from error


def _container(text: str, key: int, start: int) -> Item:
    is_object, close = text[start] == "{", _CLOSING[text[start]]
    items: dict[str | int, Item] = {}
    at = _skip(text, start + 1)
    while text[at : at + 1] != close:
        name: str | int = len(items)
        place = at
        if is_object:
            name, at = _name(text, at)
            # The later of two members takes its place in the order, too.
            items.pop(name, None)
        items[name] = item = _value(text, place, at)
        at = _skip(text, item.end)
        if text[at : at + 1] == ",":
            at = _skip(text, at + 1)
        elif text[at : at + 1] != close:
            raise _UnexpectedError(at)
    value: JSON
    if is_object:
        value = {str(name): item.value for name, item in items.items()}
    else:
        value = [item.value for item in items.values()]
    return Item(key, start, at + 1, value, items)


def _name(text: str, at: int) -> tuple[str, int]:
    """The name of a member, and where its value begins."""
    name = _value(text, at, at)
    colon = _skip(text, name.end)
    if not isinstance(name.value, str) or text[colon : colon + 1] != ":":
        raise _UnexpectedError(colon if isinstance(name.value, str) else at)
    return name.value, _skip(text, colon + 1)


def _added(text: str, container: Item, key: str | int, value: JSON) -> str:
    """The text with a new last member or element of a container."""
    name = f"{json.dumps(key, ensure_ascii=False)}: " if isinstance(key, str) else ""
    items = list(container.items.values())
    inline = _is_inline(text, container)
    outer = _indent_at(text, container.key)
    indent = _indent_at(text, items[-1].key) if items and not inline else outer + _unit(text)
    member = name + _rendered(text, value, indent, inline=inline)
    line = "" if inline else _newline(text)
    if not items:
        at = container.start + 1
        inside = text[at : container.end - 1].rstrip()
        indent, outer = ("", "") if inline else (indent, outer)
        return f"{text[:at]}{inside}{line}{indent}{member}{line}{outer}{text[container.end - 1 :]}"
    last = items[-1].end
    if inline:
        return f"{text[:last]}, {member}{text[last:]}"
    comma = _skip(text, last)
    has_comma = text[comma] == ","
    rest = _REST_OF_LINE.match(text, comma + 1 if has_comma else last)
    at = rest.end() if rest else last
    mark, end = ("", ",") if has_comma else (",", "")
    return f"{text[:last]}{mark}{text[last:at]}{line}{indent}{member}{end}{text[at:]}"


def _is_inline(text: str, container: Item) -> bool:
    """Whether new members of a container go onto its line."""
    if container.items:
        first = next(iter(container.items.values()))
        return "\n" not in text[container.start : first.key]
    # An empty file gets lines; a file of one line stays one.
    return "\n" not in text.strip() and len(text.strip("\ufeff \t\r\n")) > len("{ }")


def _rendered(text: str, value: JSON, indent: str, *, inline: bool) -> str:
    if inline:
        return json.dumps(value, ensure_ascii=False)
    lines = json.dumps(value, ensure_ascii=False, indent=_unit(text)).split("\n")
    return (_newline(text) + indent).join(lines)


def _newline(text: str) -> str:
    return "\r\n" if "\r\n" in text else "\n"


def _unit(text: str) -> str:
    """What one level is indented by: as the first member of the whole."""
    first = _skip(text, _skip(text, 0) + 1)
    return _indent_at(text, first) or "  "


def _indent_at(text: str, at: int) -> str:
    """The blanks at the start of a line."""
    line = text[text.rfind("\n", 0, at) + 1 : at]
    return line[: len(line) - len(line.lstrip(" \t"))]
