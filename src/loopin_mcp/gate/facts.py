"""What a human needs to know about a tool call: one sentence, the facts, and the urgency."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal
from urllib.parse import urlsplit

from loopin_mcp.gate.calls import Agent, JSONObject, ToolCall
from loopin_mcp.gate.changes import Change, change_in
from loopin_mcp.gate.files import File, NoTextError, file_of, names_in, words_of
from loopin_mcp.gate.patches import cell_change_in, patch_in
from loopin_mcp.gate.risks import is_dangerous, is_guarding
from loopin_mcp.gate.secret_files import masked, masked_texts, secret_in
from loopin_mcp.wire.strict_json import canonical

if TYPE_CHECKING:
    from pydantic import JsonValue

Urgency = Literal["low", "medium", "high"]

_names = re.compile(r"\w+").findall
# The hosts' own tools, in lower case and without underscores.
_SHELLS = frozenset(
    _names(
        "bash shell execcommand localshell monitor powershell runinterminal runshellcommand "
        "runterminalcmd terminal"
    )
)
_READERS = frozenset(
    _names(
        "glob grep listdir listdirectory ls notebookread read readfile readmanyfiles "
        "searchfilecontent view"
    )
)
_DELETERS = frozenset(("delete", "deletefile"))
_FETCHERS = frozenset(("fetch", "fetchwebpage", "webfetch"))
_WRITERS: Mapping[str, Callable[[JSONObject, str], Change]] = {
    **dict.fromkeys(
        _names(
            "create createfile edit editfile editfiles inserteditintofile multiedit "
            "multireplacestringinfile replace replacestringinfile searchreplace strreplace "
            "strreplacebasededittool strreplaceeditor write writefile"
        ),
        change_in,
    ),
    **dict.fromkeys(("editnotebook", "notebookedit"), cell_change_in),
    "applypatch": patch_in,
}
# How each host names an MCP server and its tool.
_SERVERS: Mapping[Agent, str] = {
    **dict.fromkeys(("Claude Code", "Codex"), "mcp__(.+?)__(.+)"),
    "Copilot": "(?:mcp__?(.+?)__?|(.+)-)(.+)",
    "Cursor": "(.+?)/(.+)",
    "Gemini CLI": "mcp_(.+?)_(.+)",
}
_LONGEST_NAME = 1000
# A diff has the new text, too. Both have to fit into a request, so a longer one is not repeated.
_MOST_REPEATED = 32 * 1024


@dataclass(frozen=True)
class Facts:
    """What a human sees of a call, and whether values in it are masked."""

    action: str
    context: JSONObject
    urgency: Urgency = "medium"
    is_masked: bool = False


def facts_of(call: ToolCall) -> Facts:
    """The sentence, the facts and the urgency of a call; nothing of its input is left out."""
    tool = call.tool.lower().replace("_", "")
    if tool in _READERS or (tool in _WRITERS and call.input.get("command") == "view"):
        return _of_files(call, "Read", None)
    if tool in _DELETERS:
        return _of_files(call, "Delete", None)
    if tool in _WRITERS:
        with suppress(NoTextError):
            change = _WRITERS[tool](call.input, call.cwd)
            return _of_files(call, "Create" if change.creates else "Change", change)
        return _of_files(call, "Change", None)
    is_shell = tool in _SHELLS
    risky = any(is_dangerous(text, is_command=is_shell) for text in _texts(call.input))
    paths = _texts(call.input) if is_shell else names_in(call.input)
    files = _resolved((word for path in paths for word in words_of(path, call.cwd)), call.cwd)
    secret = secret_in(names_in(call.input))
    return Facts(
        "Run a shell command" if is_shell else _sentence(call, tool),
        _context(call, masked_texts(call.input, secret) if secret else call.input),
        "high" if risky else _urgency(files, is_read=False),
        is_masked=secret is not None,
    )


def _of_files(call: ToolCall, verb: str, change: Change | None) -> Facts:
    """The facts of a call of a tool for files."""
    files = change.files if change else _files(call, is_read=verb == "Read")
    shown = change.shown if change else frozenset()
    fields = {name: value for name, value in call.input.items() if name not in shown}
    names = [name for file in files or () for name in (file.name, str(file.place))]
    if secret := secret_in([*names_in(call.input), *names]):
        fields = {name: masked(value, secret, name) for name, value in fields.items()}
    facts: JSONObject = {}
    if places := [str(file.place) for file in files or () if file.is_linked]:
        facts["leads_to"] = "\n".join(places)
    if change:
        facts["change"] = change.diff
    context = _context(call, fields, facts)
    if change and not secret:
        whole = context | {name: call.input[name] for name in change.new}
        context = whole if len(canonical(whole)) <= _MOST_REPEATED else context
    shown_names = [file.shown for file in files or ()]
    return Facts(
        f"{verb} {_listed(shown_names)}" if shown_names else f"Use the tool {call.tool}",
        context,
        _urgency(files, is_read=verb == "Read"),
        is_masked=secret is not None,
    )


def _files(call: ToolCall, *, is_read: bool) -> Sequence[File] | None:
    """The files that the input names; None if nobody can say which they are."""
    names = [*names_in(call.input)]
    if is_read:
        # Patterns of files too.
        names += [text for text in _texts(call.input) if text[:1] in ("/", "~") or ".." in text]
    return _resolved(names, call.cwd) if names or is_read else None


def _resolved(names: Iterable[str], directory: str) -> Sequence[File] | None:
    """The files with these names; None if nobody can say which they are."""
    try:
        return [file_of(name, directory) for name in dict.fromkeys(names)]
    except NoTextError:
        return None


def _urgency(files: Sequence[File] | None, *, is_read: bool) -> Urgency:
    if files is None or any(file.is_outside for file in files):
        return "high"
    if is_read:
        return "low"
    return (
        "high"
        if any(is_guarding(file.place.relative_to(file.directory).parts) for file in files)
        else "medium"
    )


def _listed(names: Sequence[str]) -> str:
    [name, *others] = names
    if others:
        return f"{len(names)} files"
    return name if len(name) <= _LONGEST_NAME else "a file"


def _sentence(call: ToolCall, tool: str) -> str:
    """What a tool that is not for files or commands does, in one sentence."""
    if tool in _FETCHERS:
        with suppress(ValueError):
            url = call.input.get("url")
            host = urlsplit(url).hostname if isinstance(url, str) else None
            return f"Fetch {host or 'a web page'}"[:_LONGEST_NAME]
    if found := re.fullmatch(_SERVERS[call.agent], call.tool):
        return f"Call {' · '.join(filter(None, found.groups()))}"
    return f"Use the tool {call.tool}"


def _context(call: ToolCall, fields: JSONObject, facts: JSONObject | None = None) -> JSONObject:
    """The fields of the input under their own names, beside what LoopIn adds under others."""
    context: JSONObject = {}
    added = {"directory": call.cwd} if call.cwd else {}
    for name, value in {**added, **(facts or {})}.items():
        while name in call.input:
            name = f"_{name}"
        context[name] = value
    return context | fields


def _texts(value: "JsonValue") -> Iterator[str]:
    """Every text in an input."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from _texts(inner)
