"""A crowd of hosts that wait over HTTP leaves room for others."""

import sys
from pathlib import Path

import anyio
import httpx
import pytest

from tests.support import PATIENCE_S, ServedAPI
from tests.support.over_http import AGENTS_KEY, LIST, caller, request

pytestmark = pytest.mark.subprocess

REVIEWERS_KEY = "key-of-alice-the-reviewer-that-is-long-enough"
KEYS = {"API_KEY_SECRET": AGENTS_KEY, "REVIEWER_KEYS": f"alice={REVIEWERS_KEY}"}
# So few files allow 41 requests of MCP at once, and 30 of one caller.
FEW_FILES = ("sh", "-c", 'ulimit -n 320; exec "$@"', "sh")
MOST_EACH = 30


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such limit")
async def test_agents_that_wait_over_http_leave_room_for_others(tmp_path: Path) -> None:
    served = ServedAPI(tmp_path, KEYS, launcher=FEW_FILES)
    try:
        await crowd(served.url)
    finally:
        served.stop()


async def crowd(url: str) -> None:
    """Let more agents wait than may, then decide."""
    refused: list[httpx.Response] = []
    waited: list[str] = []
    all_refused = anyio.Event()
    async with (
        caller(url, AGENTS_KEY) as agents,
        httpx.AsyncClient(
            base_url=url, headers={"X-API-Key": REVIEWERS_KEY}, timeout=PATIENCE_S
        ) as reviewer,
        caller(url, REVIEWERS_KEY) as reviewers_host,
    ):
        asked = {"agentId": "a", "userId": "u", "action": "Pay", "context": {}}
        created = await reviewer.post("/interrupts", json=asked)
        interrupt_id = created.json()["interruptId"]
        named = {"interruptId": interrupt_id, "waitSeconds": 45}
        wait = request("tools/call", {"name": "get_interrupt_status", "arguments": named})

        async def ask() -> None:
            answer = await agents.post("/mcp", json=wait)
            if answer.status_code == 200:
                waited.append(answer.text)
                return
            refused.append(answer)
            if len(refused) == 3:
                all_refused.set()

        with anyio.fail_after(PATIENCE_S):
            async with anyio.create_task_group() as tasks:
                for _ in range(MOST_EACH + 3):
                    tasks.start_soon(ask)
                await all_refused.wait()

                assert (await reviewers_host.post("/mcp", json=LIST)).status_code == 200
                decided = {"decision": "approved"}
                answer = await reviewer.post(f"/interrupts/{interrupt_id}/decide", json=decided)
                assert answer.status_code == 200

    assert len(waited) == MOST_EACH
    assert all('"approved":true' in text for text in waited)
    for answer in refused:
        assert answer.status_code == 503
        assert "Retry-After" in answer.headers
        assert answer.json() == {"error": "Too many requests of MCP at once: try again soon"}
