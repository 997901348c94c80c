"""Checks whether Codex trusts the gate's hooks: it skips all others silently.

Codex 0.171 keeps in config.toml, for each hook by its place, the hash that the user trusted.
"""

import hashlib
import json
import re
from collections.abc import Iterator
from pathlib import Path

from loopin_mcp.commands.doctor.checks import Finding
from loopin_mcp.errors import ConfigurationError
from loopin_mcp.install.formats import Object, object_at
from loopin_mcp.install.jsonc import JSON
from loopin_mcp.install.machine import Machine, codex_home
from loopin_mcp.install.parts import gate_lines, handlers_of
from loopin_mcp.install.reading import read_object

_DEFAULT_TIMEOUT_S = 600
_REMEDY = "Start Codex, enter /hooks, and trust the gate."
_ENABLE = "Take it out of Codex's config.toml."


def check_trust(name: str, file: Path, machine: Machine) -> list[Finding]:
    """What keeps Codex from running the gate's hooks in a file."""
    try:
        config = read_object(codex_home(machine) / "config.toml")
        events = object_at(read_object(file), "hooks")
    except ConfigurationError:
        # The check of the file says so.
        return []
    if object_at(config, "features").get("hooks") is False:
        return [Finding(name, "failure", "Codex runs no hooks: features.hooks is false", _ENABLE)]
    states = object_at(config, "hooks", "state")
    found = [_fault_of(object_at(states, key), digest) for key, digest in _keys_of(events, file)]
    return [Finding(name, "failure", fault, _REMEDY) for fault in found if fault]


def _fault_of(state: Object, digest: str) -> str:
    if state.get("enabled") is False:
        return "Codex skips the gate: it is disabled"
    trusted = state.get("trusted_hash")
    if trusted is None:
        return "Codex skips the gate: it is not trusted yet"
    return "" if trusted == digest else "Codex skips the gate: it was changed after it was trusted"


def _keys_of(events: Object, file: Path) -> Iterator[tuple[str, str]]:
    """The name and the hash of each hook that runs the gate, as Codex has them."""
    place = file.resolve()
    for event, groups in events.items():
        label = re.sub(r"(?<!^)(?=[A-Z])", "_", event).lower()
        for number, group in enumerate(groups if isinstance(groups, list) else []):
            for index, handler in enumerate(handlers_of(group)):
                if gate_lines(handler):
                    yield f"{place}:{label}:{number}:{index}", _digest(label, group, handler)


def _digest(label: str, group: JSON, handler: Object) -> str:
    known = {
        "type": "command",
        "command": handler.get("command"),
        "timeout": handler.get("timeout", _DEFAULT_TIMEOUT_S),
        "async": handler.get("async", False),
        "statusMessage": handler.get("statusMessage"),
    }
    normal: Object = {
        "event_name": label,
        "hooks": [{key: value for key, value in known.items() if value is not None}],
    }
    if isinstance(group, dict) and isinstance(matcher := group.get("matcher"), str):
        normal["matcher"] = matcher
    text = json.dumps(normal, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return f"sha256:{hashlib.sha256(text.encode(errors='replace')).hexdigest()}"
