"""Small files in the data directory: keys, and the port that the embedded API used last."""

import os
import secrets
from pathlib import Path

from loopin_mcp.errors import ConfigurationError
from loopin_mcp.settings.data_dir import KEY_FILE, PORT_FILE, TOKEN_FILE, require_home
from loopin_mcp.settings.private_files import (
    ANY,
    OTHERS_WRITE,
    make_private_directory,
    refuse_open_directory,
    refuse_open_file,
    write_once,
)
from loopin_mcp.settings.values import checked_key


def load_api_key(data_dir: Path) -> str:
    """The embedded API's key in the data directory; see `_load_key`."""
    return _load_key(data_dir, KEY_FILE)


def load_mcp_token(data_dir: Path) -> str:
    """The token of the MCP server over HTTP in the data directory; see `_load_key`."""
    return _load_key(data_dir, TOKEN_FILE)


def _load_key(data_dir: Path, name: str) -> str:
    """The key in a file, created at first use and readable only by this user.

    Raises:
        ConfigurationError: The directory or the file cannot be used.
    """
    require_home(data_dir)
    path = data_dir / name
    try:
        if not path.exists():
            make_private_directory(data_dir)
        refuse_open_directory(data_dir)
        # Earlier versions let the group write it if the user's umask does.
        refuse_open_file(data_dir / PORT_FILE, OTHERS_WRITE)
        if not path.exists():
            write_once(path, secrets.token_urlsafe(32))
        _refuse_open_key(path)
        key = path.read_text(encoding="ascii").strip()
    except (OSError, ValueError) as error:
        other = "that this user can write to"
        if os.access(data_dir, os.W_OK | os.X_OK):
            other = "on another file system"
        raise ConfigurationError(
            f"The data directory {data_dir} cannot be used: {error}. Set LOOPIN_DATA_DIR to a "
            f"directory {other}."
        ) from error
    if not key:
        raise ConfigurationError(f"{path} is empty: delete it to get a new key.")
    return checked_key(str(path), key)


def _refuse_open_key(path: Path) -> None:
    """Refuse a key file that another user of this machine can read or may have created.

    Raises:
        ConfigurationError: It is not a regular file that only this user can read.
    """
    if not path.is_file():
        raise ConfigurationError(f"{path} is not a file: delete it to get a new key.")
    remedy = "delete it to get a new key that only this user can read"
    refuse_open_file(path, ANY, remedy)


def noted_port(data_dir: Path) -> int | None:
    """The port that a copy of the embedded API used last, if it is noted in the data directory."""
    try:
        port = int((data_dir / PORT_FILE).read_text(encoding="ascii"))
    except (OSError, ValueError):
        return None
    return port if 0 < port < 65_536 else None
