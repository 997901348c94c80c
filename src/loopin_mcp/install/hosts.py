"""The hosts that LoopIn can be installed in: one table."""

import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from loopin_mcp.install.formats import Object
from loopin_mcp.install.handlers import (
    CLAUDE_CALLS,
    CODEX_CALLS,
    COPILOT_CALLS,
    CURSOR_CHANGES,
    GEMINI_CALLS,
    claude_handler,
    codex_handler,
    copilot_handler,
    cursor_handler,
    gemini_handler,
)
from loopin_mcp.install.jsonc import JSON
from loopin_mcp.install.machine import (
    Machine,
    claude_file,
    claude_home,
    codex_home,
    copilot_home,
    gemini_home,
    zed_home,
)

# What LoopIn asks about in a host.
GateMode = Literal["prompts", "calls", "off"]
Place = Callable[[Machine], Path]
# A handler, from the gate's command and the machine.
Handler = Callable[[list[str], Machine], Object]

_COPILOT_EVENTS = (("PreToolUse", COPILOT_CALLS),)


@dataclass(frozen=True)
class Hooks:
    """How a host runs the gate.

    `calls` lists events and the tools that they are for by default; a `--match` of the user
    replaces them and applies to the last event. In a `nested` file, an event has groups with a
    matcher and handlers; otherwise each handler has its matcher. `timeout` is the name of a
    handler's time limit, in units of `timeout_unit_s`.
    """

    file: Place
    handler: Handler
    calls: tuple[tuple[str, str | None], ...]
    prompts: str | None = None
    nested: bool = True
    # Whether each version of the host runs a hook only for the tools that it is for.
    matches: bool = True
    version: int | None = None
    timeout: str = "timeout"
    timeout_unit_s: float = 1


@dataclass(frozen=True)
class Host:
    """A host: its file of MCP servers, the `key` there, and what else an entry has."""

    id: str
    title: str
    file: Place
    # A directory or file that the host has made, and the host's program.
    marks: tuple[Place, ...]
    program: str
    next_step: str
    key: str = "mcpServers"
    extra: Mapping[str, JSON] = field(default_factory=dict)
    hooks: Hooks | None = None


def find_hosts(machine: Machine) -> list[Host]:
    """The hosts that this user seems to have."""
    path = machine.environment.get("PATH", "")
    return [
        host
        for host in HOSTS.values()
        if any(mark(machine).exists() for mark in host.marks)
        or shutil.which(host.program, path=path)
    ]


HOSTS = {
    host.id: host
    for host in (
        Host(
            "claude-code",
            "Claude Code",
            claude_file,
            (claude_home, claude_file),
            "claude",
            "Start a new session of Claude Code. /mcp shows the server, /hooks the gate.",
            extra={"type": "stdio"},
            hooks=Hooks(
                lambda machine: claude_home(machine) / "settings.json",
                claude_handler,
                (("PreToolUse", CLAUDE_CALLS),),
                prompts="PermissionRequest",
            ),
        ),
        Host(
            "claude-desktop",
            "Claude Desktop",
            lambda machine: machine.app_data / "Claude/claude_desktop_config.json",
            (lambda machine: machine.app_data / "Claude",),
            "claude-desktop",
            "Quit Claude Desktop, not just its window, and start it again.",
        ),
        Host(
            "cursor",
            "Cursor",
            lambda machine: machine.home / ".cursor/mcp.json",
            (lambda machine: machine.home / ".cursor",),
            "cursor",
            "Restart Cursor.",
            hooks=Hooks(
                lambda machine: machine.home / ".cursor/hooks.json",
                cursor_handler,
                (
                    ("beforeShellExecution", None),
                    ("beforeMCPExecution", None),
                    ("preToolUse", CURSOR_CHANGES),
                ),
                nested=False,
                version=1,
            ),
        ),
        Host(
            "vscode",
            "VS Code",
            lambda machine: machine.app_data / "Code/User/mcp.json",
            (lambda machine: machine.app_data / "Code",),
            "code",
            "Reload the window of VS Code, and start the server with “MCP: List Servers”.",
            key="servers",
            extra={"type": "stdio"},
            hooks=Hooks(
                lambda machine: machine.home / ".copilot/hooks/loopin.json",
                copilot_handler,
                _COPILOT_EVENTS,
                nested=False,
                matches=False,
                version=1,
            ),
        ),
        Host(
            "codex",
            "Codex",
            lambda machine: codex_home(machine) / "config.toml",
            (codex_home,),
            "codex",
            "Start Codex, enter /hooks and trust the gate: until then Codex skips it silently.",
            key="mcp_servers",
            # Without `required`, a slow server is missing in the first turn.
            extra={"required": True, "startup_timeout_sec": 30},
            hooks=Hooks(
                lambda machine: codex_home(machine) / "hooks.json",
                codex_handler,
                (("PreToolUse", CODEX_CALLS),),
                prompts="PermissionRequest",
            ),
        ),
        Host(
            "copilot",
            "Copilot CLI",
            lambda machine: copilot_home(machine) / "mcp-config.json",
            (copilot_home,),
            "copilot",
            "Start a new session of Copilot CLI. /mcp shows the server.",
            extra={"type": "local", "tools": ["*"]},
            hooks=Hooks(
                lambda machine: copilot_home(machine) / "hooks/loopin.json",
                copilot_handler,
                _COPILOT_EVENTS,
                nested=False,
                matches=False,
                version=1,
                timeout="timeoutSec",
            ),
        ),
        Host(
            "gemini",
            "Gemini CLI",
            lambda machine: gemini_home(machine) / "settings.json",
            (gemini_home,),
            "gemini",
            "Start a new session of Gemini CLI in a folder that you trust. /hooks shows the gate.",
            hooks=Hooks(
                lambda machine: gemini_home(machine) / "settings.json",
                gemini_handler,
                (("BeforeTool", GEMINI_CALLS),),
                timeout_unit_s=0.001,
            ),
        ),
        Host(
            "windsurf",
            "Windsurf",
            lambda machine: machine.home / ".codeium/windsurf/mcp_config.json",
            (lambda machine: machine.home / ".codeium/windsurf",),
            "windsurf",
            "Restart Windsurf.",
        ),
        Host(
            "zed",
            "Zed",
            lambda machine: zed_home(machine) / "settings.json",
            (zed_home,),
            "zed",
            "Zed starts the server by itself.",
            key="context_servers",
        ),
    )
}
