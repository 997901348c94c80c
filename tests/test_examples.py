"""Every example, run as its reader would run it."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import anyio
import anyio.to_thread
import pytest

from loopin_mcp import Decision, LoopinClient
from tests.support import KEY, START_TIMEOUT_S, USER, clean_environment, new_interrupt, run_agent

EXAMPLES = Path(__file__).parents[1] / "examples"


def run_reviewer(api_url: str, typed: str) -> str:
    """The output of the reviewer's script."""
    return subprocess.run(
        [sys.executable, "-W", "error", str(EXAMPLES / "review.py"), USER],
        env=clean_environment(LOOPIN_API_URL=api_url, LOOPIN_API_KEY=KEY),
        input=typed,
        capture_output=True,
        text=True,
        timeout=START_TIMEOUT_S,
        check=True,
    ).stdout


@pytest.mark.parametrize("example", ["pay_with_approval.py", "pay_over_mcp.py"])
async def test_agent_does_what_the_human_decided(example: str, serve: Callable[..., str]) -> None:
    api_url = serve(API_KEY_SECRET=KEY)
    decision = Decision(decision="approved", modified_params={"amount": 400})

    printed = await run_agent([str(EXAMPLES / example)], api_url, decision)

    assert printed.splitlines()[1:] == ["Paid 400 EUR to Harbour Print Ltd"]


async def test_reviewer_approves_rejects_and_leaves_for_later(serve: Callable[..., str]) -> None:
    api_url = serve(API_KEY_SECRET=KEY)
    async with LoopinClient(api_url, KEY) as agent:
        ids = [
            (await agent.create_interrupt(new_interrupt(user_id=USER))).interrupt_id
            for _ in range(3)
        ]

        printed = await anyio.to_thread.run_sync(run_reviewer, api_url, "a\nr\nToo dear\n\n")

        outcomes = [await agent.get_interrupt_status(interrupt_id) for interrupt_id in ids]
    assert printed.startswith("3 to decide\n")
    assert sorted((outcome.status, outcome.reason or "") for outcome in outcomes) == [
        ("approved", ""),
        ("pending", ""),
        ("rejected", "Too dear"),
    ]


async def test_reviewer_sees_hidden_characters_as_escapes(serve: Callable[..., str]) -> None:
    api_url = serve(API_KEY_SECRET=KEY)
    async with LoopinClient(api_url, KEY) as agent:
        await agent.create_interrupt(new_interrupt(user_id=USER, action="Pay \x1b[2J\u202e1 EUR"))

    printed = await anyio.to_thread.run_sync(run_reviewer, api_url, "\n")

    assert r"Pay \u001b[2J\u202e1 EUR" in printed
