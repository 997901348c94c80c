"""A gate whose host has ended while it waits."""

import json
import subprocess
import sys
from collections.abc import Callable

import pytest

from loopin_mcp import Decision, LoopinClient
from tests.support import KEY, START_TIMEOUT_S, clean_environment


@pytest.mark.subprocess
@pytest.mark.skipif(sys.platform == "win32", reason="Windows does not tell")
async def test_gate_ends_with_its_host_and_leaves_the_approval_for_the_next_try(
    serve: Callable[..., str],
) -> None:
    url = serve(API_KEY_SECRET=KEY)
    settings = {"LOOPIN_API_URL": url, "LOOPIN_API_KEY": KEY, "LOOPIN_USER_ID": "alice"}
    event = {
        "session_id": "0123456789",
        "cwd": "/project",
        "hook_event_name": "PreToolUse",
        "tool_name": "Bash",
        "tool_input": {"command": "ls"},
    }
    with subprocess.Popen(
        [sys.executable, "-m", "loopin_mcp", "gate", "--timeout", "60"],
        env=clean_environment(**settings),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as gate:
        assert gate.stdin is not None
        assert gate.stdout is not None
        gate.stdin.write(json.dumps(event).encode())
        gate.stdin.close()
        async with LoopinClient(url, KEY) as human:
            while not (waiting := await human.list_pending_interrupts("alice")).interrupts:
                assert gate.poll() is None
            gate.stdout.close()
            assert gate.wait(START_TIMEOUT_S) == 2
            [asked] = waiting.interrupts
            await human.decide_interrupt(asked.interrupt_id, Decision(decision="approved"))
            used = await human.use_approval(asked.interrupt_id)

    assert used.status == "used"
