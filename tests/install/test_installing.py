"""Installing writes LoopIn's parts, and nothing else."""

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
    unasked,
)

OTHERS = """\
{
    // kept
    "other": [1, 2,],
    "mcpServers": {
        "mine": {"command": "mine"}, // kept, too
    },
    "hooks": {
        "BeforeTool": [
            {"matcher": "x", "hooks": [{"type": "command", "command": "log"}]}
        ]
    }
}
"""
EVENTS = {
    "claude-code": {"prompts": ["PermissionRequest"], "calls": ["PreToolUse"]},
    "cursor": {"calls": ["beforeShellExecution", "beforeMCPExecution", "preToolUse"]},
    "vscode": {"calls": ["PreToolUse"]},
    "codex": {"prompts": ["PermissionRequest"], "calls": ["PreToolUse"]},
    "copilot": {"calls": ["PreToolUse"]},
    "gemini": {"calls": ["BeforeTool"]},
}


def events(home: Path, host: str) -> list[str]:
    return [hook.event for hook in read_gate_hooks(HOSTS[host], machine(home))]


@pytest.mark.parametrize("host", FILES)
def test_every_host_gets_an_entry_with_an_absolute_command(tmp_path: Path, host: str) -> None:
    done = install(tmp_path, host)

    entry = read_entry(HOSTS[host], machine(tmp_path))
    assert done.exit_code == 0
    assert entry is not None
    assert Path(str(entry["command"])).is_absolute()
    assert "env" not in entry
    assert HOSTS[host].next_step in done.output


@pytest.mark.parametrize("host", FILES)
def test_second_time_changes_nothing(tmp_path: Path, host: str) -> None:
    install(tmp_path, host, "--url", "https://a.example", "--user", "ana", "--key", SECRET)
    before = snapshot(tmp_path)

    again = install(tmp_path, host, "--url", "https://a.example", "--user", "ana", "--key", SECRET)

    title = HOSTS[host].title
    assert again.output.splitlines() == [
        f"{title}: nothing to change.",
        f"If {title} does not use LoopIn yet, restart it.",
    ]
    assert snapshot(tmp_path) == before
    assert not list(tmp_path.rglob("*.bak"))


@pytest.mark.parametrize("host", HOOKS)
def test_gate_hooks_end_in_time_and_fail_closed(tmp_path: Path, host: str) -> None:
    install(tmp_path, host)

    hooks = read_gate_hooks(HOSTS[host], machine(tmp_path))
    gate = "prompts" if "prompts" in EVENTS[host] else "calls"
    assert [hook.event for hook in hooks] == EVENTS[host][gate]
    assert {(hook.timeout_s, hook.gate_timeout_s, hook.fails_closed) for hook in hooks} == {
        (600, 590, True)
    }


@pytest.mark.parametrize("host", EVENTS)
def test_gate_can_be_changed_and_turned_off(tmp_path: Path, host: str) -> None:
    for gate, expected in (*EVENTS[host].items(), ("off", [])):
        assert install(tmp_path, host, "--gate", gate).exit_code == 0
        assert events(tmp_path, host) == expected


@pytest.mark.parametrize("host", HOOKS)
def test_match_names_the_tools_of_the_last_event(tmp_path: Path, host: str) -> None:
    done = install(tmp_path, host, "--match", "^deploy$")

    hooks = read_gate_hooks(HOSTS[host], machine(tmp_path))
    assert [(it.event, it.matcher) for it in hooks] == [(EVENTS[host]["calls"][-1], "^deploy$")]
    # Hosts read patterns in different ways, so the gate does it.
    assert "gate --timeout 590 --match '^deploy$'" in hooks[0].line
    assert "whose name matches ^deploy$" in done.output


@pytest.mark.parametrize("host", HOOKS)
@pytest.mark.parametrize("options", [("--gate", "calls"), ("--match", "^deploy$")])
def test_gate_stays_as_it_is_when_none_is_named(
    tmp_path: Path, host: str, options: tuple[str, ...]
) -> None:
    install(tmp_path, host, *options)
    before = read_gate_hooks(HOSTS[host], machine(tmp_path))

    again = install(tmp_path, host, "--tools", "create_interrupt")

    after = read_gate_hooks(HOSTS[host], machine(tmp_path))
    assert [(it.event, it.matcher) for it in after] == [(it.event, it.matcher) for it in before]
    assert "Gate: calls." in again.output


def test_all_else_in_a_file_stays(tmp_path: Path) -> None:
    file = tmp_path / FILES["gemini"]
    file.parent.mkdir()
    file.write_text(OTHERS)
    file.chmod(0o640)

    install(tmp_path, "gemini")

    text = file.read_text()
    kept = [line for line in text.splitlines() if line in OTHERS.splitlines()]
    assert {"    // kept", '        "mine": {"command": "mine"}, // kept, too'} < set(kept)
    assert file.stat().st_mode & 0o777 == 0o640
    assert [backup.read_text() for backup in backups(file)] == [OTHERS]
    assert backups(file)[0].stat().st_mode & 0o777 == 0o640


def test_entry_is_updated_and_keeps_what_the_user_added(tmp_path: Path) -> None:
    file = tmp_path / FILES["cursor"]
    file.parent.mkdir()
    old = {
        "command": "uvx",
        "args": ["--from", "git+https://x", "loopin-mcp"],
        "timeout": 9,
        "env": {"LOOPIN_CONFIRM": "required", "LOOPIN_USER_ID": "old"},
    }
    file.write_text(json.dumps({"mcpServers": {"loopin": old}}, indent=1))

    done = install(tmp_path, "cursor", "--user", "new", "--tools", "create_interrupt")

    entry = read_entry(HOSTS["cursor"], machine(tmp_path))
    assert entry is not None
    assert entry["args"] == []
    assert entry["timeout"] == 9
    assert entry["env"] == {
        "LOOPIN_CONFIRM": "required",
        "LOOPIN_USER_ID": "new",
        "LOOPIN_TOOLS": "create_interrupt",
    }
    assert '-      "command": "uvx",' in done.output


def test_environment_is_added_to_an_entry_without_one(tmp_path: Path) -> None:
    install(tmp_path, "zed")
    install(tmp_path, "zed", "--user", "ana")

    entry = read_entry(HOSTS["zed"], machine(tmp_path))
    assert entry is not None
    assert entry["env"] == {"LOOPIN_USER_ID": "ana"}


def test_hooks_of_the_gate_are_replaced_and_those_of_others_kept(tmp_path: Path) -> None:
    file = tmp_path / HOOKS["claude-code"]
    file.parent.mkdir()
    log = {"type": "command", "command": "log"}
    old = {"type": "command", "command": "/old/loopin-mcp gate --timeout 20"}
    hooks = {"PreToolUse": [{"matcher": "Bash", "hooks": [log, old]}, {"hooks": [old]}], "Stop": []}
    file.write_text(json.dumps({"hooks": hooks}))

    install(tmp_path, "claude-code")
    [kept] = read_gate_hooks(HOSTS["claude-code"], machine(tmp_path))
    assert (kept.event, kept.matcher, kept.gate_timeout_s) == ("PreToolUse", ".*", 590)

    install(tmp_path, "claude-code", "--gate", "prompts")
    assert events(tmp_path, "claude-code") == ["PermissionRequest"]
    found = data(file)
    assert isinstance(found, dict)
    assert found["hooks"]["PreToolUse"] == [{"matcher": "Bash", "hooks": [log]}]
    assert found["hooks"]["Stop"] == []


def test_toml_keeps_comments_and_line_ends(tmp_path: Path) -> None:
    file = tmp_path / FILES["codex"]
    file.parent.mkdir()
    lines = ('model = "m" # mine', "", "[mcp_servers.x]", 'command = "x"', "# y", "[y]", "z = 1")
    text = "".join(f"{line}\r\n" for line in lines)
    file.write_bytes(text.encode())

    install(tmp_path, "codex", "--user", "ana")

    after = file.read_bytes().decode()
    assert "\n" not in after.replace("\r\n", "")
    assert [line for line in text.splitlines() if line not in after.splitlines()] == []
    entry = tomllib.loads(after)["mcp_servers"]["loopin"]
    assert entry["env"] == {"LOOPIN_USER_ID": "ana"}
    assert entry["required"] is True


def test_byte_order_mark_and_empty_files_are_taken(tmp_path: Path) -> None:
    for host, text in (("cursor", ""), ("zed", "// mine\n"), ("windsurf", "\ufeff{\r\n}\r\n")):
        file = tmp_path / FILES[host]
        file.parent.mkdir(parents=True)
        file.write_bytes(text.encode())
        assert install(tmp_path, host).exit_code == 0
        assert read_entry(HOSTS[host], machine(tmp_path)) is not None
        assert file.read_bytes().decode().startswith(text[:8].removesuffix("}\r\n"))


def test_hosts_are_found_when_none_is_named(tmp_path: Path) -> None:
    nobody = install(tmp_path)
    (tmp_path / ".cursor").mkdir()
    (tmp_path / ".codeium/windsurf").mkdir(parents=True)
    found = install(tmp_path)

    assert "No host was found on this machine" in str(nobody.exception)
    assert found.exit_code == 0
    assert read_entry(HOSTS["cursor"], machine(tmp_path)) is not None
    assert read_entry(HOSTS["windsurf"], machine(tmp_path)) is not None
    assert "Windsurf has no hooks for the gate" in found.output


def test_found_hosts_without_hooks_get_the_server_only(tmp_path: Path) -> None:
    for directory in (".config/zed", ".gemini"):
        (tmp_path / directory).mkdir(parents=True)

    done = install(tmp_path, "--gate", "calls", "--match", "x")

    assert done.exit_code == 0
    assert "Zed has no hooks for the gate" in done.output
    assert read_entry(HOSTS["zed"], machine(tmp_path)) is not None
    assert events(tmp_path, "gemini") == ["BeforeTool"]


def test_installation_from_the_cache_of_uv_says_what_is_faster(tmp_path: Path) -> None:
    uvx = tmp_path / "uvx"
    uvx.write_text("")
    uvx.chmod(0o755)
    in_cache = "/cache/uv/archive-v0/x/bin/python"
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("sys.executable", in_cache)
        done = install(tmp_path, "windsurf", PATH=str(tmp_path))

    assert f'"command": "{uvx}"' in done.output
    assert "`uv tool install` makes it faster" in done.output


def test_one_refusal_leaves_the_other_hosts(tmp_path: Path) -> None:
    done = install(tmp_path, "cursor", "claude-code", "--gate", "prompts")

    assert done.exit_code == 1
    assert "Cursor asks no hook before it asks its user: use --gate calls" in done.stderr
    assert read_entry(HOSTS["cursor"], machine(tmp_path)) is None
    assert events(tmp_path, "claude-code") == ["PermissionRequest"]


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("zed", "--gate", "calls"), "The gate does not work in Zed"),
        (("zed", "--match", "x"), "The gate does not work in Zed"),
        (("codex", "--gate", "prompts", "--match", "x"), "--match is for --gate calls"),
    ],
)
def test_gate_that_a_host_cannot_have_is_refused(
    tmp_path: Path, arguments: tuple[str, ...], reason: str
) -> None:
    refused = install(tmp_path, *arguments)

    assert (refused.exit_code, snapshot(tmp_path)) == (1, {})
    assert reason in refused.stderr


def test_shown_change_does_not_look_like_the_whole_file(tmp_path: Path) -> None:
    file = tmp_path / FILES["cursor"]
    file.parent.mkdir()
    file.write_text('{"other": 1}')

    shown = unasked(tmp_path, "cursor", "--gate", "off").stdout

    assert "@@ LoopIn's part; all else in this file stays @@" in shown
    assert "-0,0" not in shown


def test_without_a_terminal_nothing_is_written(tmp_path: Path) -> None:
    refused = unasked(tmp_path, "cursor")

    assert (refused.exit_code, snapshot(tmp_path)) == (1, {})
    assert "Nothing was written, because nobody can be asked: stdin is not a " in refused.stderr
    assert '+    "loopin": {' in refused.stdout


@pytest.mark.parametrize("host", FILES)
def test_print_writes_nothing_and_shows_no_key(tmp_path: Path, host: str) -> None:
    shown = unasked(
        tmp_path, host, "--print", "--key", SECRET, "--url", "https://a.example", "--user", "ana"
    )

    assert (shown.exit_code, snapshot(tmp_path)) == (0, {})
    assert SECRET not in shown.output
    assert "•••" in shown.stdout
    assert ("--timeout 590" in shown.stdout) == (host in HOOKS)


@pytest.mark.parametrize(
    ("typed", "meant"),
    [("claude", "claude-code"), ("vs-code", "vscode"), ("Gemini", "gemini"), ("zzz", None)],
)
def test_host_with_another_name_is_refused_with_the_one_that_was_meant(
    tmp_path: Path, typed: str, meant: str | None
) -> None:
    refused = install(tmp_path, typed)

    assert (refused.exit_code, snapshot(tmp_path)) == (2, {})
    assert "'claude-code', 'claude-desktop'" in refused.stderr
    assert (f"Did you mean {meant}?" in refused.stderr) == (meant is not None)
    assert ("Did you mean" in refused.stderr) == (meant is not None)


def test_printed_entry_is_json(tmp_path: Path) -> None:
    shown = unasked(tmp_path, "windsurf", "--print")

    assert list(json.loads(shown.stdout)["mcpServers"]) == ["loopin"]
