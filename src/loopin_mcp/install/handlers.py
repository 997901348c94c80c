"""The handler of each host's hooks that runs the gate, and the tools it is for by default."""

from loopin_mcp.install.formats import Object
from loopin_mcp.install.hook_lines import cmd, posix, powershell
from loopin_mcp.install.machine import Machine

# In seconds. The gate ends itself earlier, since hosts run the call when a hook takes too long.
HOOK_TIMEOUT_S = 600
GATE_TIMEOUT_S = HOOK_TIMEOUT_S - 10

# A shell command, a change of a file, or a tool of an MCP server.
CLAUDE_CALLS = "^(Bash|Monitor|PowerShell|Write|Edit|MultiEdit|NotebookEdit|mcp__.*)$"
CODEX_CALLS = "^(Bash|apply_patch|Write|Edit|mcp__.*)$"
GEMINI_CALLS = "^(run_shell_command|write_file|replace|edit|mcp_.*)$"
CURSOR_CHANGES = "^(Write|Edit|MultiEdit|StrReplace|ApplyPatch|EditNotebook|Delete)$"
# The names of other servers' tools have no mark in common, so this leaves out what only reads. For
# some of its tools, Copilot CLI has the names of Claude Code.
COPILOT_CALLS = (
    "^(?!(Read|Grep|Glob|view|read|glob|grep|rg|ls|read_file|list_dir|file_search|grep_search"
    "|semantic_search|get_errors|read_bash|read_powershell|list_bash|list_powershell|report_intent"
    "|think|update_todo|manage_todo_list|ask_user)$)"
)


def claude_handler(gate: list[str], machine: Machine) -> Object:
    """A handler in the settings of Claude Code."""
    shell: Object = {"command": posix(gate)}
    if machine.is_windows:
        shell = {"shell": "powershell", "command": powershell(gate)}
    # Older versions do not know onFailure; the command fails closed without it.
    return {"type": "command", **shell, "timeout": HOOK_TIMEOUT_S, "onFailure": "block"}


def codex_handler(gate: list[str], machine: Machine) -> Object:
    """A handler in Codex's hooks.json."""
    command = cmd(gate) if machine.is_windows else posix(gate)
    return {"type": "command", "command": command, "timeout": HOOK_TIMEOUT_S}


def gemini_handler(gate: list[str], machine: Machine) -> Object:
    """A handler in the settings of Gemini CLI."""
    command = powershell(gate) if machine.is_windows else posix(gate)
    milliseconds = HOOK_TIMEOUT_S * 1000
    return {"type": "command", "name": "loopin", "command": command, "timeout": milliseconds}


def cursor_handler(gate: list[str], machine: Machine) -> Object:
    """A hook of Cursor."""
    command = powershell(gate) if machine.is_windows else posix(gate)
    return {"command": command, "timeout": HOOK_TIMEOUT_S, "failClosed": True}


def copilot_handler(gate: list[str], machine: Machine) -> Object:
    """A hook in a file that Copilot CLI and VS Code share."""
    # VS Code reads `timeout`, and Copilot CLI `timeoutSec`.
    return {
        "type": "command",
        "bash": posix(gate),
        "powershell": powershell(gate),
        "timeoutSec": HOOK_TIMEOUT_S,
        "timeout": HOOK_TIMEOUT_S,
    }
