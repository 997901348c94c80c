"""The gate has the same settings as the server, in a file that only this user can read."""

import json
import sys
from pathlib import Path

import pytest

from loopin_mcp.install.hosts import HOSTS
from loopin_mcp.install.reading import read_gate_hooks
from loopin_mcp.settings.env_file import read_env_file
from tests.support.installing import FILES, HOOKS, SECRET, install, machine, uninstall

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
    environment = {"LOOPIN_API_URL": URL, "LOOPIN_API_KEY": SECRET, "OTHER": "x", "LOOPIN_PORT": 1}
    entry = {"command": "uvx", "env": environment}
    file.write_text(json.dumps({"mcpServers": {"loopin": entry}}))

    install(tmp_path, "claude-code")

    expected = {"LOOPIN_API_URL": URL, "LOOPIN_API_KEY": SECRET}
    assert settings(tmp_path, "claude-code") == expected


def test_hosts_that_share_hooks_share_their_settings(tmp_path: Path) -> None:
    install(tmp_path, "copilot", "--user", "ana")
    install(tmp_path, "vscode", "--url", URL)

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


def test_key_can_be_given_on_stdin(tmp_path: Path) -> None:
    install(tmp_path, "cursor", "--key", "-", typed=f"{SECRET}\n")

    assert settings(tmp_path, "cursor") == {"LOOPIN_API_KEY": SECRET}


def test_home_and_data_directory_must_be_known(tmp_path: Path) -> None:
    nowhere = install(tmp_path, "cursor", HOME="", USERPROFILE="")
    relative = install(tmp_path, "cursor", LOOPIN_DATA_DIR="data")

    assert "HOME is not set to an absolute path" in str(nowhere.exception)
    assert "LOOPIN_DATA_DIR must be an absolute path" in str(relative.exception)
