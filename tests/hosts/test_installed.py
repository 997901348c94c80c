"""What `loopin-mcp install` writes works in the real hosts."""

from collections.abc import Callable

import pytest

from tests.hosts.home import Home
from tests.hosts.human import Human, until
from tests.hosts.model import serving
from tests.hosts.terminal import in_terminal


def test_one_command_lets_a_human_decide_what_a_host_runs(home: Home, human: Human) -> None:
    home.install(*human.options, "--gate", "calls")

    # Our own tools ask nobody.
    own = home.tool("list_pending_interrupts", {})
    with home.running(own, home.shell("touch ran"), home.shell("touch unasked")) as model:
        human.decides("approved")
        human.decides("rejected")

    assert len(model.results) == 3
    assert home.did()
    assert not home.did("unasked")


def test_newcomer_decides_on_a_page_of_their_own_machine(home: Home) -> None:
    home.install("--gate", "calls")

    with home.running(home.shell("touch ran")):
        until(lambda: home.owner_approves() or home.did())

    assert home.did()


@pytest.mark.parametrize("name", ["claude-code", "copilot", "gemini"])
def test_file_is_written_if_its_text_was_approved(
    set_up: Callable[[str], Home], human: Human, name: str
) -> None:
    home = set_up(name)
    home.install(*human.options, "--gate", "calls")
    assert home.host.writer is not None
    tool, path, text = home.host.writer

    with home.running(
        (tool, {path: str(home.project / "ran"), text: "Hello"}),
        (tool, {path: str(home.project / "unasked"), text: "Hello"}),
    ) as model:
        asked = human.decides("approved")
        human.decides("rejected")

    assert len(model.results) == 2
    assert "+Hello" in str(asked["context"])
    assert home.did()
    assert not home.did("unasked")


def test_call_of_another_server_is_made_if_it_was_approved(home: Home, human: Human) -> None:
    home.install(*human.options, "--gate", "calls")
    home.serve(human, "other")

    call = home.tool("get_interrupt_analytics", {}, "other")
    with home.running(call, call) as model:
        asked = human.decides("approved")
        human.decides("rejected", reason="Enough")

    assert "other" in asked["action"]
    assert "totalInterrupts" in model.results[0]
    assert "Enough" in model.results[1]


def test_command_that_claude_code_watches_needs_an_approval_too(
    claude_code: Home, human: Human
) -> None:
    claude_code.install(*human.options, "--gate", "calls")

    watch = {"command": "touch ran", "description": "Watch", "timeout_ms": 5000}
    with claude_code.running(("Monitor", watch)) as model:
        human.decides("rejected")

    assert len(model.results) == 1
    assert not claude_code.did()


@pytest.mark.parametrize("decision", ["approved", "rejected"])
def test_human_answers_what_claude_code_would_ask_its_user(
    claude_code: Home, human: Human, decision: str
) -> None:
    claude_code.install(*human.options, "--gate", "prompts")

    with claude_code.running(claude_code.shell("touch ran"), arguments=("Go",)) as model:
        human.decides(decision)

    assert len(model.results) == 1
    assert claude_code.did() == (decision == "approved")


@pytest.mark.parametrize("decision", ["approved", "rejected"])
def test_human_answers_what_codex_would_ask_its_user(
    set_up: Callable[[str], Home], human: Human, decision: str
) -> None:
    codex = set_up("codex")
    codex.install(*human.options, "--gate", "prompts")
    trusted = f'[projects."{codex.project}"]\ntrust_level = "trusted"\n'
    codex.write((".codex/config.toml", trusted))
    outside = {"cmd": "touch ran", "sandbox_permissions": "require_escalated", "justification": "x"}

    with serving(("exec_command", outside)) as model:
        command, environment = codex.window(model.url)
        with in_terminal(command, environment, codex.project):
            human.decides(decision)
            until(lambda: model.results)

    assert codex.did() == (decision == "approved")


def test_command_does_not_run_when_the_settings_of_its_gate_are_gone(
    home: Home, human: Human
) -> None:
    home.install(*human.options, "--gate", "calls")
    for file in (home.place / ".local/share/loopin-mcp/hosts").iterdir():
        file.unlink()

    home.runs(home.shell("touch ran"))

    assert not home.did()


def test_pattern_of_a_user_means_the_same_in_each_host(home: Home, human: Human) -> None:
    # Some hosts compare whole names, and some know no lookahead.
    home.install(*human.options, "--gate", "calls", "--match", "^(?!Read).*(ash|shell)")

    with home.running(home.shell("touch ran")) as model:
        human.decides("rejected")

    assert len(model.results) == 1
    assert not home.did()


@pytest.mark.parametrize(
    ("name", "runs"),
    [("claude-code", False), ("codex", True), ("copilot", False), ("gemini", True)],
)
def test_hosts_differ_if_the_shell_of_the_gate_is_killed_with_it(
    set_up: Callable[[str], Home], human: Human, name: str, runs: bool
) -> None:
    home = set_up(name)
    home.install(*human.options, "--gate", "calls")

    with home.running(home.shell("touch ran")) as model:
        human.question()
        home.end_with_shell("gate")

    assert len(model.results) == 1
    assert home.did() == runs
