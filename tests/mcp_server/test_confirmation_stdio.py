"""Confirmation in the host over stdio, in raw lines of both protocol eras."""

import json
from collections.abc import Callable

import pytest

from tests.support.confirmation import FORM
from tests.support.host import ENVELOPE, LEGACY, MODERN, Host, Message, create, initialize

FORMS: Message = {"elicitation": {"form": {}}}
ACCEPT: Message = {"action": "accept", "content": {"confirmed": True}}
# A server whose forms are open for a second.
IMPATIENT = """
import os, anyio
from loopin_mcp.mcp_server.tools import create_server
from loopin_mcp.settings.settings import Settings
from loopin_mcp.mcp_server.stdio.stdio import serve_stdio
anyio.run(serve_stdio, create_server(Settings.load(os.environ), answer_within_s=1))
"""


class Asked:
    """A call of decide_interrupt by a host of one era, and its form."""

    def __init__(self, host: Host, era: str, capabilities: Message) -> None:
        self.host = host
        self._envelope: Message = {}
        if era == MODERN:
            key = "io.modelcontextprotocol/clientCapabilities"
            self._envelope = {"_meta": ENVELOPE | {key: capabilities}}
        else:
            initialize(host, capabilities)
        self.interrupt = create(host, self._envelope.get("_meta"))
        arguments = {"interruptId": self.interrupt["interruptId"], "decision": "approved"}
        self._call = {"name": "decide_interrupt", "arguments": arguments, **self._envelope}
        self.request_id = host.send("tools/call", self._call)
        self.first = host.read()

    @property
    def form(self) -> Message | None:
        """The form's parameters, or None if there is no form."""
        requests = self.first.get("result", {}).get("inputRequests", {})
        request = requests.get("confirm", self.first)
        form: Message | None = request["params"] if "method" in request else None
        return form

    def answer(self, answer: Message) -> Message:
        """Answer the form; returns the outcome of the call."""
        if "method" in self.first:
            self.reply(answer)
        else:
            state = self.first["result"]["requestState"]
            retry = {"inputResponses": {"confirm": answer}, "requestState": state}
            self.request_id = self.host.send("tools/call", self._call | retry)
        return self.outcome()

    def reply(self, answer: Message) -> None:
        """Answer the request with the form."""
        reply = {"jsonrpc": "2.0", "id": self.first["id"], "result": answer}
        self.host.write(json.dumps(reply))

    def outcome(self) -> Message:
        outcome = self.host.read()
        assert outcome["id"] == self.request_id, outcome
        result: Message = outcome["result"]
        return result

    def status(self) -> str:
        read = {
            "name": "get_interrupt_status",
            "arguments": {"interruptId": self.interrupt["interruptId"], "waitSeconds": 0},
            **self._envelope,
        }
        status: str = self.host.ask("tools/call", read)["result"]["structuredContent"]["status"]
        return status


def text_of(outcome: Message) -> str:
    assert outcome["isError"] is True, outcome
    text: str = outcome["content"][0]["text"]
    return text


in_each_era = pytest.mark.parametrize("era", [LEGACY, MODERN])


@in_each_era
def test_accepted_form_records_the_decision(start: Callable[..., Host], era: str) -> None:
    host = start()
    contents: list[Message] = [
        {"confirmed": True},
        {"confirmed": True, "note": "x", "n": 1, "kinds": ["a"], "none": None},
    ]

    for content in contents:
        asked = Asked(host, era, FORMS)
        outcome = asked.answer({"action": "accept", "content": content})
        assert outcome["structuredContent"]["decision"] == "approved"
        assert asked.status() == "approved"
        assert asked.form is not None
        assert asked.form["requestedSchema"] == FORM
        assert asked.interrupt["reviewUrl"] in asked.form["message"]


@in_each_era
def test_form_that_is_accepted_without_a_yes_leaves_the_interrupt_pending(
    start: Callable[..., Host], era: str
) -> None:
    host = start()
    contents: list[Message] = [{}, {"content": {}}, {"content": None}, {"content": {"n": 1}}]

    for content in contents:
        asked = Asked(host, era, FORMS)
        text = text_of(asked.answer({"action": "accept", **content}))
        assert text.startswith("The form in the host was accepted without the human's `true`")
        assert asked.status() == "pending"


@in_each_era
def test_form_that_is_not_accepted_leaves_the_interrupt_pending(
    start: Callable[..., Host], era: str
) -> None:
    host = start()

    for action, told in {"decline": "declined", "cancel": "dismissed"}.items():
        asked = Asked(host, era, FORMS)
        text = text_of(asked.answer({"action": action}))
        assert text.startswith(f"The form in the host was {told}, so nothing was recorded")
        assert text.endswith(asked.interrupt["reviewUrl"])
        assert asked.status() == "pending"


@in_each_era
def test_form_goes_to_hosts_that_declared_forms_alone(start: Callable[..., Host], era: str) -> None:
    host = start()
    with_forms: list[Message] = [{}, {"form": {}}, {"form": {}, "url": {}}]
    without: list[Message] = [{"elicitation": {"url": {}}}, {"sampling": {}}, {}]

    asked = [Asked(host, era, {"elicitation": modes}) for modes in with_forms]
    not_asked = [Asked(host, era, capabilities) for capabilities in without]

    assert [call.status() for call in asked if call.form] == ["pending"] * 3
    assert [call.status() for call in not_asked if not call.form] == ["approved"] * 3


def test_host_that_stays_silent_is_told_to_close_the_form(start: Callable[..., Host]) -> None:
    impatient = start("-c", IMPATIENT)
    asked = Asked(impatient, LEGACY, FORMS)

    closing = impatient.read()
    text = text_of(asked.outcome())
    asked.reply(ACCEPT)

    assert closing["method"] == "notifications/cancelled"
    assert closing["params"]["requestId"] == asked.first["id"]
    assert text.startswith("Nobody answered the form in the host within 1 seconds, so nothing")
    assert asked.status() == "pending"


def test_answer_that_cannot_be_read_records_nothing(start: Callable[..., Host]) -> None:
    host = start()
    answers: list[Message] = [{"action": "perhaps"}, {}, {"action": "accept", "content": 1}]

    for answer in answers:
        asked = Asked(host, LEGACY, FORMS)
        text = text_of(asked.answer(answer))
        assert text.startswith("The host did not ask, or gave no answer that can be read, so")
        assert asked.status() == "pending"


def test_cancelled_call_closes_the_form_and_records_nothing(start: Callable[..., Host]) -> None:
    host = start()
    asked = Asked(host, LEGACY, FORMS)

    cancelled = {"requestId": asked.request_id}
    note = {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": cancelled}
    host.write(json.dumps(note))
    closing = host.read()
    asked.reply(ACCEPT)

    assert closing["method"] == "notifications/cancelled"
    assert closing["params"]["requestId"] == asked.first["id"]
    assert asked.status() == "pending"


@in_each_era
def test_end_of_stdin_ends_the_server_while_a_form_is_open(
    start: Callable[..., Host], era: str
) -> None:
    host = start()
    asked = Asked(host, era, FORMS)

    rest, stderr = host.end()

    assert asked.form is not None
    assert "approved" not in rest
    assert stderr == ""


def test_forms_of_both_eras_are_answered_on_one_pipe(start: Callable[..., Host]) -> None:
    host = start()
    legacy = Asked(host, LEGACY, FORMS)
    modern = Asked(host, MODERN, FORMS)

    outcomes = [modern.answer(ACCEPT), legacy.answer({"action": "decline"})]

    assert [outcome["isError"] for outcome in outcomes] == [False, True]
    assert (legacy.status(), modern.status()) == ("pending", "approved")
