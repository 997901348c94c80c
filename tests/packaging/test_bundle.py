"""The bundle for Claude Desktop starts as its manifest says."""

import json
import os
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anyio
import pytest
from mcp import Client, StdioServerParameters

from loopin_mcp.settings.settings import TOOLS
from tests.packaging.conftest import PROJECT
from tests.support import KEY, START_TIMEOUT_S, clean_environment

MCPB = "@anthropic-ai/mcpb@2.1.2"
# What Claude Desktop does with a manifest and the settings that the user entered.
FILL_IN = """
const {realpathSync} = require("fs"), {dirname} = require("path");
import(dirname(realpathSync(process.argv[1])) + "/../shared/config.js").then(async (mcpb) => {
  const options = {...JSON.parse(process.argv[2]), systemDirs: {}, pathSeparator: "/"};
  console.log(JSON.stringify(await mcpb.getMcpConfigForManifest(options)));
});
"""
TEAM = {"api_key": KEY, "user_id": "accounting"}


def build(place: Path) -> Path:
    done = subprocess.run(
        [sys.executable, PROJECT / "packaging/bundle.py", place],
        capture_output=True,
        text=True,
        check=True,
        timeout=START_TIMEOUT_S,
    )
    return Path(done.stdout.strip())


@pytest.fixture(scope="module")
def bundle(npx: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(tmp_path_factory.mktemp("built"))


@pytest.fixture
def unpacked(bundle: Path, tmp_path: Path) -> Path:
    place = tmp_path / "Claude Extensions"
    with zipfile.ZipFile(bundle) as archive:
        archive.extractall(place)
    return place


def configured(npx: str, unpacked: Path, entered: dict[str, str]) -> dict[str, Any]:
    """How Claude Desktop starts the bundle with these settings."""
    manifest = json.loads((unpacked / "manifest.json").read_text(encoding="utf-8"))
    options = {"manifest": manifest, "extensionPath": str(unpacked), "userConfig": entered}
    package = [npx, "--yes", f"--package={MCPB}", "-c"]
    where = subprocess.run(
        [*package, "command -v mcpb"], capture_output=True, text=True, check=True
    )
    command = ["node", "-e", FILL_IN, where.stdout.strip(), json.dumps(options)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return dict(json.loads(done.stdout))


def test_bundle_holds_the_package_and_nothing_else(bundle: Path) -> None:
    source = [path for path in (PROJECT / "src").rglob("*") if path.is_file()]
    files = {
        path.relative_to(PROJECT).as_posix() for path in source if path.parent.name != "__pycache__"
    }
    around = {"manifest.json", "server.py", "pyproject.toml", "README.md", "LICENSE", "icon.png"}

    with zipfile.ZipFile(bundle) as archive:
        assert set(archive.namelist()) == files | around


def test_same_files_make_the_same_bundle(bundle: Path, tmp_path: Path) -> None:
    again = build(tmp_path)

    assert again.name == bundle.name
    assert again.read_bytes() == bundle.read_bytes()


@pytest.mark.slow
@pytest.mark.parametrize("shared", [False, True], ids=["without settings", "with a shared API"])
async def test_unpacked_bundle_asks_and_reads_the_decision(
    unpacked: Path,
    npx: str,
    uv: str,
    serve: Callable[..., str],
    tmp_path: Path,
    *,
    shared: bool,
) -> None:
    entered = TEAM | {"api_url": serve(API_KEY_SECRET=KEY)} if shared else {}
    start = configured(npx, unpacked, entered)
    data = {} if shared else {"LOOPIN_DATA_DIR": str(tmp_path / "data"), "LOOPIN_PORT": "0"}
    path = os.pathsep.join([str(Path(uv).parent), os.environ["PATH"]])
    environment = clean_environment(PATH=path, **data) | start["env"]
    server = StdioServerParameters(command=uv, args=start["args"], env=environment)
    assert start["command"] == "uv"

    with anyio.fail_after(START_TIMEOUT_S):
        async with Client(server) as host:
            offered = await host.list_tools()
            request = {"action": "Deploy build 118", "context": {"servers": 3}}
            asked = await host.call_tool("create_interrupt", request)
            created = dict(asked.structured_content or {})
            one = {"interruptId": created["interruptId"]}
            await host.call_tool("decide_interrupt", {**one, "decision": "approved"})
            read = await host.call_tool("get_interrupt_status", one)

    assert [tool.name for tool in offered.tools] == list(TOOLS)
    assert (read.structured_content or {})["approved"] is True
    assert created["status"] == "pending"
