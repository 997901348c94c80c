"""How `loopin-mcp --transport http` starts: its token, its address, and what it prints."""

import logging
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from loopin_mcp.errors import ConfigurationError
from tests.support import START_TIMEOUT_S, clean_environment
from tests.support.over_http import LIST, TOKEN, caller, http_server, serving

MAKE_ONE = "python3 -c 'import secrets; print(secrets.token_urlsafe(32))' makes one."
API_URL = "https://loopin.example.com"


async def refusal(data_dir: Path, **changes: Any) -> str:  # noqa: ANN401 - any setting
    with pytest.raises(ConfigurationError) as refused:
        await http_server(data_dir, **changes)(print)
    return str(refused.value)


@pytest.mark.parametrize("host", ["::", "192.0.2.1", "loopin.example.com"])
async def test_server_that_others_can_reach_needs_a_token(tmp_path: Path, host: str) -> None:
    assert await refusal(tmp_path, mcp_token=None, host=host) == (
        f"HOST {host} can be reached from other machines, and without a token everybody there "
        f"could use this MCP server: set LOOPIN_MCP_TOKEN. {MAKE_ONE}"
    )


async def test_api_key_is_lent_to_nobody_without_a_token(tmp_path: Path) -> None:
    settings = {"mcp_token": None, "api_url": API_URL, "api_key": "k"}

    assert await refusal(tmp_path, **settings) == (
        "Without a token, every program on this machine could use LOOPIN_API_KEY through this MCP "
        f"server: set LOOPIN_MCP_TOKEN. {MAKE_ONE}"
    )


async def test_token_is_not_the_api_key(tmp_path: Path) -> None:
    assert await refusal(tmp_path, api_url=API_URL, api_key=TOKEN) == (
        f"LOOPIN_MCP_TOKEN must differ from LOOPIN_API_KEY. {MAKE_ONE}"
    )


async def test_port_that_is_taken_is_named_with_its_setting(tmp_path: Path) -> None:
    async with serving(http_server(tmp_path)) as url:
        port = int(url.rpartition(":")[2])
        refused = await refusal(tmp_path, mcp_port=port)

    assert refused.startswith(f"Cannot listen on 127.0.0.1 port {port}: ")
    assert refused.endswith(" Set LOOPIN_MCP_PORT or HOST to another.")


async def test_short_token_is_warned_of(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING, "loopin_mcp")
    async with serving(http_server(tmp_path, mcp_token="short")):
        pass

    assert [record.getMessage() for record in caplog.records] == [
        f"LOOPIN_MCP_TOKEN has fewer than 32 characters, so it could be guessed. {MAKE_ONE}"
    ]


async def test_server_with_its_own_api_makes_a_token_that_only_this_user_can_read(
    tmp_path: Path,
) -> None:
    file = tmp_path / "mcp-token"
    statuses = []
    for _ in range(2):
        async with serving(http_server(tmp_path, mcp_token=None)) as url:
            for token in (None, file.read_text()):
                async with caller(url, token) as http:
                    statuses.append((await http.post("/mcp", json=LIST)).status_code)

    assert statuses == [401, 200] * 2
    assert file.stat().st_mode & 0o777 == 0o600


async def banner(tmp_path: Path, **changes: Any) -> str:  # noqa: ANN401 - any setting
    """What a server prints at its start, below its address."""
    said: list[str] = []

    async def once(say: Callable[[str], None]) -> None:
        def hear(text: str) -> None:
            said.append(text)
            say(text)

        await http_server(tmp_path, **changes)(hear)

    async with serving(once):
        pass
    return said[0].partition("\n")[2]


async def test_banner_says_how_to_connect_and_shows_no_token(tmp_path: Path) -> None:
    own = await banner(tmp_path, mcp_token=None)
    given = await banner(tmp_path)
    remote = await banner(tmp_path, mcp_token=None, api_url=API_URL)

    assert own == (
        f"  Token: in {tmp_path / 'mcp-token'}; hosts send it as `Authorization: Bearer`\n"
        "  API: the embedded one"
    )
    assert given == (
        "  Token: LOOPIN_MCP_TOKEN; hosts send it as `Authorization: Bearer`\n"
        "  API: the embedded one"
    )
    assert remote == f"  Token: none: any program on this machine can connect\n  API: {API_URL}"


def run(*arguments: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "loopin_mcp", *arguments],
        env=clean_environment(**environment),
        check=False,
        capture_output=True,
        text=True,
        timeout=START_TIMEOUT_S,
    )


@pytest.mark.subprocess
def test_invalid_setting_ends_the_server_with_its_name() -> None:
    ended = run("--transport", "http", LOOPIN_MCP_TOKEN="${TOKEN}")

    assert ended.returncode == 1
    assert ended.stderr == (
        "Error: LOOPIN_MCP_TOKEN holds a placeholder that nothing has filled in: write the value "
        "itself.\n"
    )


@pytest.mark.subprocess
def test_commands_have_no_transport() -> None:
    ended = run("--transport", "http", "notify")

    assert ended.returncode == 2
    assert "--transport is an option of the MCP server, which has no command." in ended.stderr
