"""Where each host has its files, on each system."""

from pathlib import Path

import pytest

from loopin_mcp.install.hosts import HOSTS, find_hosts
from loopin_mcp.install.machine import Machine
from loopin_mcp.install.reading import hooks_file, read_gate_hooks
from tests.support.installing import FILES, HOOKS, machine

HOME = Path("/home/u")
MAC = {
    "claude-desktop": "Library/Application Support/Claude/claude_desktop_config.json",
    "vscode": "Library/Application Support/Code/User/mcp.json",
}
WINDOWS = {
    "claude-desktop": "AppData/Roaming/Claude/claude_desktop_config.json",
    "vscode": "AppData/Roaming/Code/User/mcp.json",
    "zed": "AppData/Roaming/Zed/settings.json",
}


def files(where: Machine) -> dict[str, str]:
    return {name: host.file(where).as_posix() for name, host in HOSTS.items()}


@pytest.mark.parametrize(
    ("platform", "others"), [("linux", {}), ("darwin", MAC), ("win32", WINDOWS)]
)
def test_each_system_has_its_files(platform: str, others: dict[str, str]) -> None:
    expected = {name: f"/home/u/{file}" for name, file in (FILES | others).items()}

    assert files(machine(HOME, platform)) == expected


def test_hosts_with_a_gate_have_a_file_of_hooks() -> None:
    found = {name: hooks_file(host, machine(HOME)) for name, host in HOSTS.items()}

    assert found == {name: HOME / HOOKS[name] if name in HOOKS else None for name in HOSTS}


@pytest.mark.parametrize(
    ("platform", "variable", "host", "file", "hooks"),
    [
        ("linux", "CLAUDE_CONFIG_DIR", "claude-code", ".claude.json", "settings.json"),
        ("linux", "CODEX_HOME", "codex", "config.toml", "hooks.json"),
        ("linux", "COPILOT_HOME", "copilot", "mcp-config.json", "hooks/loopin.json"),
        ("linux", "GEMINI_CLI_HOME", "gemini", ".gemini/settings.json", ".gemini/settings.json"),
        ("linux", "XDG_CONFIG_HOME", "zed", "zed/settings.json", None),
        ("linux", "XDG_CONFIG_HOME", "claude-desktop", "Claude/claude_desktop_config.json", None),
        ("win32", "APPDATA", "zed", "Zed/settings.json", None),
    ],
)
def test_variables_of_hosts_move_their_files(
    platform: str, variable: str, host: str, file: str, hooks: str | None
) -> None:
    where = machine(HOME, platform, **{variable: "/elsewhere"})

    assert HOSTS[host].file(where) == Path("/elsewhere", file)
    assert hooks is None or hooks_file(HOSTS[host], where) == Path("/elsewhere", hooks)


def test_hosts_are_found_by_their_directory_or_program(tmp_path: Path) -> None:
    (tmp_path / ".cursor").mkdir()
    program = tmp_path / "bin" / "gemini"
    program.parent.mkdir()
    program.write_text("")
    program.chmod(0o755)

    found = find_hosts(machine(tmp_path, PATH=str(program.parent)))

    assert [host.id for host in found] == ["cursor", "gemini"]


@pytest.mark.parametrize(
    ("host", "name", "start"),
    [
        ("claude-code", "command", "& 'C:\\x y\\loopin-mcp.exe' gate"),
        ("codex", "command", '"C:\\x y\\loopin-mcp.exe" gate'),
        ("gemini", "command", "& 'C:\\x y\\loopin-mcp.exe' gate"),
        ("cursor", "command", "& 'C:\\x y\\loopin-mcp.exe' gate"),
        ("copilot", "powershell", "& 'C:\\x y\\loopin-mcp.exe' gate"),
    ],
)
def test_hooks_on_windows_have_lines_for_its_shells(host: str, name: str, start: str) -> None:
    hooks = HOSTS[host].hooks
    assert hooks is not None

    handler = hooks.handler([r"C:\x y\loopin-mcp.exe", "gate"], machine(HOME, "win32"))

    assert str(handler[name]).startswith(start)
    assert handler.get("shell") == ("powershell" if host == "claude-code" else None)


def test_hosts_without_hooks_have_no_gate(tmp_path: Path) -> None:
    assert read_gate_hooks(HOSTS["zed"], machine(tmp_path)) == []
