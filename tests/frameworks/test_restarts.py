"""Recipes whose process ends while a call waits, or in the middle of it, and starts again."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.frameworks.models import MODELS
from tests.frameworks.recipes import DIED, PAID
from tests.hosts.human import Human
from tests.support import START_TIMEOUT_S

pytestmark = pytest.mark.subprocess
PROJECT = Path(__file__).parents[2]

every = pytest.mark.parametrize("framework", MODELS)


def start(framework: str, *how: str, place: Path) -> subprocess.Popen[str]:
    """An agent whose files are in a place."""
    return subprocess.Popen(
        [sys.executable, "-m", "tests.frameworks.recipes", framework, *how],
        cwd=place,
        env={**os.environ, "PYTHONPATH": str(PROJECT)},
        stdout=subprocess.PIPE,
        text=True,
    )


def printed(agent: subprocess.Popen[str]) -> str:
    """All that an agent printed, once it has ended by itself."""
    return agent.communicate(timeout=START_TIMEOUT_S)[0]


@every
def test_restarted_agent_waits_for_the_same_request_and_pays_once(
    framework: str, human: Human, tmp_path: Path
) -> None:
    with start(framework, place=tmp_path) as first:
        asked = human.question()
        first.kill()
    human.decides("approved", asked)

    with start(framework, place=tmp_path) as second:
        said = printed(second)

    assert said == f"{PAID}\n" + json.dumps({"told": "Paid"}) + "\n"
    assert human.status(asked)["usedAt"]
    assert human.questions == []


@every
def test_agent_that_ends_while_it_pays_does_not_pay_again(
    framework: str, human: Human, tmp_path: Path
) -> None:
    with start(framework, "dies", place=tmp_path) as first:
        human.decides("approved")
        assert first.wait(START_TIMEOUT_S) == DIED

    with start(framework, place=tmp_path) as second:
        said = printed(second)

    assert PAID not in said
    assert ("Check what it did" if framework == "langchain" else "may have run already") in said
    assert human.questions == []
