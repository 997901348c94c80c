"""Each recipe with its real library, a stand-in for the model, and a human at a real API."""

import socket
from collections.abc import Callable
from functools import partial
from typing import Any

import anyio
import anyio.to_thread
import pytest

from loopin_mcp import ask_about_call
from tests.frameworks.models import Payment
from tests.frameworks.recipes import EXAMPLES, PAID, PAYMENT, recipe, run
from tests.hosts.human import Human, until
from tests.support import START_TIMEOUT_S

pytestmark = pytest.mark.subprocess
OTHER = PAYMENT | {"payee": "Quay Paper Ltd"}
TOOLS = {
    "langchain": "pay",
    "pydantic_ai": "pay",
    "openai_agents": "pay",
    "claude_agent_sdk": "mcp__payments__pay",
}
EDITING = [name for name in TOOLS if name != "openai_agents"]

every = pytest.mark.parametrize("framework", TOOLS)


@every
def test_recipe_has_at_most_80_lines(framework: str) -> None:
    text = (EXAMPLES / f"pay_with_{framework}.py").read_text("utf-8")

    assert len(text.splitlines()) <= 80


async def told(framework: str, *payments: Payment, decides: Callable[[], object] = bool) -> str:
    """The last answers to the model, while a human decides."""
    module = recipe(framework)
    with anyio.fail_after(START_TIMEOUT_S):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(partial(anyio.to_thread.run_sync, decides, abandon_on_cancel=True))
            said = await run(module, framework, [*payments])
    return said


@every
async def test_approved_call_runs_once_and_uses_its_approval(
    framework: str, human: Human, capsys: pytest.CaptureFixture[str]
) -> None:
    asked: list[dict[str, Any]] = []

    said = await told(framework, PAYMENT, decides=lambda: asked.append(human.decides("approved")))

    assert capsys.readouterr().out == f"{PAID}\n"
    assert said == "Paid"
    status = human.status(asked[0])
    assert (status["action"], status["context"]) == (f"Run the tool {TOOLS[framework]}", PAYMENT)
    assert "usedAt" in status


@pytest.mark.parametrize("framework", EDITING)
async def test_edited_call_runs_as_the_human_edited_it(
    framework: str, human: Human, capsys: pytest.CaptureFixture[str]
) -> None:
    decides = partial(human.decides, "approved", modifiedParams={"amount": 39.5})

    await told(framework, PAYMENT, decides=decides)

    assert capsys.readouterr().out == "Paid 39.5 EUR to Harbour Print Ltd\n"


async def test_call_of_a_framework_that_cannot_edit_has_nothing_to_edit(human: Human) -> None:
    asked: list[dict[str, Any]] = []

    await told("openai_agents", PAYMENT, decides=lambda: asked.append(human.decides("approved")))

    assert human.status(asked[0])["editable"] == []


@every
async def test_rejected_call_does_not_run_and_the_model_reads_why(
    framework: str, human: Human, capsys: pytest.CaptureFixture[str]
) -> None:
    said = await told(
        framework, PAYMENT, decides=partial(human.decides, "rejected", reason="Paid last week")
    )

    assert capsys.readouterr().out == ""
    assert said.endswith(
        "A human rejected this call, so it did not run. The reason: Paid last week"
    )


@every
async def test_calls_of_one_turn_are_asked_about_together_and_decided_one_by_one(
    framework: str, human: Human, capsys: pytest.CaptureFixture[str]
) -> None:
    def decides() -> None:
        until(lambda: len(human.questions) == 2)
        for asked in human.questions:
            is_first = asked["context"] == PAYMENT
            human.decides("approved" if is_first else "rejected", asked)

    said = await told(framework, PAYMENT, OTHER, decides=decides)

    assert capsys.readouterr().out == f"{PAID}\n"
    assert "A human rejected this call, so it did not run." in said
    assert "Paid" in said


@every
async def test_call_that_nobody_decided_about_does_not_run(
    framework: str,
    human: Human,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr("loopin_mcp.ask_about_call", partial(ask_about_call, expires_in=1))

    said = await told(framework, PAYMENT)

    assert capsys.readouterr().out == ""
    assert said.endswith("Nobody decided about this call in time, so it did not run.")


@every
async def test_without_an_api_nothing_runs(
    framework: str,
    human: Human,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        monkeypatch.setenv("LOOPIN_API_URL", f"http://127.0.0.1:{taken.getsockname()[1]}")

    said = await told(framework, PAYMENT)

    assert capsys.readouterr().out == ""
    assert "This call was not approved, so it did not run: No connection" in said


# The others give their calls new names in a new run.
@pytest.mark.parametrize("framework", ["pydantic_ai", "openai_agents"])
async def test_run_that_is_repeated_finds_its_approval_used(
    framework: str, human: Human, capsys: pytest.CaptureFixture[str]
) -> None:
    await told(framework, PAYMENT, decides=partial(human.decides, "approved"))

    said = await told(framework, PAYMENT)

    assert capsys.readouterr().out == f"{PAID}\n"
    assert "may have run already" in said
