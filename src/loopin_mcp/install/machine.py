"""Where the hosts' files are on a machine, by its system, home and environment."""

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from loopin_mcp.errors import ConfigurationError


@dataclass(frozen=True)
class Machine:
    """What decides where files are: `sys.platform`, the home and the environment."""

    platform: str
    home: Path
    environment: Mapping[str, str]

    @property
    def is_windows(self) -> bool:
        """Whether paths and shells are those of Windows."""
        return self.platform == "win32"

    def directory(self, variable: str, otherwise: Path) -> Path:
        """The directory that a variable names by an absolute path."""
        named = self.environment.get(variable, "")
        return Path(named) if named else otherwise

    @property
    def app_data(self) -> Path:
        """Where desktop programs keep the settings of a user."""
        if self.is_windows:
            return self.directory("APPDATA", self.home / "AppData/Roaming")
        if self.platform == "darwin":
            return self.home / "Library/Application Support"
        return self.directory("XDG_CONFIG_HOME", self.home / ".config")


def this_machine(environment: Mapping[str, str]) -> Machine:
    """The machine that this runs on, for this user.

    Raises:
        ConfigurationError: The user's home is not known.
    """
    variable = "USERPROFILE" if sys.platform == "win32" else "HOME"
    home = Path(environment.get(variable, ""))
    if not home.is_absolute():
        raise ConfigurationError(f"{variable} is not set to an absolute path: set it, then retry.")
    return Machine(sys.platform, home, environment)


def claude_home(machine: Machine) -> Path:
    """The directory of Claude Code's settings."""
    return machine.directory("CLAUDE_CONFIG_DIR", machine.home / ".claude")


def claude_file(machine: Machine) -> Path:
    """The file that Claude Code keeps its state in, with the servers of the user."""
    return machine.directory("CLAUDE_CONFIG_DIR", machine.home) / ".claude.json"


def codex_home(machine: Machine) -> Path:
    """The directory of Codex."""
    return machine.directory("CODEX_HOME", machine.home / ".codex")


def copilot_home(machine: Machine) -> Path:
    """The directory of Copilot CLI."""
    return machine.directory("COPILOT_HOME", machine.home / ".copilot")


def gemini_home(machine: Machine) -> Path:
    """The directory of Gemini CLI."""
    return machine.directory("GEMINI_CLI_HOME", machine.home) / ".gemini"


def zed_home(machine: Machine) -> Path:
    """The directory of Zed's settings."""
    on_mac = machine.platform == "darwin"
    name = "Zed" if machine.is_windows else "zed"
    return (machine.home / ".config" if on_mac else machine.app_data) / name
