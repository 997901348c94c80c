"""Uninstalling takes out what installing wrote, and nothing else."""

import json
import tomllib
from pathlib import Path

import pytest

from loopin_mcp.install.hosts import HOSTS
from loopin_mcp.install.reading import read_entry, read_gate_hooks
from tests.support.installing import (
    FILES,
    HOOKS,
    SECRET,
    backups,
    data,
    install,
    machine,
    snapshot,
    uninstall,
)

TEXTS = {
    ".json": [
        "{}",
        "{ }\n",
        "// only mine\n",
        '{\n  // mine\n  "mcpServers": {},\n  "servers": { },\n  "hooks": {"PreToolUse": []},\n}\n',
        '\ufeff{\r\n\t"context_servers": {"a": 1}, // b\r\n\t"version": 1\r\n}',
        '{"mcpServers":{"x":{}},"hooks":{"PreToolUse":[{"hooks":[]}]}}',
    ],
    ".toml": [
        "",
        'a = 1 # mine\n\n[mcp_servers.x]\ncommand = "x"\n\n[other]\nb = 2',
        'mcp_servers = { x = { command = "x" } }\n',
        '[mcp_servers]\n[mcp_servers.x]\ncommand = "x"\r\n',
    ],
}
CASES = [(host, text) for host, file in FILES.items() for text in TEXTS[Path(file).suffix]]


@pytest.mark.parametrize(("host", "text"), CASES)
def test_files_are_as_before_if_only_loopin_changed_them(
    tmp_path: Path, host: str, text: str
) -> None:
    for name in {FILES[host], HOOKS.get(host, FILES[host])}:
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes((text if file.suffix == Path(FILES[host]).suffix else "{}").encode())
    before = snapshot(tmp_path)

    assert install(tmp_path, host, "--key", SECRET).exit_code == 0
    assert install(tmp_path, host, "--user", "ana").exit_code == 0
    assert uninstall(tmp_path, host).exit_code == 0

    assert snapshot(tmp_path) == before


@pytest.mark.parametrize("host", FILES)
def test_files_that_only_loopin_made_are_removed(tmp_path: Path, host: str) -> None:
    install(tmp_path, host, "--url", "https://a.example", "--user", "ana")
    install(tmp_path, host, "--key", SECRET)

    done = uninstall(tmp_path, host)

    assert (done.exit_code, snapshot(tmp_path)) == (0, {})
    assert SECRET not in done.output
    assert uninstall(tmp_path, host).output == f"{HOSTS[host].title}: nothing to change.\n"


@pytest.mark.parametrize("text", TEXTS[".json"][2:])
def test_what_the_user_changed_since_then_stays(tmp_path: Path, text: str) -> None:
    file = tmp_path / FILES["gemini"]
    file.parent.mkdir()
    file.write_bytes(text.encode())
    install(tmp_path, "gemini")
    changed = file.read_bytes().decode().replace("{", '{ /* new */ "new": 1,', 1)
    file.write_bytes(changed.encode())

    uninstall(tmp_path, "gemini")

    after = file.read_bytes().decode()
    assert '/* new */ "new": 1' in after
    assert "loopin" not in after
    for container in ("mcpServers", "servers", "PreToolUse", "version", "// mine", "// b"):
        assert (container in after) == (container in text)


def test_entry_in_toml_goes_without_the_comments_of_the_next_table(tmp_path: Path) -> None:
    file = tmp_path / FILES["codex"]
    file.parent.mkdir()
    file.write_text(
        '[mcp_servers.loopin] # mine\ncommand = "uvx"\n# inside\n'
        '[mcp_servers.loopin.env]\nA = "b"\n'
        "\n# about y\n[y]\nz = 1\n"
    )

    uninstall(tmp_path, "codex")

    assert file.read_text() == "\n# about y\n[y]\nz = 1\n"


def test_entry_in_an_inline_table_is_taken_out(tmp_path: Path) -> None:
    file = tmp_path / FILES["codex"]
    file.parent.mkdir()
    file.write_text('mcp_servers = { x = { a = 1 }, loopin = { command = "uvx" } }\n')

    uninstall(tmp_path, "codex")

    assert tomllib.loads(file.read_text()) == {"mcp_servers": {"x": {"a": 1}}}


def test_text_that_looks_like_a_table_stays(tmp_path: Path) -> None:
    file = tmp_path / FILES["codex"]
    file.parent.mkdir()
    text = 'a = """\n[mcp_servers.loopin]\nb = """\n'
    file.write_text(f'{text}[mcp_servers.loopin]\ncommand = "uvx"\n')

    uninstall(tmp_path, "codex")

    assert file.read_text() == text


@pytest.mark.parametrize("backup", ["{", '{"mcpServers": 3}'])
def test_backup_that_does_not_fit_is_not_used(tmp_path: Path, backup: str) -> None:
    install(tmp_path, "windsurf")
    file = tmp_path / FILES["windsurf"]
    file.with_name(f"{file.name}.loopin-20260101-000000-00.bak").write_text(backup)

    assert uninstall(tmp_path, "windsurf").exit_code == 0
    assert not file.exists() or data(file) == {"mcpServers": {}}


def test_edit_that_would_change_something_else_is_refused(tmp_path: Path) -> None:
    file = tmp_path / FILES["windsurf"]
    file.parent.mkdir(parents=True)
    text = '{"mcpServers": {"x": {}}, "mcpServers": {"loopin": {}}}'
    file.write_text(text)

    refused = uninstall(tmp_path, "windsurf")

    assert (refused.exit_code, file.read_text()) == (1, text)
    assert "cannot be edited safely" in refused.stderr


def test_hooks_of_others_in_a_group_stay(tmp_path: Path) -> None:
    file = tmp_path / HOOKS["codex"]
    file.parent.mkdir()
    log = {"type": "command", "command": "echo about loopin-mcp | log gate"}
    gate = {"type": "command", "command": "loopin-mcp gate || exit 2"}
    odd = [3, {"hooks": 4}, {"hooks": [5]}]
    hooks = {"PreToolUse": [{"hooks": [gate, log]}, *odd], "Stop": 6, "PermissionRequest": [gate]}
    file.write_text(json.dumps({"hooks": hooks}))

    uninstall(tmp_path, "codex")

    assert data(file) == {"hooks": {"PreToolUse": [{"hooks": [log]}, *odd], "Stop": 6}}


def test_hooks_that_two_hosts_share_stay_for_the_other(tmp_path: Path) -> None:
    install(tmp_path, "vscode", "copilot", "--user", "ana")
    settings = tmp_path / "data/hosts/vscode.env"

    first = uninstall(tmp_path, "vscode")
    assert "The hooks stay: Copilot CLI uses the same file." in first.output
    assert read_entry(HOSTS["vscode"], machine(tmp_path)) is None
    assert len(read_gate_hooks(HOSTS["copilot"], machine(tmp_path))) == 1
    assert settings.exists()

    install(tmp_path, "vscode", "--gate", "off")
    assert len(read_gate_hooks(HOSTS["copilot"], machine(tmp_path))) == 1

    uninstall(tmp_path, "vscode", "copilot")
    assert snapshot(tmp_path) == {}


def test_backups_keep_the_mode_and_no_key_is_readable_by_others(tmp_path: Path) -> None:
    file = tmp_path / FILES["cursor"]
    file.parent.mkdir()
    file.write_text("{}")
    file.chmod(0o644)

    install(tmp_path, "cursor", "--key", SECRET)
    assert file.stat().st_mode & 0o777 == 0o600
    file.chmod(0o644)
    uninstall(tmp_path, "cursor")

    assert [backup.stat().st_mode & 0o777 for backup in backups(file)] == [0o644, 0o600]


def test_user_learns_what_remains_after_uninstalling(tmp_path: Path) -> None:
    install(tmp_path, "zed", "--key", SECRET)
    install(tmp_path, "windsurf")

    of_zed = uninstall(tmp_path, "zed").stdout
    of_windsurf = uninstall(tmp_path, "windsurf").stdout

    assert ".bak (with the API key)" in of_zed
    assert "Next: Restart Zed." in of_zed
    assert ".bak\n" in of_windsurf
