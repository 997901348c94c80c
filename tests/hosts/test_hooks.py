"""What the hosts make of a hook's end: the contracts that the gate rests on."""

import re
import signal
from collections.abc import Callable

import pytest

from tests.hosts.home import Home
from tests.hosts.hosts import JSON
from tests.hosts.human import until
from tests.hosts.model import Message

SAID = "Ask a human first."


def test_command_runs_when_its_hook_has_no_objection(home: Home) -> None:
    home.hook("cat > seen.json")

    home.runs(home.shell("touch ran"))

    assert home.did("seen.json")
    assert home.did()


def test_exit_2_blocks_a_command_though_the_user_is_asked_nothing(home: Home) -> None:
    home.hook(f"echo {SAID} >&2; exit 2")

    home.runs(home.shell("touch ran"))

    assert not home.did()


@pytest.mark.parametrize("name", ["claude-code", "codex", "gemini"])
def test_model_reads_why_its_command_was_blocked(set_up: Callable[[str], Home], name: str) -> None:
    home = set_up(name)
    home.hook(f"echo {SAID} >&2; exit 2")

    model = home.runs(home.shell("touch ran"))

    assert SAID in model.results[0]


def test_killed_hook_blocks_the_command_when_its_shell_says_so(home: Home) -> None:
    home.hook(f"sh -c 'kill -{signal.SIGKILL.value} $$' || exit 2")

    home.runs(home.shell("touch ran"))

    assert not home.did()


@pytest.mark.parametrize(
    ("name", "runs"), [("claude-code", True), ("codex", True), ("copilot", False), ("gemini", True)]
)
def test_only_copilot_is_closed_when_a_hook_breaks(
    set_up: Callable[[str], Home], name: str, runs: bool
) -> None:
    home = set_up(name)
    home.hook("exit 1")

    home.runs(home.shell("touch ran"))

    assert home.did() == runs


def test_every_host_runs_the_command_when_a_hook_overstays(home: Home) -> None:
    home.hook("exec sleep 60", timeout_s=1)

    home.runs(home.shell("touch ran"))

    assert home.did()


@pytest.mark.parametrize(
    "failing",
    [
        {"type": "command", "command": "exit 1"},
        {"type": "command", "command": f"kill -{signal.SIGKILL.value} $$"},
        {"type": "command", "command": "exec sleep 60", "timeout": 1},
        {"type": "mcp_tool", "server": "missing", "tool": "gate_call", "input": {}},
    ],
    ids=["exit 1", "killed", "late", "no server"],
)
@pytest.mark.parametrize("closes", [False, True], ids=["older", "onFailure"])
def test_claude_code_blocks_a_command_whose_hook_failed_if_the_hook_says_so(
    claude_code: Home, failing: JSON, closes: bool
) -> None:
    hook = {**failing, **({"onFailure": "block"} if closes else {})}
    hooks = {"PreToolUse": [{"matcher": "Bash", "hooks": [hook]}]}
    claude_code.write((".claude/settings.json", {"hooks": hooks}))

    model = claude_code.runs(claude_code.shell("touch ran"))

    assert len(model.results) == 1
    assert claude_code.did() != closes


def test_codex_skips_a_hook_that_its_user_has_not_trusted(set_up: Callable[[str], Home]) -> None:
    home = set_up("codex")
    home.hook("exit 2")

    home.runs(
        home.shell("touch ran"), arguments=("Go", "--dangerously-bypass-approvals-and-sandbox")
    )

    assert home.did()


def test_codex_asks_no_hook_about_what_is_typed_into_a_program(
    set_up: Callable[[str], Home],
) -> None:
    home = set_up("codex")
    home.hook("cat >> seen.json")

    def typed(results: list[str]) -> Message:
        found = re.search(r"session ID (\d+)", results[0])
        assert found, results
        return {"session_id": int(found[1]), "chars": "touch ran; exit\n"}

    home.runs(
        ("exec_command", {"cmd": "sh -i", "tty": True, "yield_time_ms": 250}),
        ("write_stdin", typed),
    )

    until(home.did)
    assert (home.project / "seen.json").read_text(encoding="utf-8").count("PreToolUse") == 1
