"""What only Claude Code has: approvals that take hours, prompts that tools answer, plugins."""

import json
from pathlib import Path

import pytest

from tests.hosts.home import Home
from tests.hosts.human import Human

PLUGIN = Path(__file__).parents[2] / "packaging" / "claude-code"
WRITE = "echo ran >> ran"
CARELESS = "--dangerously-skip-permissions"


@pytest.mark.parametrize("decision", ["approved", "rejected"])
def test_review_page_decides_about_a_command(
    claude_code: Home, human: Human, decision: str
) -> None:
    claude_code.guard(human)

    with claude_code.running(claude_code.shell(WRITE)) as model:
        human.decides_on_the_page(decision)

    assert len(model.results) == 1
    assert claude_code.did() == (decision == "approved")


@pytest.mark.parametrize("decision", ["approved", "rejected"])
def test_deferred_command_waits_without_a_process_and_runs_once_it_is_approved(
    claude_code: Home, human: Human, decision: str
) -> None:
    claude_code.guard(human, "--defer")
    command = claude_code.shell(WRITE)
    claude_code.runs(command)
    session = json.loads(claude_code.said)["session_id"]

    claude_code.runs(command, arguments=(CARELESS, "--resume", session))
    assert json.loads(claude_code.said)["stop_reason"] == "tool_deferred"
    assert not claude_code.did()
    human.decides(decision)
    claude_code.runs(command, arguments=(CARELESS, "--resume", session))

    assert json.loads(claude_code.said)["stop_reason"] == "end_turn"
    assert claude_code.did() == (decision == "approved")


def test_plugin_is_valid_and_lets_a_human_answer_the_prompts(
    claude_code: Home, human: Human
) -> None:
    claude_code.provide("uvx")
    claude_code.environment |= human.variables
    arguments = ("Go", "--plugin-dir", str(PLUGIN))

    commands = claude_code.shell("touch ran"), claude_code.shell("touch unasked")
    with claude_code.running(*commands, arguments=arguments) as model:
        human.decides("approved")
        human.decides("rejected")

    assert claude_code.did()
    assert not claude_code.did("unasked")
    assert "mcp__plugin_loopin_loopin__create_interrupt" in model.tools
    claude_code.starts("plugin", "validate", str(PLUGIN))


@pytest.mark.parametrize("decision", ["approved", "rejected"])
def test_tool_of_the_server_answers_the_prompts(
    claude_code: Home, human: Human, decision: str
) -> None:
    claude_code.serve(human)
    arguments = ("Go", "--permission-prompt-tool", "mcp__loopin__permission_prompt")

    with claude_code.running(claude_code.shell(WRITE), arguments=arguments) as model:
        human.decides(decision)

    assert len(model.results) == 1
    assert claude_code.did() == (decision == "approved")


@pytest.mark.parametrize("decision", ["approved", "rejected"])
def test_tool_of_the_server_is_a_hook(claude_code: Home, human: Human, decision: str) -> None:
    claude_code.serve(human)
    given = ("tool_name", "tool_input", "session_id", "tool_use_id", "cwd", "hook_event_name")
    hook = {
        "type": "mcp_tool",
        "server": "loopin",
        "tool": "gate_call",
        "input": {name: f"${{{name}}}" for name in given},
        "timeout": 600,
        "onFailure": "block",
    }
    hooks = {"PreToolUse": [{"matcher": "Bash", "hooks": [hook]}]}
    claude_code.write((".claude/settings.json", {"hooks": hooks}))

    with claude_code.running(claude_code.shell(WRITE)) as model:
        human.decides(decision)

    assert len(model.results) == 1
    assert claude_code.did() == (decision == "approved")
    assert not any("gate_call" in tool for tool in model.tools)
