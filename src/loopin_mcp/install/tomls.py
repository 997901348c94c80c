"""TOML, edited in place: comments, order and line ends stay as they are."""

import re
import tomllib
from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager

import tomlkit
from tomlkit.exceptions import TOMLKitError

from loopin_mcp.errors import ConfigurationError
from loopin_mcp.install.jsonc import JSON, Keys

_MARK = "\ufeff"


def put(text: str, keys: Keys, value: JSON) -> str:
    """The text with a value in this place; missing tables on the way to it are made.

    Raises:
        ConfigurationError: Something on the way to it is not a table.
    """
    with _editing(text) as document:
        *way, last = map(str, keys)
        table: MutableMapping[str, object] = document
        for key in way:
            found = table.setdefault(key, tomlkit.table(is_super_table=isinstance(value, dict)))
            if not isinstance(found, MutableMapping):
                raise ConfigurationError(f"not usable ({key} is not a table)")
            table = found
        is_new = last not in table
        table[last] = value
        after = tomlkit.dumps(document)
    if is_new:
        # tomlkit puts it below the comments above the next table.
        add = _appended if isinstance(value, dict) else _inserted
        after = _first_like(add(text, keys, value), after)
    return _with_line_ends_of(text, after)


def drop(text: str, keys: Keys) -> str:
    """The text without the value in this place, which must be there."""
    with _editing(text) as document:
        *way, last = map(str, keys)
        table: MutableMapping[str, object] = document
        for key in way:
            found = table[key]
            assert isinstance(found, MutableMapping)
            table = found
        del table[last]
        after = tomlkit.dumps(document)
    # tomlkit would take the comments above the next table along.
    return _first_like(_without_tables(text, keys), after)


def show(value: dict[str, JSON]) -> str:
    """A table as a text."""
    return tomlkit.dumps(value)


@contextmanager
def _editing(text: str) -> Iterator[tomlkit.TOMLDocument]:
    """The document that a text is.

    Raises:
        ConfigurationError: tomlkit cannot read or edit it, although it may be valid.
    """
    try:
        yield tomlkit.parse(text.removeprefix(_MARK))
    except TOMLKitError as error:
        raise ConfigurationError("written in a way that cannot be edited safely") from error


def _first_like(text: str, other: str) -> str:
    """The text, if it means the same as the other one, or else that one."""
    try:
        same = tomllib.loads(text.removeprefix(_MARK)) == tomllib.loads(other)
    except tomllib.TOMLDecodeError:
        same = False
    return text if same else other


def _appended(text: str, keys: Keys, value: JSON) -> str:
    """The text with a table at its end, after a blank line."""
    *way, last = map(str, keys)
    tables: dict[str, JSON] = {last: value}
    for key in reversed(way):
        tables = {key: tables}
    end = "" if text.endswith("\n") or not text else "\n"
    blank = "\n" if text.strip(f"{_MARK} \r\n") else ""
    return f"{text}{end}{blank}{tomlkit.dumps(tables)}"


def _inserted(text: str, keys: Keys, value: JSON) -> str:
    """The text with a value below the header of its table, if it has one."""
    *way, last = keys
    header = re.search(rf"^{_header(tuple(way))}\].*\n", text, re.MULTILINE)
    at = header.end() if header else 0
    return text[:at] + tomlkit.dumps({str(last): value}) + text[at:]


def _header(keys: Keys) -> str:
    """A regular expression of the start of a table's header."""
    names = (rf"(?:{key}|'{key}'|\"{key}\")" for key in map(re.escape, map(str, keys)))
    return r"\s*\[\s*" + r"\s*\.\s*".join(names) + r"\s*"


def _without_tables(text: str, keys: Keys) -> str:
    """The text without the lines of a table and its subtables."""
    own_header = re.compile(rf"{_header(keys)}[.\]]")
    kept: list[str] = []
    # Blanks and comments that may belong to the next table.
    held: list[str] = []
    is_inside = False
    for line in text.splitlines(keepends=True):
        if line.lstrip().startswith("["):
            is_inside = own_header.match(line) is not None
            kept += [] if is_inside else held
            held = []
        elif is_inside:
            held = [*held, line] if not line.split("#")[0].strip() else []
        if not is_inside:
            kept.append(line)
    return "".join(kept + held)


def _with_line_ends_of(before: str, after: str) -> str:
    """The text with CRLF on every line, if that was so before."""
    if "\r\n" not in before or "\n" in before.replace("\r\n", ""):
        return after
    return after.replace("\r\n", "\n").replace("\n", "\r\n")
