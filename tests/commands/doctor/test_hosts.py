"""What the doctor says about hosts: their files, LoopIn's entry, and how it starts."""

import json
import os
import sys
from pathlib import Path
from typing import Any

import anyio
import pytest

from loopin_mcp.commands.doctor import self_test
from loopin_mcp.commands.doctor.checks import Finding, run_checks
from loopin_mcp.commands.doctor.hosts import checks_of_hosts, notifying_hosts
from loopin_mcp.install import files
from tests.support import PATIENCE_S
from tests.support.secrets import LONG, MARK, shows_secret

pytestmark = [
    pytest.mark.subprocess,
    pytest.mark.skipif(sys.platform == "win32", reason="the files of Windows are elsewhere"),
]

ANSWER = 'input(); print(\'{"jsonrpc": "2.0", "id": 0, "result": {}}\')'
ENTRY = {"command": sys.executable, "args": ["-c", ANSWER], "env": {}}


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """The home directory of a user of Cursor."""
    (tmp_path / ".cursor").mkdir()
    return tmp_path


async def examine(home: Path, **environment: str) -> list[Finding]:
    """What is found in a home, but for the missing gate."""
    machine = {"HOME": str(home), "USERPROFILE": str(home), "PATH": "", **environment}
    with anyio.fail_after(PATIENCE_S):
        found = await run_checks(checks_of_hosts(machine))
    return [each for each in found if not each.name.endswith(" gate")]


async def examine_entry(home: Path, entry: object, **environment: str) -> list[Finding]:
    file = home / ".cursor" / "mcp.json"
    file.write_text(json.dumps({"mcpServers": {"loopin": entry}}))
    return await examine(home, **environment)


async def test_entry_that_starts_passes(home: Path) -> None:
    [found] = await examine_entry(home, ENTRY)

    assert (found.name, found.status) == ("Cursor", "pass")
    assert found.found.startswith(f"{sys.executable} answered within ")


async def test_host_without_loopin_passes_and_the_command_is_named(home: Path) -> None:
    [found] = await examine(home)

    assert (found.status, found.found) == (
        "pass",
        "LoopIn is not installed here; `loopin-mcp install cursor` does that",
    )


@pytest.mark.parametrize("variables", [{}, {"HOME": "relative", "USERPROFILE": "relative"}])
async def test_machine_without_hosts_is_a_warning(
    tmp_path: Path, variables: dict[str, str]
) -> None:
    [found] = await examine(tmp_path, **variables)

    assert (found.name, found.status) == ("Hosts", "warning")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"command": None}, "its entry has no command"),
        ({"command": "/nowhere/loopin-mcp"}, "its command does not exist: /nowhere/loopin-mcp"),
        ({"command": "nul\0nul"}, "its command does not exist: nul\0nul"),
        ({"args": [1]}, "its args or env are not texts"),
        ({"env": ["A=1"]}, "its args or env are not texts"),
        ({"args": ["-c", ""]}, f"{sys.executable}: it ended with exit code 0 before it answered"),
    ],
)
async def test_entry_that_cannot_start_is_a_failure(
    home: Path, changes: dict[str, object], said: str
) -> None:
    [found] = await examine_entry(home, ENTRY | changes)

    assert (found.name, found.status, found.found) == ("Cursor", "failure", said)
    assert "loopin-mcp install cursor" in found.remedy


async def test_command_that_hangs_is_ended(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(self_test, "ANSWER_S", 0.1)

    [found] = await examine_entry(home, ENTRY | {"args": ["-c", "import time; time.sleep(600)"]})

    assert found.status == "failure"
    assert found.found == f"{sys.executable} did not answer within 0.1 s"


async def test_command_that_the_path_finds_is_a_warning(home: Path, tmp_path: Path) -> None:
    (tmp_path / "loopin").symlink_to(sys.executable)

    started, warning = await examine_entry(home, ENTRY | {"command": "loopin"}, PATH=str(tmp_path))

    assert (started.status, warning.status) == ("pass", "warning")
    assert warning.found == "its command is not an absolute path: loopin"


async def test_entry_has_its_own_settings_and_not_those_of_the_terminal(home: Path) -> None:
    look = "import os; assert os.environ['A'] == '1' and 'LOOPIN_PORT' not in os.environ;" + ANSWER

    [found] = await examine_entry(
        home, {"command": sys.executable, "args": ["-c", look], "env": {"A": "1"}}, LOOPIN_PORT="1"
    )

    assert found.status == "pass"


async def test_bad_settings_of_an_entry_are_failures_without_secrets(home: Path) -> None:
    variables = {"LOOPIN_TIMEOUT": "soon", "LOOPIN_API_KEY": f"{LONG} {LONG}", "OTHER": LONG}
    arguments = ["-c", "raise SystemExit(1)", LONG]

    found = await examine_entry(home, ENTRY | {"env": variables, "args": arguments})

    assert [each.status for each in found] == ["failure"] * 3
    assert not shows_secret(repr(found).replace(str(home), ""))
    assert MARK not in repr(found)


async def test_equal_entries_are_started_once_and_their_api_is_asked_once(home: Path) -> None:
    starts = home / "starts"
    note = f"open({str(starts)!r}, 'a').write('x');{ANSWER}"
    away = {"LOOPIN_API_URL": "http://127.0.0.1:1", "LOOPIN_USER_ID": "ana"}
    entry = {"command": sys.executable, "args": ["-c", note], "env": away}
    windsurf = home / ".codeium/windsurf"
    windsurf.mkdir(parents=True)
    (windsurf / "mcp_config.json").write_text(json.dumps({"mcpServers": {"loopin": entry}}))

    found = await examine_entry(home, entry)

    assert starts.read_text() == "x"
    assert sorted((each.name, each.status) for each in found) == [
        ("API at http://127.0.0.1:1", "failure"),
        ("Cursor", "pass"),
        ("Windsurf", "pass"),
    ]


async def test_equal_entries_that_do_not_start_have_a_remedy_each(home: Path) -> None:
    entry = ENTRY | {"args": ["-c", ""]}
    windsurf = home / ".codeium/windsurf"
    windsurf.mkdir(parents=True)
    (windsurf / "mcp_config.json").write_text(json.dumps({"mcpServers": {"loopin": entry}}))

    found = await examine_entry(home, entry)

    assert [each.remedy.split(",")[0] for each in found] == [
        "Run `loopin-mcp install cursor`",
        "Run `loopin-mcp install windsurf`",
    ]


async def test_variable_that_only_looks_like_a_setting_is_a_warning(home: Path) -> None:
    _, found = await examine_entry(home, ENTRY | {"env": {"LOOPIN_TIMOUT": "5"}})

    assert (found.status, found.remedy) == (
        "warning",
        "Rename it to LOOPIN_TIMEOUT, or unset it.",
    )


async def test_entry_for_a_team_without_a_user_is_a_failure(home: Path) -> None:
    away = {"LOOPIN_API_URL": "http://127.0.0.1:1"}

    _, _, found = await examine_entry(home, ENTRY | {"env": away})
    filled_in = await examine_entry(home, ENTRY | {"env": away | {"LOOPIN_USER_ID": "${env:ME}"}})

    assert (found.name, found.status) == ("Cursor", "failure")
    assert found.found.startswith("LOOPIN_API_URL is set without LOOPIN_USER_ID")
    assert found.remedy == "Run `loopin-mcp install cursor --user NAME`."
    assert [each.status for each in filled_in] == ["pass"]


async def test_hosts_that_send_notifications_are_known(home: Path) -> None:
    machine = {"HOME": str(home), "USERPROFILE": str(home)}
    assert notifying_hosts(machine) == notifying_hosts({}) == []

    await examine_entry(home, ENTRY | {"env": {"LOOPIN_NOTIFY": f"json://{LONG}"}})

    assert notifying_hosts(machine) == ["Cursor"]


@pytest.mark.parametrize(
    ("variables", "status"),
    [
        ({"LOOPIN_NOTIFY": f"nonsense://{LONG}"}, "failure"),
        ({"LOOPIN_NOTIFY": f"json://127.0.0.1/{LONG}"}, "pass"),
        ({"LOOPIN_NOTIFY_HIGH": f"nonsense://{LONG}"}, "failure"),
    ],
)
async def test_channels_of_an_entry_are_checked_if_it_starts_this_program(
    home: Path, monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], status: str
) -> None:
    program = home / "loopin-mcp"
    program.write_text(f"#!{sys.executable}\n{ANSWER}\n")
    program.chmod(0o755)
    other = await examine_entry(home, {"command": str(program), "env": variables})
    monkeypatch.setattr(sys, "executable", str(home / "python"))

    own = await examine_entry(home, {"command": str(program), "env": variables})

    assert [each.status for each in other] == ["pass"]
    assert own[-1].status == status
    assert len(own) == (1 if status == "pass" else 2)
    assert not shows_secret(repr(own))


async def test_api_of_an_entry_is_checked(home: Path) -> None:
    away = {"LOOPIN_API_URL": "http://127.0.0.1:1", "LOOPIN_API_KEY": LONG, "LOOPIN_USER_ID": "a"}

    started, api = await examine_entry(home, ENTRY | {"env": away})
    [only_started] = await examine_entry(home, ENTRY | {"env": away | {"A": "${input:a}"}})

    assert (started.status, only_started.status) == ("pass", "pass")
    assert (api.name, api.status) == ("API at http://127.0.0.1:1", "failure")


def refused_files() -> dict[str, Any]:
    return {
        "pipe": os.mkfifo,
        "directory": Path.mkdir,
        "loop": lambda path: path.symlink_to(path),
        "huge": lambda path: path.write_bytes(b" " * 200),
        "no JSON": lambda path: path.write_text("{"),
        "deep": lambda path: path.write_text("[" * 150),
        "no UTF-8": lambda path: path.write_bytes(b"\xff"),
        "device": lambda path: path.symlink_to("/dev/zero"),
    }


@pytest.mark.parametrize("kind", refused_files())
async def test_hostile_file_is_a_failure_in_time(
    home: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    monkeypatch.setattr(files, "MOST_BYTES", 199)
    file = home / ".cursor" / "mcp.json"
    refused_files()[kind](file)

    [found] = await examine(home)

    assert (found.name, found.status) == ("Cursor", "failure")
    assert str(file) in found.found


@pytest.mark.parametrize(
    ("file", "start"), [(".cursor/mcp.json", '{"mcpServers": '), (".codex/config.toml", "x = ")]
)
async def test_deep_file_is_a_failure(tmp_path: Path, file: str, start: str) -> None:
    path = tmp_path / file
    path.parent.mkdir()
    path.write_text(start + "[" * 200_000)

    [found] = await examine(tmp_path)

    assert (found.status, str(path) in found.found) == ("failure", True)
