"""The session with the Inspector: what it asks, and what it refuses."""

import json
from typing import Any

import pytest

from tests.scores.inspector import TOOL_FAILED, Session
from tests.scores.runs import Output
from tests.support.host import LEGACY, MODERN

JSON = dict[str, Any]
TOOLS = [
    "create_interrupt",
    "get_interrupt_status",
    "list_pending_interrupts",
    "decide_interrupt",
    "cancel_interrupt",
    "get_interrupt_analytics",
]
WARNING = """Warning: tool "create_interrupt"
  Path: inputSchema.properties.context
  Issue: `type` is an array
"""
SCHEMAS = {"create_interrupt inputSchema.properties.context": "why"}


class Recorded:
    """An Inspector that answers as it did, but for what a test replaces."""

    def __init__(self, **replaced: JSON) -> None:
        self.tools = TOOLS
        self.replaced = replaced
        self.settled: list[str] = []

    def __call__(self, *options: str) -> Output:
        given = dict(option.removeprefix("--").partition("=")[::2] for option in options)
        match given["method"]:
            case "initialize":
                return answer({"protocolVersion": "2026-07-28"})
            case "tools/list":
                return answer({"tools": [{"name": name} for name in self.tools]}, stderr=WARNING)
            case "prompts/list":
                return answer({"prompts": [{"name": "ask_before"}]})
            case "prompts/get":
                return answer({"messages": self.replaced.get("messages", ["Ask"])})
        return self._called(given["tool-name"], json.loads(given["tool-args-json"]))

    def _called(self, tool: str, arguments: JSON) -> Output:
        asked = arguments.get("interruptId", "")
        if tool in ("decide_interrupt", "cancel_interrupt"):
            if asked in self.settled:
                return answer({"isError": True}, code=TOOL_FAILED)
            self.settled.append(asked)
        found: JSON = {
            "create_interrupt": {"interruptId": f"id-{len(self.settled)}"},
            "get_interrupt_status": {
                "status": "approved" if asked in self.settled else "pending",
                "approved": asked in self.settled,
            },
            "list_pending_interrupts": {"interrupts": [{"interruptId": "id-0"}]},
            "get_interrupt_analytics": {"totalInterrupts": 2},
        }
        return answer({"structuredContent": (found | self.replaced).get(tool, {})})


def answer(result: JSON, code: int = 0, stderr: str = "") -> Output:
    return Output(code, json.dumps({"result": result}), stderr)


def test_session_calls_each_tool_and_counts_its_requests() -> None:
    session = Session(Recorded(), MODERN)

    assert session.faults(SCHEMAS, "u") == []
    assert session.asked == 13


def test_session_in_another_version_than_was_asked_for_is_a_fault() -> None:
    assert Session(Recorded(), LEGACY).faults(SCHEMAS, "u") == ["the version is 2026-07-28"]


def test_tool_that_no_request_calls_is_a_fault() -> None:
    server = Recorded()
    server.tools = [*TOOLS, "new_tool"]

    assert Session(server, MODERN).faults(SCHEMAS, "u") == ["nothing calls new_tool"]


def test_schemas_are_compared_with_the_baseline() -> None:
    assert Session(Recorded(), MODERN).faults({"old_tool x": "why"}, "u") == [
        "complains about create_interrupt inputSchema.properties.context",
        "no longer complains about old_tool x",
    ]


@pytest.mark.parametrize(
    "replaced",
    [
        {"messages": []},
        {"get_interrupt_status": {"status": "pending", "approved": False}},
        {"get_interrupt_status": {"status": "approved", "approved": True}},
        {"list_pending_interrupts": {"interrupts": []}},
        {"get_interrupt_analytics": {"totalInterrupts": 1}},
    ],
)
def test_answer_that_a_host_would_stumble_over_is_a_fault(replaced: JSON) -> None:
    [fault] = Session(Recorded(**replaced), MODERN).faults(SCHEMAS, "u")

    assert fault


def test_request_that_fails_ends_the_session_with_what_was_said() -> None:
    def refused(*_: str) -> Output:
        return Output(1, "", '{"error":{"message":"Connection refused"}}')

    [fault] = Session(refused, MODERN).faults(SCHEMAS, "u")

    assert fault.startswith("initialize ended with code 1")
    assert "Connection refused" in fault
