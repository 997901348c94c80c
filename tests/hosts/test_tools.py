"""The server's tools in each host."""

import re
from collections.abc import Callable

from loopin_mcp.settings.settings import TOOLS
from tests.hosts.home import Home
from tests.hosts.human import JSON, Human

NEW = {"action": "Pay", "context": {"amount": 1}}


def named(results: list[str]) -> JSON:
    """The interrupt that the first result names."""
    found = re.search(r'interruptId\\+":\s*\\+"([\w-]+)', results[0])
    assert found, results[0]
    return {"interruptId": found[1]}


def test_host_offers_the_six_tools_and_calls_them(home: Home, human: Human) -> None:
    home.serve(human)

    model = home.runs(
        home.tool("create_interrupt", NEW),
        home.tool("get_interrupt_status", lambda results: {**named(results), "waitSeconds": 0}),
        home.tool("list_pending_interrupts", {}),
        home.tool("get_interrupt_analytics", {}),
        home.tool("cancel_interrupt", named),
        home.tool("get_interrupt_status", named),
    )

    assert {home.tool(name, {})[0] for name in TOOLS} <= model.tools
    assert ["pending" in result for result in model.results] == [True] * 4 + [False] * 2
    assert human.status(named(model.results))["status"] == "cancelled"


def test_codex_exec_creates_an_interrupt_though_nobody_can_be_asked_in_it(
    set_up: Callable[[str], Home], human: Human
) -> None:
    codex = set_up("codex")
    codex.serve(human)

    codex.runs(codex.tool("create_interrupt", NEW), arguments=("Go",))

    assert human.question()["action"] == "Pay"


def test_headless_claude_code_refuses_to_decide_for_a_human(
    claude_code: Home, human: Human
) -> None:
    # Otherwise a form would refuse it too.
    claude_code.serve(human, LOOPIN_CONFIRM="off")

    model = claude_code.runs(
        claude_code.tool("create_interrupt", NEW),
        claude_code.tool(
            "decide_interrupt", lambda results: {**named(results), "decision": "approved"}
        ),
    )

    assert len(model.results) == 2
    assert human.status(named(model.results))["status"] == "pending"
