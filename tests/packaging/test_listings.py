"""What registries, hosts and directories read of the project says what the project is."""

import json
import re
import shutil
import subprocess
import sys
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from loopin_mcp.settings.settings import TOOLS, Settings
from loopin_mcp.version import HOME_PAGE
from tests.packaging.conftest import PROJECT

SCRIPT = "packaging/listings.py"
REPEATED = (
    "server.json",
    "packaging/mcpb/manifest.json",
    "packaging/claude-code/.claude-plugin/plugin.json",
    "packaging/docker/Dockerfile",
    "packaging/docker/compose.yaml",
    "packaging/kubernetes/loopin.yaml",
    "README.md",
    "docs/hosts.md",
)
SOURCES = ("pyproject.toml", "claude_desktop_config.example.json")
SETTINGS = {setting.metadata["variable"]: setting for setting in fields(Settings)}


def read(name: str, root: Path = PROJECT) -> Any:  # noqa: ANN401 - JSON
    return json.loads((root / name).read_text(encoding="utf-8"))


MANIFEST = read("packaging/mcpb/manifest.json")
[PACKAGE] = read("server.json")["packages"]
VARIABLES = {each["name"]: each for each in PACKAGE["environmentVariables"]}


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """The files that the script reads and writes."""
    for name in (SCRIPT, *SOURCES, *REPEATED):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(PROJECT / name, tmp_path / name)
    return tmp_path


def fill(clone: Path, version: str | None = None) -> subprocess.CompletedProcess[str]:
    """Run the script, after a change of the version."""
    if version is not None:
        file = clone / "pyproject.toml"
        text = re.sub(r'^version = ".*"$', f'version = "{version}"', file.read_text(), flags=re.M)
        file.write_text(text)
    return subprocess.run(
        [sys.executable, clone / SCRIPT], capture_output=True, text=True, check=False
    )


@pytest.mark.subprocess
def test_files_that_repeat_others_are_up_to_date(clone: Path) -> None:
    done = fill(clone)

    assert (done.returncode, done.stdout) == (0, "")


@pytest.mark.subprocess
@pytest.mark.parametrize(
    ("version", "semantic"),
    [
        ("1.2.3", "1.2.3"),
        ("1.2.3.dev4", "1.2.3-dev.4"),
        ("1.2.3a4", "1.2.3-alpha.4"),
        ("1.2.3b4", "1.2.3-beta.4"),
        ("1.2.3rc4", "1.2.3-rc.4"),
    ],
)
def test_one_version_feeds_all(clone: Path, version: str, semantic: str) -> None:
    assert fill(clone, version).returncode == 0

    listing, manifest, plugin = (read(name, clone) for name in REPEATED[:3])
    assert [listing["version"], manifest["version"], plugin["version"]] == [semantic] * 3
    assert [package["version"] for package in listing["packages"]] == [version]
    for name, before in zip(REPEATED[3:6], ('image.version="', *[":"] * 2), strict=True):
        assert (clone / name).read_text().count(f"{before}{semantic}") == 1


@pytest.mark.subprocess
@pytest.mark.parametrize("version", ["1.2", "1.2.3.post1", "1.2.3+local"])
def test_version_that_registries_refuse_changes_no_file(clone: Path, version: str) -> None:
    before = {name: (clone / name).read_bytes() for name in REPEATED}

    done = fill(clone, version)

    assert done.returncode != 0
    assert f"{version} is not like 1.2.0" in done.stderr
    assert {name: (clone / name).read_bytes() for name in REPEATED} == before


def test_readme_proves_whose_package_the_registry_lists() -> None:
    marks = re.findall(r"^<!-- mcp-name: (\S+) -->$", (PROJECT / "README.md").read_text(), re.M)

    assert marks == [read("server.json")["name"]]
    assert f"https://github.com/{marks[0].removeprefix('io.github.')}" == HOME_PAGE


def test_directory_names_the_owner_of_the_repository() -> None:
    assert read("glama.json")["maintainers"] == [HOME_PAGE.split("/")[-2]]


def test_registry_lists_settings_that_the_server_reads() -> None:
    read_by_server = {
        name for name, setting in SETTINGS.items() if "mcp_server" in setting.metadata["readers"]
    }

    assert VARIABLES.keys() <= read_by_server
    assert {name for name in VARIABLES if VARIABLES[name].get("isSecret")} == {
        name for name in VARIABLES if not SETTINGS[name].repr
    }
    given = {name: each["default"] for name, each in VARIABLES.items() if "default" in each}
    assert Settings.load(given) == Settings.load({})


@pytest.mark.parametrize("choice", VARIABLES["LOOPIN_CONFIRM"]["choices"])
def test_choices_that_the_registry_lists_are_accepted(choice: str) -> None:
    assert Settings.load({"LOOPIN_CONFIRM": choice}).confirm == choice


def test_bundle_lists_the_six_tools() -> None:
    assert [tool["name"] for tool in MANIFEST["tools"]] == list(TOOLS)
    assert all(tool["description"] for tool in MANIFEST["tools"])


def test_bundle_can_be_started_by_its_command_and_by_its_entry_point() -> None:
    server = MANIFEST["server"]

    assert (server["type"], MANIFEST["manifest_version"]) == ("uv", "0.4")
    assert [server["mcp_config"]["command"], *server["mcp_config"]["args"]] == [
        *("uv", "run", "--directory", "${__dirname}", server["entry_point"])
    ]


def test_bundle_asks_for_settings_of_the_server_and_hides_the_secret_ones() -> None:
    asked = MANIFEST["user_config"]
    variables = {
        re.sub(r"^\$\{user_config\.(\w+)\}$", r"\1", value): SETTINGS[name]
        for name, value in MANIFEST["server"]["mcp_config"]["env"].items()
    }

    assert asked.keys() == variables.keys()
    assert all("mcp_server" in setting.metadata["readers"] for setting in variables.values())
    assert {name for name in asked if asked[name].get("sensitive")} == {
        name for name, setting in variables.items() if not setting.repr
    }


def test_bundle_works_without_any_setting() -> None:
    asked = MANIFEST["user_config"].values()

    # A host writes the default where the user wrote nothing, and without one the placeholder.
    assert [(each["required"], each["default"]) for each in asked] == [(False, "")] * len(asked)
