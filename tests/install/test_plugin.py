"""The plugin of Claude Code fits this version of the package."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from loopin_mcp.install.hook_lines import fails_closed, gate_timeout_s
from loopin_mcp.settings.settings import TOOLS
from loopin_mcp.version import HOME_PAGE

ROOT = Path(__file__).parents[2]
PLUGIN = ROOT / "packaging" / "claude-code"
SOURCE = f"git+{HOME_PAGE}"


def read(name: str) -> Any:  # noqa: ANN401 - JSON
    return json.loads((PLUGIN / name).read_text(encoding="utf-8"))


def hook() -> dict[str, Any]:
    [[group]] = read("hooks/hooks.json")["hooks"].values()
    [handler] = group["hooks"]
    return dict(handler)


def test_plugin_has_the_license_of_the_package() -> None:
    assert (PLUGIN / "LICENSE").read_bytes() == (ROOT / "LICENSE").read_bytes()


def test_marketplace_of_the_repository_offers_the_plugin() -> None:
    market = json.loads((ROOT / ".claude-plugin/marketplace.json").read_text(encoding="utf-8"))

    [offered] = market["plugins"]
    assert offered["name"] == read(".claude-plugin/plugin.json")["name"]
    assert (ROOT / offered["source"]).samefile(PLUGIN)


def test_plugin_starts_the_server_from_where_the_package_is() -> None:
    server = read(".mcp.json")["mcpServers"]["loopin"]

    assert [server["command"], *server["args"]] == ["uvx", "--from", SOURCE, "loopin-mcp"]
    assert SOURCE in hook()["command"]


def test_gate_of_the_plugin_ends_before_its_hook_and_fails_closed() -> None:
    handler = hook()

    assert handler["onFailure"] == "block"
    assert fails_closed(handler["command"])
    assert handler["timeout"] == 600
    assert gate_timeout_s(handler["command"]) == 590


@pytest.mark.subprocess
@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such shell")
@pytest.mark.parametrize(
    ("program", "script", "code", "output"),
    [
        ("loopin-mcp", "echo $1 $3", 0, "gate 590\n"),
        ("uvx", "echo $3 $4 $6", 0, "loopin-mcp gate 590\n"),
        ("loopin-mcp", "kill -9 $$", 2, ""),
        ("uvx", "exit 1", 2, ""),
        ("other", "", 2, ""),
    ],
)
def test_gate_of_the_plugin_takes_what_is_installed(
    tmp_path: Path, program: str, script: str, code: int, output: str
) -> None:
    command = tmp_path / program
    command.write_text(f"#!/bin/sh\n{script}\n")
    command.chmod(0o755)

    done = subprocess.run(
        ["/bin/sh", "-c", hook()["command"]],
        env={"PATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )

    assert (done.returncode, done.stdout) == (code, output)
    assert ("LoopIn did not approve this call." in done.stderr) == (code == 2)


def test_skill_names_only_tools_that_there_are() -> None:
    skill = (PLUGIN / "skills/ask-before-acting/SKILL.md").read_text(encoding="utf-8")

    assert skill.startswith("---\nname: ask-before-acting\ndescription: ")
    named = set(re.findall(r"`(\w+_interrupt\w*)`", skill))
    assert named
    assert named <= set(TOOLS)
