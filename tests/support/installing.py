"""A home with hosts' files in it, and the commands that install there."""

import json
import re
from collections.abc import Mapping
from pathlib import Path

from click.testing import CliRunner, Result

from loopin_mcp.commands.install import install_command, uninstall_command
from loopin_mcp.errors import ConfigurationError
from loopin_mcp.install.machine import Machine

SECRET = "made-up-key-0123456789"
# Where the tests' home has the files of the hosts on Linux.
FILES = {
    "claude-code": ".claude.json",
    "claude-desktop": ".config/Claude/claude_desktop_config.json",
    "cursor": ".cursor/mcp.json",
    "vscode": ".config/Code/User/mcp.json",
    "codex": ".codex/config.toml",
    "copilot": ".copilot/mcp-config.json",
    "gemini": ".gemini/settings.json",
    "windsurf": ".codeium/windsurf/mcp_config.json",
    "zed": ".config/zed/settings.json",
}
HOOKS = {
    "claude-code": ".claude/settings.json",
    "cursor": ".cursor/hooks.json",
    "vscode": ".copilot/hooks/loopin.json",
    "codex": ".codex/hooks.json",
    "copilot": ".copilot/hooks/loopin.json",
    "gemini": ".gemini/settings.json",
}


def install(home: Path, *arguments: str, typed: str = "", **environment: str) -> Result:
    """`loopin-mcp install` in this home; it writes without a question."""
    return _run(install_command, home, ("--yes", *arguments), typed, environment)


def uninstall(home: Path, *arguments: str, **environment: str) -> Result:
    """`loopin-mcp uninstall` in this home; it writes without a question."""
    return _run(uninstall_command, home, ("--yes", *arguments), "", environment)


def unasked(home: Path, *arguments: str) -> Result:
    """`loopin-mcp install` where nobody can answer a question."""
    return _run(install_command, home, arguments, "", {})


def machine(home: Path, platform: str = "linux", **environment: str) -> Machine:
    """A machine with this home."""
    return Machine(platform, home, environment)


def data(path: Path) -> object:
    """What a file of JSON holds, without comments and trailing commas."""
    text = re.sub(r"^\s*//.*$", "", path.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return json.loads(re.sub(r",(\s*[}\]])", r"\1", text))


def backups(path: Path) -> list[Path]:
    """The backups of a file, the oldest first."""
    return sorted(path.parent.glob(f"{path.name}.loopin-*.bak"))


def snapshot(home: Path) -> dict[str, bytes]:
    """Every file below a directory, without backups."""
    return {
        str(path.relative_to(home)): path.read_bytes()
        for path in sorted(home.rglob("*"))
        if path.is_file() and path.suffix != ".bak"
    }


def _run(
    command: object, home: Path, arguments: tuple[str, ...], typed: str, more: Mapping[str, str]
) -> Result:
    environment = {"HOME": str(home), "USERPROFILE": str(home), "PATH": "", **more}
    environment.setdefault("LOOPIN_DATA_DIR", str(home / "data"))
    assert command in (install_command, uninstall_command)
    runner = install_command if command is install_command else uninstall_command
    result = CliRunner().invoke(runner, arguments, typed, obj=environment)
    if result.exception and not isinstance(result.exception, SystemExit | ConfigurationError):
        raise result.exception
    return result
