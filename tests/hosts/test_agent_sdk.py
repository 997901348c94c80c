"""The recipe for the Claude Agent SDK, with the real SDK and Claude Code."""

import os
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.frameworks.recipes import PAID, PAYMENT
from tests.hosts.home import Home
from tests.hosts.human import Human
from tests.hosts.programs import cache_of, fetched

RECIPE = Path(__file__).parents[2] / "examples" / "pay_with_claude_agent_sdk.py"
pytestmark = pytest.mark.hosts
PAY = ("mcp__payments__pay", PAYMENT)


@pytest.fixture
def agent(human: Human, tmp_path: Path) -> Iterator[Home]:
    """The recipe, in a home where it finds Claude Code."""
    [claude] = fetched("claude-code", cache_of(os.environ))
    home = Home(tmp_path / "agent", "claude-code", [sys.executable, str(RECIPE)])
    home.host = replace(home.host, arguments=())
    found = os.pathsep.join([str(Path(claude).parent), os.defpath])
    home.environment |= {**human.variables, "PATH": found}
    yield home
    home.end()


def test_approved_call_runs(agent: Home, human: Human) -> None:
    with agent.running(PAY, arguments=("Pay",)) as model:
        asked = human.decides("approved")

    assert PAID in agent.said.splitlines()
    assert agent.said.endswith("done\n")
    assert len(model.results) == 1
    status = human.status(asked)
    assert (status["action"], status["context"]) == ("Run the tool mcp__payments__pay", PAYMENT)
    assert "usedAt" in status


def test_edited_call_runs_as_the_human_edited_it(agent: Home, human: Human) -> None:
    with agent.running(PAY, arguments=("Pay",)):
        human.decides("approved", modifiedParams={"amount": 39.5})

    assert "Paid 39.5 EUR to Harbour Print Ltd" in agent.said.splitlines()


def test_rejected_call_does_not_run_and_the_model_reads_why(agent: Home, human: Human) -> None:
    with agent.running(PAY, arguments=("Pay",)) as model:
        human.decides("rejected", reason="Paid last week")

    assert "Paid" not in agent.said
    [result] = model.results
    assert "A human rejected this call, so it did not run. The reason: Paid last week" in result


def test_command_is_asked_about_whatever_the_settings_allow(agent: Home, human: Human) -> None:
    for place in ("", "project/"):
        agent.write((f"{place}.claude/settings.json", {"permissions": {"allow": ["Bash"]}}))

    with agent.running(agent.shell("touch ran"), arguments=("Go",)):
        asked = human.decides("rejected")

    assert not agent.did()
    assert asked["action"] == "Run the tool Bash"


def test_without_an_api_nothing_runs(agent: Home) -> None:
    agent.environment["LOOPIN_API_URL"] = "http://127.0.0.1:9"

    [result] = agent.runs(PAY, arguments=("Pay",)).results

    assert "Paid" not in agent.said
    assert "This call was not approved, so it did not run: No connection" in result
