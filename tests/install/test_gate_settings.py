"""The gate has the same settings as the server, in a file that only this user can read."""

import json
import sys
from pathlib import Path

import pytest

from loopin_mcp.install.hosts import HOSTS
from loopin_mcp.install.reading import read_gate_hooks
from loopin_mcp.settings.env_file import read_env_file
from tests.support.installing import (
    FILES,
    HOOKS,
    SECRET,
    install,
    machine,
    snapshot,
    uninstall,
)

URL = "https://a.example"


def settings(home: Path, host: str) -> dict[str, str]:
    return read_env_file(home / "data" / "hosts" / f"{host}.env")


@pytest.mark.parametrize("host", HOOKS)
def test_gate_gets_the_settings_and_no_command_line_has_the_key(tmp_path: Path, host: str) -> None:
    install(tmp_path, host, "--url", URL, "--key", SECRET, "--user", "ana")

    name = "vscode" if host == "copilot" else host
    expected = {"LOOPIN_API_URL": URL, "LOOPIN_API_KEY": SECRET, "LOOPIN_USER_ID": "ana"}
    assert settings(tmp_path, name) == expected
    for hook in read_gate_hooks(HOSTS[host], machine(tmp_path)):
        assert SECRET not in hook.line
        assert f"--env-file {tmp_path}/data/hosts/{name}.env gate" in hook.line
    if sys.platform != "win32":
        assert (tmp_path / "data/hosts" / f"{name}.env").stat().st_mode & 0o777 == 0o600


def test_gate_follows_the_entry_that_is_there(tmp_path: Path) -> None:
    file = tmp_path / FILES["claude-code"]
    expected = {"LOOPIN_API_URL": URL, "LOOPIN_API_KEY": SECRET, "LOOPIN_USER_ID": "ana"}
    entry = {"command": "uvx", "env": {**expected, "OTHER": "x", "LOOPIN_PORT": 1}}
    file.write_text(json.dumps({"mcpServers": {"loopin": entry}}))

    install(tmp_path, "claude-code")

    assert settings(tmp_path, "claude-code") == expected


def test_hosts_that_share_hooks_share_their_settings(tmp_path: Path) -> None:
    install(tmp_path, "copilot", "--user", "ana")
    install(tmp_path, "vscode", "--url", URL, "--user", "ana")

    assert settings(tmp_path, "vscode") == {"LOOPIN_USER_ID": "ana", "LOOPIN_API_URL": URL}


def test_settings_go_with_the_gate(tmp_path: Path) -> None:
    install(tmp_path, "codex", "--user", "ana")
    install(tmp_path, "codex", "--gate", "off")
    assert not (tmp_path / "data/hosts/codex.env").exists()

    install(tmp_path, "codex")
    assert settings(tmp_path, "codex") == {"LOOPIN_USER_ID": "ana"}
    uninstall(tmp_path, "codex")
    assert not (tmp_path / "data/hosts/codex.env").exists()


def test_setting_that_only_the_host_can_fill_in_is_refused(tmp_path: Path) -> None:
    file = tmp_path / FILES["vscode"]
    file.parent.mkdir(parents=True)
    entry = {"command": "uvx", "env": {"LOOPIN_API_KEY": "${input:loopin-key}"}}
    file.write_text(json.dumps({"servers": {"loopin": entry}}))

    refused = install(tmp_path, "vscode")

    assert refused.exit_code == 1
    assert "LOOPIN_API_KEY holds a placeholder" in refused.stderr
    assert install(tmp_path, "vscode", "--gate", "off").exit_code == 0


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("--url", "http://localhost:1"), "LOOPIN_API_URL has the host localhost"),
        (("--key", "a b"), "LOOPIN_API_KEY must be printable ASCII"),
        (("--tools", "create_interrupt,rm"), "LOOPIN_TOOLS has unknown tools"),
        (("--match", "("), "--match is not a regular expression"),
    ],
)
def test_options_are_checked_as_settings_are(
    tmp_path: Path, arguments: tuple[str, ...], reason: str
) -> None:
    assert reason in str(install(tmp_path, "cursor", *arguments).exception)


@pytest.mark.parametrize("host", FILES)
@pytest.mark.parametrize("is_printed", [True, False])
def test_api_of_a_team_without_a_user_is_refused(
    tmp_path: Path, host: str, *, is_printed: bool
) -> None:
    options = ("--print",) if is_printed else ()

    refused = install(tmp_path, host, "--url", URL, "--key", SECRET, *options)

    assert (refused.exit_code, snapshot(tmp_path)) == (1, {})
    assert "does not know whom to ask: add --user NAME" in refused.stderr


def test_user_of_the_entry_or_of_the_environment_is_asked(tmp_path: Path) -> None:
    install(tmp_path, "codex", "--user", "ana")
    install(tmp_path, "codex", "--url", URL, LOOPIN_USER_ID="ben")
    install(tmp_path, "cursor", "--url", URL, LOOPIN_USER_ID="ben")
    refused = install(tmp_path, "gemini", "--url", URL, LOOPIN_USER_ID="x" * 201)

    assert settings(tmp_path, "codex") == {"LOOPIN_API_URL": URL, "LOOPIN_USER_ID": "ana"}
    assert settings(tmp_path, "cursor") == {"LOOPIN_API_URL": URL, "LOOPIN_USER_ID": "ben"}
    assert "LOOPIN_USER_ID must be" in refused.stderr


def test_url_that_hooks_share_needs_a_user(tmp_path: Path) -> None:
    file = tmp_path / FILES["copilot"]
    file.parent.mkdir()
    entry = {"command": "uvx", "env": {"LOOPIN_API_URL": URL}}
    file.write_text(json.dumps({"mcpServers": {"loopin": entry}}))

    refused = install(tmp_path, "vscode")

    assert "add --user NAME" in refused.stderr
    assert install(tmp_path, "vscode", "--user", "ana").exit_code == 0


def test_key_can_be_given_on_stdin(tmp_path: Path) -> None:
    install(tmp_path, "cursor", "--key", "-", typed=f"{SECRET}\n")

    assert settings(tmp_path, "cursor") == {"LOOPIN_API_KEY": SECRET}


def test_home_and_data_directory_must_be_known(tmp_path: Path) -> None:
    nowhere = install(tmp_path, "cursor", HOME="", USERPROFILE="")
    relative = install(tmp_path, "cursor", LOOPIN_DATA_DIR="data")

    assert "HOME is not set to an absolute path" in str(nowhere.exception)
    assert "LOOPIN_DATA_DIR must be an absolute path" in str(relative.exception)
