"""The command that hosts start lasts."""

import json
import sys
from importlib.metadata import Distribution
from pathlib import Path

import pytest

from loopin_mcp.errors import ConfigurationError
from loopin_mcp.install.launcher import find_launcher


class Installed(Distribution):
    """A distribution with this origin."""

    version = "1.2.3"

    def __init__(self, origin: object = None) -> None:
        self._direct_url = origin

    def read_text(self, filename: str) -> str | None:
        assert filename == "direct_url.json"
        return None if self._direct_url is None else json.dumps(self._direct_url)

    def locate_file(self, path: object) -> Path:
        raise AssertionError(path)


def program(directory: Path, name: str) -> Path:
    directory.mkdir(parents=True, exist_ok=True)
    made = directory / name
    made.write_text("")
    made.chmod(0o755)
    return made


def test_command_of_this_environment_is_taken(tmp_path: Path) -> None:
    script = program(tmp_path / "bin", "loopin-mcp")

    assert find_launcher({}, tmp_path / "bin" / "python") == [str(script)]


def test_command_of_windows_has_its_suffix(tmp_path: Path) -> None:
    script = program(tmp_path / "Scripts", "loopin-mcp.exe")

    assert find_launcher({}, tmp_path / "Scripts" / "python.exe") == [str(script)]


def test_without_a_command_python_starts_the_module(tmp_path: Path) -> None:
    python = tmp_path / "bin" / "python"

    assert find_launcher({}, python) == [str(python), "-m", "loopin_mcp"]


@pytest.mark.parametrize(
    ("origin", "source"),
    [
        (None, "loopin-mcp==1.2.3"),
        ({"url": "https://x/y", "vcs_info": {"vcs": "git", "commit_id": "c"}}, "git+https://x/y"),
        (
            {"url": "https://x/y", "vcs_info": {"vcs": "git", "requested_revision": "v1"}},
            "git+https://x/y@v1",
        ),
        ({"url": "file:///a/my%20clone", "dir_info": {}}, "/a/my clone"),
    ],
)
@pytest.mark.skipif(sys.platform == "win32", reason="the path is not one of Windows")
def test_cache_of_uv_is_started_by_uvx_from_the_same_source(
    tmp_path: Path, origin: object, source: str
) -> None:
    uvx = program(tmp_path / "tools", "uvx")
    python = tmp_path / "uv" / "archive-v0" / "x" / "bin" / "python"

    launcher = find_launcher({"PATH": str(uvx.parent)}, python, Installed(origin))

    assert launcher == [str(uvx), "--from", source, "loopin-mcp"]


@pytest.mark.parametrize(
    ("folders", "origin", "path", "reason"),
    [
        ("uv/builds-v0/x", None, "", "uvx is not on PATH"),
        ("uv/archive-v0/x", {"url": "https://x/y.whl", "archive_info": {}}, "tools", "archive"),
        ("pipx/.cache/x", None, "tools", "cache of pipx"),
        (".cache/pipx/x", None, "tools", "cache of pipx"),
    ],
)
def test_cache_from_which_nothing_can_be_started_is_refused_with_the_remedy(
    tmp_path: Path, folders: str, origin: object, path: str, reason: str
) -> None:
    program(tmp_path / "tools", "uvx")
    python = tmp_path / folders / "bin" / "python"

    with pytest.raises(ConfigurationError, match=reason) as refused:
        find_launcher({"PATH": str(tmp_path / path) if path else ""}, python, Installed(origin))

    assert "uv tool install git+https://" in str(refused.value)


def test_origin_is_read_of_this_installation(tmp_path: Path) -> None:
    uvx = program(tmp_path / "tools", "uvx")
    python = tmp_path / "environments-v2" / "x" / "bin" / "python"

    launcher = find_launcher({"PATH": str(uvx.parent)}, python)

    assert launcher[0] == str(uvx)
