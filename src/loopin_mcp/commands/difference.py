"""Shows LoopIn's parts of a file, and how they change, without keys."""

import difflib
import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from loopin_mcp.install.formats import Object, format_of, object_at
from loopin_mcp.install.parts import HOOKS, NAME, Parts, parts_of
from loopin_mcp.install.plan import Change
from loopin_mcp.settings.settings import Settings

_SECRETS = frozenset(Settings.secret_variables())
_LIKE_A_SECRET = re.compile("KEY|TOKEN|SECRET|PASS|AUTH|CREDENTIAL", re.IGNORECASE)
_MASK = "•••"
_CHANGED = f"{_MASK} (changed)"
_PARTS_ONLY = "@@ LoopIn's part; all else in this file stays @@"


def difference(change: Change) -> str:
    """A unified diff of LoopIn's parts of a file; nothing else in the file changes."""
    before, after = _object_in(change, change.before), _object_in(change, change.after)
    lines = difflib.unified_diff(
        _shown(change.path, before, {}).splitlines(),
        _shown(change.path, after, before).splitlines(),
        str(change.path),
        str(change.path),
        lineterm="",
    )
    # Line numbers would be those of LoopIn's parts, as if the file had nothing else.
    return "\n".join(_PARTS_ONLY if line.startswith("@@") else line for line in lines)


def shown(path: Path, parts: Parts) -> str:
    """LoopIn's parts of a file as they would be."""
    return _shown(path, _object_of(parts), {})


def _object_in(change: Change, text: str | None) -> Object:
    """LoopIn's parts of a text as an object: variables, or what a host's file has."""
    if text is None:
        return {}
    if change.parts is None:
        pairs = (line.partition("=") for line in text.splitlines() if not line.startswith("#"))
        return {"env": {name: value for name, _, value in pairs}}
    parts = parts_of(format_of(change.path).read(text), change.parts.key, change.parts.version)
    return _object_of(replace(parts, events=None if change.parts.events is None else parts.events))


def _object_of(parts: Parts) -> Object:
    servers: Object = {parts.key: {NAME: parts.entry}} if parts.key and parts.entry else {}
    version: Object = {"version": parts.version} if parts.version is not None else {}
    hooks: Object = {**version, HOOKS: {**parts.events}} if parts.events else {}
    return servers | hooks


def _shown(path: Path, parts: Object, before: Object) -> str:
    if "env" in parts:
        masked = _masked(object_at(parts, "env"), object_at(before, "env"))
        return "\n".join(f"{name}={value}" for name, value in masked.items())
    if not parts:
        return ""
    masked_parts = dict(parts)
    for key, servers in parts.items():
        entry = object_at(servers, NAME)
        if "env" in entry:
            env = _masked(object_at(entry, "env"), object_at(before, key, NAME, "env"))
            masked_parts[key] = {NAME: {**entry, "env": env}}
    return format_of(path).show(masked_parts)


def _masked(values: Object, before: Mapping[str, object]) -> Object:
    return {
        name: _mask(value, before.get(name))
        if name in _SECRETS or _LIKE_A_SECRET.search(name)
        else value
        for name, value in values.items()
    }


def _mask(value: object, before: object) -> str:
    return _CHANGED if before not in (None, value) else _MASK
