"""Files that cannot be changed safely are refused, and links and modes stay."""

import os
import sys
from pathlib import Path

import pytest

from loopin_mcp.errors import ConfigurationError
from loopin_mcp.install.files import keep_backup, replace
from loopin_mcp.install.hosts import HOSTS
from loopin_mcp.install.reading import read_entry, read_gate_hooks
from tests.support.installing import (
    FILES,
    HOOKS,
    SECRET,
    install,
    machine,
    snapshot,
    uninstall,
)

ON_POSIX = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such modes")


def written(home: Path, host: str, text: str | bytes) -> Path:
    file = home / FILES[host]
    file.parent.mkdir(parents=True)
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    return file


@pytest.mark.parametrize(
    ("host", "text", "reason"),
    [
        ("cursor", '{\n  "a": 1\n  "b": 2}', "not valid JSON at line 3, column 3"),
        ("cursor", "[1]", "not an object"),
        ("cursor", '{"mcpServers": []}', "not usable (mcpServers is not an object)"),
        ("cursor", b'{\n"\xff": 1}', "not UTF-8 at line 2"),
        ("codex", "a = 1\nb = ", "not valid TOML: Invalid value"),
        ("codex", "mcp_servers = 3\n", "not usable (mcp_servers is not a table)"),
    ],
)
def test_file_that_cannot_be_read_is_refused_by_name_and_place(
    tmp_path: Path, host: str, text: str | bytes, reason: str
) -> None:
    file = written(tmp_path, host, text)
    before = snapshot(tmp_path)

    installed, taken_out = install(tmp_path, host), uninstall(tmp_path, host)

    assert snapshot(tmp_path) == before
    assert installed.exit_code == 1
    assert f"{file} is {reason}" in installed.stderr
    assert reason in taken_out.stderr or taken_out.exit_code == 0


@pytest.mark.parametrize("host", ["gemini", "cursor"])
def test_hooks_of_another_kind_are_refused(tmp_path: Path, host: str) -> None:
    file = tmp_path / HOOKS[host]
    file.parent.mkdir()
    for text in ('{"hooks": 1}', f'{{"hooks": {{"{HOSTS[host].hooks.calls[0][0]}": {{}}}}}}'):  # type: ignore[union-attr]  # these have hooks
        file.write_text(text)
        refused = install(tmp_path, host)
        assert refused.exit_code == 1
        assert f"{file} is not usable (hooks" in refused.stderr
        assert file.read_text() == text
        assert read_gate_hooks(HOSTS[host], machine(tmp_path)) == []


@ON_POSIX
def test_link_stays_and_its_target_is_changed(tmp_path: Path) -> None:
    target = tmp_path / "dotfiles" / "mcp.json"
    target.parent.mkdir()
    target.write_text("{}")
    link = tmp_path / FILES["cursor"]
    link.parent.mkdir()
    link.symlink_to(Path("..", "dotfiles", "mcp.json"))

    install(tmp_path, "cursor")
    assert link.is_symlink()
    assert read_entry(HOSTS["cursor"], machine(tmp_path)) is not None
    uninstall(tmp_path, "cursor")

    assert link.is_symlink()
    assert target.read_text() == "{}"


@ON_POSIX
def test_file_without_the_right_to_write_is_refused(tmp_path: Path) -> None:
    file = written(tmp_path, "cursor", "{}")
    file.chmod(0o444)

    refused = install(tmp_path, "cursor")

    assert (refused.exit_code, file.read_text()) == (1, "{}")
    assert f"{file} is not writable" in refused.stderr


@ON_POSIX
def test_directory_of_another_user_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: tmp_path.stat().st_uid + 1)

    refused = install(tmp_path, "cursor")

    assert (refused.exit_code, snapshot(tmp_path)) == (1, {})
    assert "which belongs to another user" in refused.stderr


def test_directory_in_the_place_of_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / FILES["cursor"]).mkdir(parents=True)

    refused = install(tmp_path, "cursor")

    assert refused.exit_code == 1
    assert f"{tmp_path / FILES['cursor']} is not a file, or larger than 32 MiB" in refused.stderr


@ON_POSIX
@pytest.mark.parametrize("kind", ["pipe", "device", "large"])
def test_file_that_never_ends_is_not_read(tmp_path: Path, kind: str) -> None:
    file = tmp_path / FILES["cursor"]
    file.parent.mkdir(parents=True)
    if kind == "pipe":
        os.mkfifo(file)
    elif kind == "device":
        file.symlink_to("/dev/zero")
    else:
        file.touch()
        os.truncate(file, 2**40)

    refused = install(tmp_path, "cursor")

    assert refused.exit_code == 1
    assert f"{file} is not a file, or larger than 32 MiB" in refused.stderr


def test_file_that_changed_meanwhile_is_not_replaced(tmp_path: Path) -> None:
    file = tmp_path / "a.json"
    file.write_text("new")

    with pytest.raises(ConfigurationError, match="has just been changed by another program"):
        replace(file, "mine", "old")

    assert file.read_text() == "new"


def test_draft_of_a_failed_write_is_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", fail)

    refused = install(tmp_path, "windsurf")

    assert refused.exit_code == 1
    assert "cannot be read or written: No space left on device" in refused.stderr
    assert snapshot(tmp_path) == {}


def test_backups_of_one_moment_have_different_names(tmp_path: Path) -> None:
    file = tmp_path / "a.json"
    file.write_text("1")

    names = {keep_backup(file, str(number)) for number in range(5)}

    assert sorted(name.read_text() for name in names) == ["0", "1", "2", "3", "4"]


def test_key_is_never_shown(tmp_path: Path) -> None:
    for host in FILES:
        first = install(
            tmp_path, host, "--key", SECRET, "--url", "https://a.example", "--user", "ana"
        )
        second = install(tmp_path, host, "--key", "another-" + SECRET)
        assert SECRET not in first.output + second.output
        assert "••• (changed)" in second.output
        assert SECRET in (tmp_path / FILES[host]).read_text()
