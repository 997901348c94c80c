"""Waiting on the embedded API while the copy that serves it stops."""

from pathlib import Path

import anyio
import pytest

from loopin_mcp.client.client import LoopinClient
from loopin_mcp.embedded import embedded_api
from loopin_mcp.settings.settings import Settings
from loopin_mcp.wire.models import Decision, Interrupt
from tests.support import PATIENCE_S, new_interrupt


@pytest.fixture
def settings(tmp_path: Path, free_port: int) -> Settings:
    return Settings(data_dir=tmp_path / "data", port=free_port)


async def test_wait_goes_on_when_the_serving_copy_ends(settings: Settings) -> None:
    outcomes: list[Interrupt] = []
    held = anyio.Event()

    async def wait(client: LoopinClient, interrupt_id: str) -> None:
        held.set()
        outcomes.append(await client.wait_for_decision(interrupt_id, 60))

    with anyio.fail_after(PATIENCE_S):
        async with embedded_api(settings) as locate, LoopinClient(locate=locate) as client:  # noqa: SIM117 - the inner one ends first
            async with anyio.create_task_group() as tasks:
                async with embedded_api(settings) as first, LoopinClient(locate=first) as owner:
                    created = await owner.create_interrupt(new_interrupt())
                    tasks.start_soon(wait, client, created.interrupt_id)
                    await held.wait()
                    await client.get_health()
                await client.decide_interrupt(created.interrupt_id, Decision(decision="rejected"))

    assert [outcome.status for outcome in outcomes] == ["rejected"]
