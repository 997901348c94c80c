"""Changes that hosts already write as text: patches, and cells of notebooks."""

import re
from typing import TYPE_CHECKING

from loopin_mcp.gate.calls import JSONObject
from loopin_mcp.gate.changes import Change, diff_of
from loopin_mcp.gate.files import File, NoTextError, file_of, path_in
from loopin_mcp.gate.secret_files import masked_text
from loopin_mcp.wire.strict_json import read_strictly

if TYPE_CHECKING:
    from pydantic import JsonValue

_PATCHES = ("command", "input", "patch")
_BEGIN = "*** Begin Patch"
_FILE = re.compile(r"\s*\*\*\* (Add File|Update File|Delete File|Move to):(.*)")


def patch_in(fields: JSONObject, directory: str) -> Change:
    """The change of a patch in the form of Codex, which is shown as it is.

    Raises:
        NoTextError: The input has none, or several.
    """
    match [(key, fields[key]) for key in _PATCHES if key in fields]:
        case [(key, str(patch))] if _BEGIN in patch:
            return _change_of(key, patch, directory)
    raise NoTextError


def _change_of(key: str, patch: str, directory: str) -> Change:
    lines: list[str] = []
    files: dict[File, str] = {}
    secret = ""
    for line in patch.split("\n"):
        if head := _FILE.fullmatch(line):
            file = file_of(head[2].strip(), directory)
            files[file] = head[1]
            # A secret that moves is still one.
            secret = secret if head[1] == "Move to" else ""
            secret = file.name if file.is_secret else secret
        elif secret and not line.startswith("***"):
            line = line[:1] + masked_text(line[1:], secret)
        lines.append(line)
    if not files:
        raise NoTextError
    creates = set(files.values()) == {"Add File"}
    return Change(tuple(files), "\n".join(lines), frozenset({key}), creates)


def cell_change_in(fields: JSONObject, directory: str) -> Change:
    """The change of one cell of a Jupyter notebook.

    Raises:
        NoTextError: It cannot be computed.
    """
    file = file_of(path_in(fields), directory)
    mode, source = fields.get("edit_mode", "replace"), fields.get("new_source", "")
    if mode not in ("replace", "insert", "delete") or not isinstance(source, str):
        raise NoTextError
    before = "" if mode == "insert" else _source_of(_cell(file, fields))
    diff = diff_of(file, before, "" if mode == "delete" else source)
    shown = frozenset({"new_source"} & fields.keys())
    return Change((file,), diff, shown, new=frozenset() if mode == "delete" else shown)


def _cell(file: File, fields: JSONObject) -> "JsonValue":
    try:
        notebook = read_strictly(file.read() or "")
    except (ValueError, RecursionError) as error:
        raise NoTextError from error
    cells = notebook.get("cells") if isinstance(notebook, dict) else None
    wanted = fields.get("cell_id")
    for cell in cells if isinstance(cells, list) else []:
        if wanted and isinstance(cell, dict) and cell.get("id") == wanted:
            return cell
    raise NoTextError


def _source_of(cell: "JsonValue") -> str:
    source = cell.get("source") if isinstance(cell, dict) else None
    if isinstance(source, list):
        source = "".join(map(str, source))
    if not isinstance(source, str):
        raise NoTextError
    return source
