"""What the doctor says about a host's command, however it behaves."""

import os
import sys
from pathlib import Path

import anyio
import pytest

from loopin_mcp.commands.doctor import self_test
from loopin_mcp.commands.doctor.programs import (
    LEGACY,
    MODERN,
    NoServerError,
    Program,
    is_this_program,
    shake_hands,
)
from tests.support import PATIENCE_S, START_TIMEOUT_S, clean_environment

pytestmark = pytest.mark.subprocess

# What a program does with the first line, and what is said about it.
BAD = {
    "input(); print('Welcome!')": "it prints something that is not MCP",
    "input(); print('[' * 100000)": "it prints something that is not MCP",
    'input(); print(\'{"jsonrpc": "2.0", "id": 7}\')': "it prints something that is not MCP",
    'input(); print(\'{"jsonrpc": "2.0", "id": 0, "error": {}}\')': (
        "it refuses the first request of a host"
    ),
    "input(); print('x' * 5_000_000)": "its first line is too long",
    "raise SystemExit(3)": "it ended with exit code 3 before it answered",
    "import os; os.close(0); print('{}')": "it prints something that is not MCP",
}


def python(code: str, **variables: str) -> Program:
    return Program([sys.executable, "-c", code], clean_environment(**variables))


@pytest.mark.parametrize("era", [LEGACY, MODERN])
async def test_own_server_answers_in_each_era(tmp_path: Path, era: str) -> None:
    program = python(
        "from loopin_mcp.cli import main; main()", LOOPIN_DATA_DIR=str(tmp_path / "data")
    )

    with anyio.fail_after(START_TIMEOUT_S):
        took_s = await shake_hands(program, era)

    assert took_s > 0
    assert not (tmp_path / "data").exists()


@pytest.mark.skipif(sys.platform == "win32", reason="links need a privilege there")
def test_this_program_is_known_by_its_own_path_and_by_links(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    as_module = [str(tmp_path / "python"), "-m", "loopin_mcp", "gate"]
    assert is_this_program(as_module, {})
    assert not is_this_program(["/other/python", "-m", "loopin_mcp"], {})
    assert not is_this_program([str(tmp_path / "python"), "-c", "1"], {})

    (tmp_path / "loopin-mcp").touch()
    (tmp_path / "link").symlink_to(tmp_path / "loopin-mcp")
    assert is_this_program([str(tmp_path / "loopin-mcp"), "gate"], {})
    assert is_this_program([str(tmp_path / "link")], {})
    assert not is_this_program([sys.executable], {})
    assert not is_this_program(["nul\0nul"], {})


def test_program_in_a_cache_is_not_this_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/home/.cache/uv/archive-v0/x/bin/python")

    assert not is_this_program(["uvx", "loopin-mcp"], {})


@pytest.mark.parametrize("code", BAD)
async def test_program_that_is_not_a_server_is_described(code: str) -> None:
    with anyio.fail_after(PATIENCE_S), pytest.raises(NoServerError) as caught:
        await shake_hands(python(code))

    assert str(caught.value) == BAD[code]


@pytest.mark.parametrize(
    ("command", "reason"),
    [("/nowhere/loopin-mcp", "No such file"), ("nul\0nul", "its command is not one")],
)
async def test_command_that_cannot_be_started_is_described(command: str, reason: str) -> None:
    with pytest.raises(NoServerError, match=rf"it cannot be started \({reason}"):
        await shake_hands(Program([command], {}))


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such pipes")
async def test_program_that_hangs_is_ended_with_what_it_started(tmp_path: Path) -> None:
    os.mkfifo(started := tmp_path / "started")
    code = (
        "import os, subprocess, sys, time\n"
        f"pipe = os.open({str(started)!r}, os.O_WRONLY)\n"
        "os.set_inheritable(pipe, True)\n"
        "sleep = 'import time; time.sleep(600)'\n"
        "subprocess.Popen([sys.executable, '-c', sleep], close_fds=False)\n"
        "os.write(pipe, b'started\\n')\n"
        "time.sleep(600)"
    )

    with anyio.fail_after(PATIENCE_S):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(shake_hands, python(code))
            pipe = await anyio.to_thread.run_sync(started.open)
            assert await anyio.to_thread.run_sync(pipe.readline) == "started\n"
            tasks.cancel_scope.cancel()
        with pipe:
            # It ends when no program has the other end any more.
            assert await anyio.to_thread.run_sync(pipe.read) == ""


async def test_slow_start_is_a_warning_and_none_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    answer = 'input(); print(\'{"jsonrpc": "2.0", "id": 0, "result": {}}\')'

    good = await self_test.greet("MCP", python(answer), "Again.")
    monkeypatch.setattr(self_test, "PATIENCE_S", 0)
    slow = await self_test.greet("MCP", python(answer), "Again.")
    bad = await self_test.greet("MCP", python(""), "Again.")

    assert [each.status for each in (good, slow, bad)] == ["pass", "warning", "failure"]
    assert slow.remedy
    assert bad.found.endswith(": it ended with exit code 0 before it answered")
    assert bad.remedy == "Again."
