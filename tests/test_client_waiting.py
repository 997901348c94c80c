"""Waiting for a decision: polls until it is there, within its bound."""

import anyio
import httpx
import pytest
import respx

from loopin_mcp import Interrupt, LoopinClient
from tests.client_support import APPROVED, PENDING, URL, Naps, answer
from tests.support import PATIENCE_S


async def test_waiting_polls_until_the_interrupt_is_settled(
    client: LoopinClient, route: respx.Route, naps: Naps
) -> None:
    route.side_effect = [answer(PENDING)] * 9 + [answer(APPROVED)]

    interrupt = await client.get_interrupt_status("int-1", wait_s=60)

    assert interrupt == Interrupt.model_validate(APPROVED)
    assert [round(delay_s, 2) for delay_s in naps.taken] == [
        *(0.5, 0.75, 1.12, 1.69, 2.53, 3.8),
        *(5.0, 5.0, 5.0),
    ]


@pytest.mark.parametrize("wait_s", [0, 0.01])
async def test_waiting_ends_at_its_bound_with_pending(route: respx.Route, wait_s: float) -> None:
    async def never_over(_seconds: float) -> None:
        await anyio.sleep_forever()

    route.return_value = answer(PENDING)

    async with LoopinClient(URL, sleep=never_over) as client:
        with anyio.fail_after(PATIENCE_S):
            interrupt = await client.get_interrupt_status("int-1", wait_s=wait_s)

    assert interrupt == Interrupt.model_validate(PENDING)
    assert route.call_count == 1


async def test_waiting_ends_at_its_bound_though_a_read_hangs(
    client: LoopinClient, route: respx.Route
) -> None:
    hangs = anyio.Event()

    async def hang_at_last(_request: httpx.Request) -> httpx.Response:
        if route.called:
            hangs.set()
            await anyio.sleep_forever()
        return answer(PENDING)

    route.side_effect = hang_at_last

    with anyio.fail_after(PATIENCE_S):
        interrupt = await client.get_interrupt_status("int-1", wait_s=0.2)

    assert interrupt == Interrupt.model_validate(PENDING)
    assert hangs.is_set()
