"""Hosts and SDKs that connect by URL, to a server by itself and to the one of an API."""

import json
import os
import re
import shlex
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from loopin_mcp.settings.settings import TOOLS
from tests.hosts.home import Home
from tests.hosts.human import Human
from tests.hosts.programs import cache_of, typescript_client
from tests.hosts.test_tools import NEW, named
from tests.support import KEY, START_TIMEOUT_S
from tests.support.over_http import TOKEN, ServedMCP

pytestmark = pytest.mark.hosts

PROJECT = Path(__file__).parents[2]
MODES = [("1", "legacy"), ("2", "legacy"), ("2", "auto"), ("2", "modern")]
CONFIRMED = (
    "APPROVE: `Pay`\nAsked by `typescript-host` for `u`. Answer within 59 minutes.\nAll facts: "
)


@pytest.fixture
def own(tmp_path: Path, human: Human) -> Iterator[str]:
    """The URL of a server by itself, which asks this human."""
    served = ServedMCP(tmp_path / "own", human.variables)
    yield served.url
    served.stop()


@pytest.mark.parametrize("place", ["itself", "api"])
def test_host_calls_the_tools_at_a_url(
    home: Home, human: Human, own: str, api_url: str, place: str
) -> None:
    home.connect(*((own, TOKEN) if place == "itself" else (api_url, KEY)))
    user = human.variables["LOOPIN_USER_ID"]

    model = home.runs(
        home.tool("create_interrupt", NEW | {"userId": user}),
        home.tool("get_interrupt_status", lambda results: {**named(results), "waitSeconds": 0}),
        home.tool("cancel_interrupt", named),
        home.tool("get_interrupt_status", named),
    )

    assert {home.tool(name, {})[0] for name in TOOLS} <= model.tools
    assert ["pending" in result for result in model.results] == [True] * 2 + [False] * 2
    found = human.status(named(model.results))
    assert (found["status"], found["userId"]) == ("cancelled", user)
    assert found["agentId"] not in ("", "MCP client")


@pytest.mark.parametrize(("name", "command"), [("claude-code", "claude"), ("codex", "codex")])
def test_documented_command_connects_a_host(
    set_up: Callable[[str], Home], human: Human, own: str, name: str, command: str
) -> None:
    home = set_up(name)
    page = (PROJECT / "docs" / "hosts.md").read_text(encoding="utf-8")
    found = re.search(rf"`{command} (mcp add [^`]*http://127\.0\.0\.1:3003[^`]*)`", page)
    assert found
    home.environment["LOOPIN_MCP_TOKEN"] = TOKEN

    home.starts(*shlex.split(found[1].replace("http://127.0.0.1:3003", own)))
    home.runs(home.tool("create_interrupt", NEW))

    assert human.question()["action"] == "Pay"


def test_host_with_a_wrong_token_has_no_tools(home: Home, own: str) -> None:
    home.connect(own, "wrong-token-of-a-host-that-was-not-given-one")

    model = home.runs(home.tool("create_interrupt", NEW))

    assert not {home.tool(name, {})[0] for name in TOOLS} & model.tools


@pytest.fixture
def by_sdk(own: str) -> Callable[..., dict[str, Any]]:
    """Use the server by a TypeScript SDK; gives what its client prints."""
    command = typescript_client(cache_of(os.environ))

    def use(version: str, mode: str, token: str = TOKEN) -> dict[str, Any]:
        ended = subprocess.run(
            [*command, version, mode, f"{own}/mcp", token],
            check=True,
            capture_output=True,
            text=True,
            timeout=START_TIMEOUT_S,
        )
        printed: dict[str, Any] = json.loads(ended.stdout)
        return printed

    return use


@pytest.mark.parametrize(("version", "mode"), MODES)
def test_typescript_sdk_asks_waits_and_decides(
    by_sdk: Callable[..., dict[str, Any]], version: str, mode: str
) -> None:
    printed = by_sdk(version, mode)

    assert printed["tools"] == list(TOOLS)
    assert printed["waited"]["status"] == "pending"
    assert printed["waited"]["agentId"] == "typescript-host"
    assert printed["reports"][0].startswith("Waited 5 s for a human's decision, 1 s left: http")
    if mode == "legacy":
        assert printed["decided"]["error"].startswith("Over HTTP, this host can show a form only")
        assert (printed["forms"], printed["read"]["status"]) == ([], "pending")
    else:
        assert printed["forms"] == [CONFIRMED + printed["waited"]["reviewUrl"]]
        assert printed["read"]["status"] == "approved"


@pytest.mark.parametrize(("version", "mode"), MODES)
def test_typescript_sdk_with_a_wrong_token_is_refused(
    by_sdk: Callable[..., dict[str, Any]], version: str, mode: str
) -> None:
    printed = by_sdk(version, mode, "wrong")

    assert "Unauthorized" in printed["failed"] or "401" in printed["failed"]
