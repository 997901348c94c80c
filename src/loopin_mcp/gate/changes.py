"""A change of files as a unified diff, from a tool's input and the files as they are."""

import difflib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from loopin_mcp.gate.calls import JSONObject
from loopin_mcp.gate.files import MOST_BYTES, File, NoTextError, file_of, path_in
from loopin_mcp.gate.secret_files import PATH_KEYS, masked_text

if TYPE_CHECKING:
    from pydantic import JsonValue

# How hosts name the fields of their tools that write files.
_CONTENTS = ("content", "contents", "file_text", "fileText")
_PAIRS = (("old_string", "new_string"), ("oldString", "newString"), ("old_str", "new_str"))
_ALL = ("replace_all", "replaceAll", "allow_multiple")
_LISTS = ("edits", "replacements")
_INSERTED = ("insert_text", "new_str")
_NEW = frozenset((*_CONTENTS, *_INSERTED, *(new for _, new in _PAIRS)))
_LONG = frozenset((*_CONTENTS, *_LISTS, *_INSERTED, "insert_line", *(k for p in _PAIRS for k in p)))
# What an edit in a list may have: the diff shows it or its result.
_OF_EDITS = _LONG | {*PATH_KEYS, *_ALL, "expected_replacements", "explanation"}
_LINE = re.compile(r"[^\n]*\n|[^\n]+")
_NO_NEWLINE = "\\ No newline at end of file\n"


@dataclass(frozen=True)
class Change:
    """A change of files, and the fields of the input that the diff shows.

    `new` are those of them whose text a human may edit.
    """

    files: tuple[File, ...]
    diff: str
    shown: frozenset[str]
    creates: bool = False
    new: frozenset[str] = frozenset()


def change_in(fields: JSONObject, directory: str) -> Change:
    """The change that the input of a tool makes in a working directory.

    Raises:
        NoTextError: It cannot be computed, so that the input itself has to be shown.
    """
    texts: dict[File, tuple[str | None, str]] = {}
    for edit in _edits(fields):
        file = file_of(path_in(edit), directory)
        before, now = texts[file] if file in texts else (file.read(),) * 2
        texts[file] = before, _edited(edit, now)
    diff = "".join(diff_of(file, *texts[file]) for file in texts)
    creates = all(before is None for before, _ in texts.values())
    return Change(tuple(texts), diff, _LONG & fields.keys(), creates, _NEW & fields.keys())


def diff_of(file: File, before: str | None, after: str) -> str:
    """The difference of two texts of a file, whose values are masked if it holds secrets.

    Raises:
        NoTextError: They do not differ.
    """
    old, new = (_LINE.findall(text or "") for text in (before, after))
    names = "/dev/null" if before is None else file.shown, file.shown
    heads = [f"--- {names[0]}\n", f"+++ {names[1]}\n"]
    found = list(difflib.unified_diff(old, new))[len(heads) :]
    if not found:
        raise NoTextError
    return "".join([*heads, *(_shown(line, file) for line in found)])


def _shown(line: str, file: File) -> str:
    mark, text = line[0], line[1:].removesuffix("\n")
    if mark != "@" and file.is_secret:
        text = masked_text(text, file.name)
    return f"{mark}{text}\n" + ("" if line.endswith("\n") else _NO_NEWLINE)


def _edits(fields: JSONObject) -> Iterator[JSONObject]:
    """Each edit of the input, with the path of its file.

    Raises:
        NoTextError: Only the tool knows which of the fields count.
    """
    key = next((key for key in _LISTS if key in fields), None)
    if key is None:
        yield fields
        return
    edits = fields[key]
    if not isinstance(edits, list) or (_LONG & fields.keys()) != {key}:
        raise NoTextError
    for edit in edits:
        if not isinstance(edit, dict) or edit.keys() - _OF_EDITS:
            raise NoTextError
        yield {name: fields[name] for name in PATH_KEYS if name in fields} | edit


def _edited(edit: JSONObject, before: str | None) -> str:
    """The text of a file after an edit.

    Raises:
        NoTextError: It is not an edit of one known form that fits the text.
    """
    given = _LONG & edit.keys()
    for old, new in _PAIRS:
        if given == {old, new}:
            return _replaced(edit, _text(edit, old), _text(edit, new), before)
    if len(given - {"insert_line"}) == 1:
        [key] = given - {"insert_line"}
        if "insert_line" in given and key in _INSERTED and before is not None:
            return _inserted(before, edit["insert_line"], _text(edit, key))
        if given == {key} and key in _CONTENTS:
            return _text(edit, key)
    raise NoTextError


def _text(edit: JSONObject, key: str) -> str:
    value = edit[key]
    if not isinstance(value, str):
        raise NoTextError
    return value


def _replaced(edit: JSONObject, old: str, new: str, before: str | None) -> str:
    """The text with one piece replaced, or all that are alike."""
    if not before and not old:
        return new
    every = [edit[key] for key in _ALL if key in edit]
    if not before or not old or not all(isinstance(value, bool) for value in every):
        raise NoTextError
    if "\r\n" in before and "\r" not in old:
        # Tools compare lines, and keep the ends that the file has.
        old, new = (re.sub("\r?\n", "\r\n", text) for text in (old, new))
    count = before.count(old)
    if not count or (not any(every) and count != edit.get("expected_replacements", 1)):
        raise NoTextError
    if len(before) + count * len(new) > MOST_BYTES:
        raise NoTextError
    return before.replace(old, new)


def _inserted(before: str, line: "JsonValue", text: str) -> str:
    lines = _LINE.findall(before)
    if not isinstance(line, int) or not 0 <= line <= len(lines):
        raise NoTextError
    end = "" if text.endswith("\n") else "\n"
    return "".join([*lines[:line], text + end, *lines[line:]])
