"""What a text is: found by its hint, by its name, and by looking at it."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from pydantic import JsonValue

Form = Literal["text", "code", "diff", "markdown"]


@dataclass(frozen=True)
class Kind:
    """How a text is shown: its form, what it is called, and the language of code."""

    form: Form
    label: str = ""
    language: str = ""


TEXT = Kind("text")
CODE = Kind("code", "Code")
DIFF = Kind("diff", "Diff")
MARKDOWN = Kind("markdown", "Markdown")
SHELL = Kind("code", "Shell", "bash")
SQL = Kind("code", "SQL", "sql")
JSON = Kind("code", "JSON", "json")

# What a name may end in after its last underscore, and what `$type` may be.
ENDINGS: Mapping[str, Kind] = {
    "md": MARKDOWN,
    "markdown": MARKDOWN,
    "diff": DIFF,
    "patch": DIFF,
    "sh": SHELL,
    "bash": SHELL,
    "shell": SHELL,
    "sql": SQL,
    "json": JSON,
    "py": Kind("code", "Python", "python"),
    "python": Kind("code", "Python", "python"),
    "js": Kind("code", "JavaScript", "javascript"),
    "ts": Kind("code", "TypeScript", "typescript"),
    "go": Kind("code", "Go", "go"),
    "rs": Kind("code", "Rust", "rust"),
    "java": Kind("code", "Java", "java"),
    "rb": Kind("code", "Ruby", "ruby"),
    "yaml": Kind("code", "YAML", "yaml"),
    "yml": Kind("code", "YAML", "yaml"),
    "toml": Kind("code", "TOML", "toml"),
    "ini": Kind("code", "INI", "ini"),
    "html": Kind("code", "HTML", "html"),
    "xml": Kind("code", "XML", "xml"),
    "css": Kind("code", "CSS", "css"),
    "txt": TEXT,
}
# Words that would end too many names of other things.
TYPES: Mapping[str, Kind] = {**ENDINGS, "text": TEXT, "code": CODE}
_NAMES: Mapping[str, Kind] = {
    **dict.fromkeys(("bash", "cmd", "command", "script", "shell"), SHELL),
    **dict.fromkeys(("sql", "statement"), SQL),
    "code": CODE,
}

_DIFF = re.compile(
    r"\A(?:diff --git |\*\*\* Begin Patch|(?:.*\n){0,4}?(?:--- .*\n\+\+\+ .*(?:\n|\Z)|@@ -\d))"
)
_SHEBANG = re.compile(r"\A#!\S*/(?:env +)?(\w+)")
_INTERPRETERS = {"python": "py", "python3": "py", "node": "js", "ruby": "rb"}
_SQL = re.compile(
    r"\A\s*(?:SELECT\b[^;]*\bFROM\b|INSERT INTO\b|DELETE FROM\b|UPDATE\b[^;]*\bSET\b|TRUNCATE\b"
    r"|(?:CREATE|ALTER|DROP)\s+(?:TABLE|INDEX|VIEW|SCHEMA|DATABASE|USER|ROLE)\b)"
)
_CODE_LINE = re.compile(
    r"[;{}]\s*$|^\s*(?:import|from|def|class|func|const|let|var|public|private|return|#include)\b"
    r".*|^\s*(?://|/\*|\)|\]).*"
)
_HEADING = re.compile(r"^#{1,6} \S", re.MULTILINE)
_FENCE = re.compile(r"^```", re.MULTILINE)
_MARKUP = re.compile(r"^\s{0,3}(?:[-*+]|\d+\.) \S|\*\*\w|\]\(|^> |^\|.*\|$", re.MULTILINE)
_LOOKED_AT = 4000
# Text with longer lines is read better if it wraps.
_LONGEST_CODE = 160


def kind_of(name: str, text: str, *, is_code: bool = False) -> Kind:
    """What a text with this name is. The ending of its name counts before what it looks like.

    If it `is_code`, as in a tool's call, short lines are code.
    """
    ending = name.rpartition("_")[2].lower()
    if "_" in name and ending in ENDINGS:
        return ENDINGS[ending]
    found = _looks(text[:_LOOKED_AT]) or (JSON if _is_json(text) else None)
    found = found or _NAMES.get(name.lower())
    is_code = is_code and max(map(len, text.split("\n"))) <= _LONGEST_CODE
    return found or (CODE if is_code else TEXT)


def _looks(text: str) -> Kind | None:
    """What a text is by its beginning, if that is beyond doubt."""
    if _DIFF.match(text):
        return DIFF
    if found := _SHEBANG.match(text):
        return ENDINGS[_INTERPRETERS.get(found[1], "sh")]
    if _SQL.match(text):
        return SQL
    lines = [line for line in text.split("\n") if line.strip()]
    if len(lines) < 3:
        return None
    if _is_markdown(text):
        return MARKDOWN
    like_code = sum(1 for line in lines if _CODE_LINE.search(line[:200]))
    return CODE if like_code * 5 >= len(lines) * 2 else None


def _is_markdown(text: str) -> bool:
    marks = len(_MARKUP.findall(text))
    headings, fences = len(_HEADING.findall(text)), len(_FENCE.findall(text))
    return (headings > 0 and marks + fences + headings > 1) or (fences > 1 and marks > 0)


def _is_json(text: str) -> bool:
    """Whether a text is a JSON object or list."""
    if text[:1] + text[-1:] not in ("{}", "[]") or len(text) < 3:
        return False
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True


def typed(value: JsonValue) -> tuple[Kind, str] | None:
    """The kind and text of `{"$type": "…", "text": "…"}` with nothing else to show.

    The type must be a known one: any other would be an agent's words among those of LoopIn.
    """
    if isinstance(value, dict) and value.keys() == {"$type", "text"}:
        match value["$type"], value["text"]:
            case str(kind), str(text) if kind in TYPES:
                return TYPES[kind], text
    return None
