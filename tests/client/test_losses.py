"""The client and a real API whose answers get lost, and which is killed and restarted."""

from pathlib import Path

import anyio
import anyio.to_thread
import httpx
import pytest

from loopin_mcp import Decision, Interrupt, LoopinClient
from loopin_mcp.api.store.store import Store
from tests.support import (
    KEY,
    PATIENCE_S,
    PUBLIC_URL,
    ServedAPI,
    api_app,
    new_interrupt,
)
from tests.support.client import Naps

# It outlasts the start of the second API.
WAIT_S = 300


class Losing(httpx.ASGITransport):
    """A transport that loses the answers to the first two creates."""

    creates = 0

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        answer = await super().handle_async_request(request)
        if request.method == "POST":
            self.creates += 1
            assert answer.headers.get("idempotency-replayed") == (
                "true" if self.creates > 1 else None
            )
            if self.creates <= 2:
                raise httpx.ReadError("The answer was lost")
        return answer


async def test_one_interrupt_comes_of_a_create_whose_answers_are_lost(
    store: Store, naps: Naps
) -> None:
    transport = Losing(api_app(store, api_key=KEY))
    async with httpx.AsyncClient(transport=transport) as http:
        client = LoopinClient(PUBLIC_URL, KEY, http=http, sleep=naps)
        created = await client.create_interrupt(new_interrupt())
        events = await store.list_events(created.interrupt_id)
    page = await store.list_pending_interrupts("user-1")

    assert transport.creates == 3
    assert [interrupt.interrupt_id for interrupt in page.interrupts] == [created.interrupt_id]
    assert [event.type for event in events] == ["created"]


@pytest.mark.subprocess
async def test_wait_goes_on_at_an_api_that_was_killed_and_started_again(
    tmp_path: Path, free_port: int
) -> None:
    environment = {"PORT": str(free_port)}
    waits, read = anyio.Event(), list[Interrupt]()

    async def tell(request: httpx.Request) -> None:
        if "prefer" in request.headers:
            waits.set()

    async def wait() -> None:
        read.append(await client.wait_for_decision(created.interrupt_id, WAIT_S))

    first = await anyio.to_thread.run_sync(ServedAPI, tmp_path, environment)
    async with httpx.AsyncClient(event_hooks={"request": [tell]}) as http:
        client = LoopinClient(first.url, http=http)
        created = await client.create_interrupt(new_interrupt())
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(wait)
            with anyio.fail_after(PATIENCE_S):
                await waits.wait()
            first.process.kill()
            first.process.communicate(timeout=PATIENCE_S)
            second = await anyio.to_thread.run_sync(ServedAPI, tmp_path, environment)
            await client.decide_interrupt(created.interrupt_id, Decision(decision="approved"))
    second.stop()

    assert [interrupt.status for interrupt in read] == ["approved"]
