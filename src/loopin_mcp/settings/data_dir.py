"""The data directory: its files, and where it is if LOOPIN_DATA_DIR is not set."""

import logging
import sys
from collections.abc import Mapping
from pathlib import Path

import platformdirs

from loopin_mcp.errors import ConfigurationError

API_FILE = "api.db"
# Separate from the API's, so that an API without a key does not show the embedded interrupts.
EMBEDDED_FILE = "embedded.db"
KEY_FILE = "api-key"
PORT_FILE = "port"
TOKEN_FILE = "mcp-token"  # noqa: S105 - the name of a file

_NAME = "loopin-mcp"
# Any of these shows that a directory has been used.
_FILES = (KEY_FILE, EMBEDDED_FILE, API_FILE)
_LINUX = Path("~/.local/share") / _NAME

logger = logging.getLogger("loopin_mcp")


def default_data_dir(environment: Mapping[str, str]) -> Path:
    """The directory of this user's data, for all hosts alike; see `require_home`.

    Hosts from a snap or a Flatpak set XDG_DATA_HOME, and their users would have two lists of
    requests. So it counts only if data is already there and nowhere else.
    """
    try:
        if sys.platform in ("win32", "darwin"):
            return Path(platformdirs.user_data_dir(_NAME, appauthor=False))
        own = _LINUX.expanduser()
    except RuntimeError:
        own = _LINUX
    moved = Path(environment.get("XDG_DATA_HOME", ""), _NAME)
    if not moved.is_absolute() or moved.resolve() == own.resolve():
        return own
    if not own.is_absolute():
        return moved
    if not _is_used(moved):
        return own
    used, other = (own, moved) if _is_used(own) else (moved, own)
    logger.warning(
        "This uses the data in %s. Hosts with another XDG_DATA_HOME may use %s. Set "
        "LOOPIN_DATA_DIR to one of them in every host, so that all share one list.",
        used,
        other,
    )
    return used


def require_home(data_dir: Path) -> None:
    """Refuse a default directory in a home that is not known.

    Raises:
        ConfigurationError: HOME is not set, and the user has no home.
    """
    if not data_dir.is_absolute():
        raise ConfigurationError(
            "HOME is not set to an absolute path, and this user has no home directory: set "
            "LOOPIN_DATA_DIR to a directory that this user can write to."
        )


def _is_used(data_dir: Path) -> bool:
    return any((data_dir / name).exists() for name in _FILES)
