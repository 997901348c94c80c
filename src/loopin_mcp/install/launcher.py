"""The command that hosts start: this program, by an absolute path that lasts."""

import json
import re
import shutil
import sys
from collections.abc import Mapping
from importlib.metadata import Distribution
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

from loopin_mcp.errors import ConfigurationError
from loopin_mcp.version import HOME_PAGE

_PACKAGE = "loopin-mcp"
_INSTALL = f"Run `uv tool install git+{HOME_PAGE}`, then `loopin-mcp install`."
# Directories of environments in uv's cache, which uv may delete at any time.
_OF_UV = re.compile(r"(?:archive|environments|builds)-v\d+")
_OF_PIPX = {".cache", "Cache", "cache"}


def find_launcher(
    environment: Mapping[str, str],
    python: Path | None = None,
    distribution: Distribution | None = None,
) -> list[str]:
    """The program and arguments that start this installation of LoopIn.

    Raises:
        ConfigurationError: It is in a cache, from which nothing lasting can be started.
    """
    python = python or Path(sys.executable)
    folders = {part for folder in (python, python.resolve()) for part in folder.parts[:-1]}
    if any(map(_OF_UV.fullmatch, folders)):
        return _uvx(environment, distribution or Distribution.from_name(_PACKAGE))
    if "pipx" in folders and folders & _OF_PIPX:
        raise ConfigurationError(f"This runs from a cache of pipx. {_INSTALL}")
    script = python.with_name("loopin-mcp.exe" if python.suffix == ".exe" else "loopin-mcp")
    if script.exists():
        return [str(script.absolute())]
    return [str(python.absolute()), "-m", "loopin_mcp"]


def _uvx(environment: Mapping[str, str], distribution: Distribution) -> list[str]:
    """The command of uvx with the same source, since uvx keeps programs only in its cache."""
    program = shutil.which("uvx", path=environment.get("PATH", ""))
    if program is None:
        raise ConfigurationError(f"This runs from uv's cache, and uvx is not on PATH. {_INSTALL}")
    return [str(Path(program).absolute()), "--from", _source_of(distribution), _PACKAGE]


def _source_of(distribution: Distribution) -> str:
    """Where a distribution was installed from, as uvx takes it (PEP 610).

    Raises:
        ConfigurationError: It came from an archive.
    """
    found = distribution.read_text("direct_url.json")
    if found is None:
        return f"{_PACKAGE}=={distribution.version}"
    origin = json.loads(found)
    url, repository = origin["url"], origin.get("vcs_info")
    if repository:
        revision = repository.get("requested_revision")
        return f"{repository['vcs']}+{url}" + (f"@{revision}" if revision else "")
    if "dir_info" in origin:
        return url2pathname(urlsplit(url).path)
    raise ConfigurationError(f"This runs from uv's cache, out of the archive {url}. {_INSTALL}")
