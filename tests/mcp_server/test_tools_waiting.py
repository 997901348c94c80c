"""Waiting in a tool: ended by the decision, with progress, limited, and cancellable."""

from pathlib import Path
from typing import Any

import anyio
import anyio.lowlevel
from mcp import Client

from loopin_mcp.mcp_server.tools import create_server
from loopin_mcp.settings.settings import Settings
from tests.support import PATIENCE_S
from tests.support.server import call, refusal

QUESTION = {"action": "Pay", "context": {"amount": 1}}


def waiting_server(tmp_path: Path, era: str, **settings: Any) -> Client:  # noqa: ANN401
    """A server that reports progress soon."""
    usable = Settings(data_dir=tmp_path / "data", port=0, user_id="u", **settings)
    return Client(create_server(usable, progress_every_s=0.05), mode=era)


async def test_decision_wakes_the_call_that_waits(tmp_path: Path, era: str) -> None:
    answers: list[dict[str, Any]] = []
    reports: list[tuple[float, float | None, str | None]] = []
    told = anyio.Event()

    async def on_progress(progress: float, total: float | None, message: str | None) -> None:
        reports.append((progress, total, message))
        if len(reports) == 2:
            told.set()

    async def wait() -> None:
        arguments = {"interruptId": interrupt_id, "waitSeconds": 40}
        result = await client.call_tool(
            "get_interrupt_status", arguments, progress_callback=on_progress
        )
        answers.append(result.structured_content)

    async with waiting_server(tmp_path, era) as client:
        interrupt_id = (await call(client, "create_interrupt", **QUESTION))["interruptId"]
        with anyio.fail_after(PATIENCE_S):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(wait)
                await told.wait()
                await call(
                    client, "decide_interrupt", interruptId=interrupt_id, decision="approved"
                )

    [answer] = answers
    assert (answer["status"], answer["approved"]) == ("approved", True)
    assert "waitLoweredTo" not in answer
    assert [progress for progress, _, _ in reports] == sorted({report[0] for report in reports})
    assert {total for _, total, _ in reports} == {40}
    waited_s, _, text = reports[0]
    assert text == (
        f"Waited {waited_s:.0f} s for a human's decision, {40 - waited_s:.0f} s left: "
        + answer["reviewUrl"]
    )


async def test_wait_above_the_cap_is_lowered_and_says_so(tmp_path: Path, era: str) -> None:
    async with waiting_server(tmp_path, era, max_wait_s=0.2) as client:
        interrupt_id = (await call(client, "create_interrupt", **QUESTION))["interruptId"]
        with anyio.fail_after(PATIENCE_S):
            status = await call(
                client, "get_interrupt_status", interruptId=interrupt_id, waitSeconds=3600
            )

    assert status["status"] == "pending"
    assert status["waitLoweredTo"] == 0.2
    assert status["nextStep"].endswith("waitSeconds was lowered to 0.2, the longest wait here.")


async def test_wait_is_as_long_as_allowed_if_the_call_names_none(tmp_path: Path, era: str) -> None:
    async with waiting_server(tmp_path, era, max_wait_s=0.2) as client:
        interrupt_id = (await call(client, "create_interrupt", **QUESTION))["interruptId"]
        with anyio.fail_after(PATIENCE_S):
            status = await call(client, "get_interrupt_status", interruptId=interrupt_id)

    assert status["status"] == "pending"
    assert "waitLoweredTo" not in status
    assert "with waitSeconds 0.2;" in status["nextStep"]


async def test_wait_for_what_does_not_exist_is_refused_at_once(tmp_path: Path, era: str) -> None:
    async with waiting_server(tmp_path, era) as client:
        with anyio.fail_after(PATIENCE_S):
            text = await refusal(client, "get_interrupt_status", interruptId="none", waitSeconds=40)

    assert text.startswith("Interrupt not found. ")
