"""The stdio server as hosts use it: both eras, its settings, several copies."""

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support import PATIENCE_S
from tests.support.host import (
    Host,
    call_legacy,
    call_modern,
    create,
    discover,
    initialize,
)

# A server without a time limit for the answers after the end of stdin.
PATIENT = """
from loopin_mcp import cli
from loopin_mcp.mcp_server.stdio import stdio
stdio.ANSWER_WITHIN_S, stdio.END_WITHIN_S = 60, 90
cli.main()
"""

ORDERS: dict[str, list[Callable[[Host], object]]] = {
    "initialize": [initialize, call_legacy],
    "discover, modern calls": [discover, call_modern],
    "discover, initialize": [discover, initialize, call_legacy],
    "discover twice, initialize": [discover, discover, initialize, call_legacy],
    "modern call at once": [call_modern],
    "initialize, modern calls": [initialize, call_modern, call_legacy],
    "discover, modern calls, initialize": [discover, call_modern, initialize, call_legacy],
}


@pytest.mark.parametrize("order", ORDERS)
def test_both_eras_are_served_in_any_order(start: Callable[..., Host], order: str) -> None:
    host = start()

    for step in ORDERS[order]:
        step(host)

    assert host.end() == ("", "")
    assert host.process.returncode == 0


def test_unenveloped_discover_is_refused_and_initialize_still_works(
    start: Callable[..., Host],
) -> None:
    host = start()

    refused = host.ask("server/discover")["error"]
    initialize(host)

    assert refused["code"] == -32601
    assert "io.modelcontextprotocol/protocolVersion" in refused["message"]
    call_legacy(host)


def test_requests_written_before_stdin_ends_are_answered(start: Callable[..., Host]) -> None:
    host = start("-c", PATIENT)
    initialize(host)
    request_id = host.send("tools/call", {"name": "get_interrupt_analytics", "arguments": {}})

    stdout, _ = host.end()

    answer = json.loads(stdout)
    assert (answer["id"], answer["result"]["isError"]) == (request_id, False)


def test_copies_share_one_api_and_take_it_over_from_one_that_was_killed(
    start: Callable[..., Host], free_port: int
) -> None:
    port = str(free_port)
    hosts = [start(LOOPIN_PORT=port) for _ in range(3)]
    for host in hosts:
        initialize(host)
    created = create(hosts[0], None)

    arguments = {"interruptId": created["interruptId"], "waitSeconds": 0}
    read = {"name": "get_interrupt_status", "arguments": arguments}
    before = [host.ask("tools/call", read)["result"]["structuredContent"] for host in hosts]
    hosts[0].process.kill()
    hosts[0].process.wait(timeout=PATIENCE_S)
    after = [host.ask("tools/call", read)["result"]["structuredContent"] for host in hosts[1:]]

    assert created["reviewUrl"].startswith(f"http://127.0.0.1:{port}/review/")
    # Only the one that asked gets no context.
    others = [status.pop("context") for status in (*before[1:], *after)]
    assert others == [{"amount": 1}] * 4
    for status in (created, *before, *after):
        del status["nextStep"]
    assert [*before, *after] == [created] * 5


def test_unset_and_empty_variables_are_the_same(start: Callable[..., Host]) -> None:
    host = start(LOOPIN_API_URL="", LOOPIN_API_KEY=" ", LOOPIN_TOOLS="")

    initialize(host)

    call_legacy(host)


def test_no_file_in_the_working_directory_is_read(
    start: Callable[..., Host], silent_url: str, tmp_path: Path
) -> None:
    (tmp_path / ".env").write_text(f"LOOPIN_API_URL={silent_url}\n")
    before = Path.cwd()
    os.chdir(tmp_path)
    try:
        host = start()
    finally:
        os.chdir(before)

    initialize(host)

    call_legacy(host)
