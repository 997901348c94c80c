"""Files of variables and their values, for programs that a host starts without an environment."""

from collections.abc import Mapping
from pathlib import Path

from loopin_mcp.errors import ConfigurationError
from loopin_mcp.settings.private_files import refuse_open_file

_HEAD = "# Written by `loopin-mcp install` for the gate. Change settings by running it again."


def env_file_text(values: Mapping[str, str]) -> str:
    """The text of a file that gives these variables.

    Raises:
        ConfigurationError: A value has several lines.
    """
    for name, value in values.items():
        if {"\n", "\r"} & {*value}:
            raise ConfigurationError(f"{name} must be one line: take the line breaks out.")
    return "".join(f"{line}\n" for line in (_HEAD, *(f"{k}={v}" for k, v in values.items())))


def read_env_file(path: Path) -> dict[str, str]:
    """The variables in a file of lines such as NAME=value; lines that begin with # are comments.

    Raises:
        ConfigurationError: It cannot be read, another user can write it, or a line has no value.
    """
    refuse_open_file(path, remedy=f"run chmod go-w '{path}'")
    try:
        lines = path.read_text(encoding="utf-8").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{path} cannot be read: run `loopin-mcp install`.") from error
    values: dict[str, str] = {}
    for number, line in enumerate(lines, 1):
        if line.strip() and not line.startswith("#"):
            name, separator, value = line.partition("=")
            if not separator:
                raise ConfigurationError(f"{path}, line {number}: write NAME=value.")
            values[name.strip()] = value
    return values
