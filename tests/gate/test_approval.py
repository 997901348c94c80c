"""A tool call waits for a human: the gate with a real API."""

import json
from collections.abc import AsyncIterator
from dataclasses import replace
from email.utils import formatdate
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest
from pydantic import JsonValue

from loopin_mcp import Decision, LoopinClient, NewInterrupt
from loopin_mcp.api.store.store import Store
from loopin_mcp.errors import InvalidRequestError, LoopinError
from loopin_mcp.gate.approval import ask
from loopin_mcp.gate.calls import JSONObject, ToolCall, Verdict
from loopin_mcp.gate.questions import Question, question_about
from loopin_mcp.gate.verdicts import verdict_on
from loopin_mcp.settings.settings import Settings
from tests.support import KEY, Clock, api_client

SETTINGS = Settings(user_id="alice")
CALL = ToolCall("Claude Code", "0123456789", "Bash", {"command": "ls", "timeout": 5}, "/project")
ALLOWED = Verdict("allow", "A human approved this in LoopIn.")
HOUR_S = 3600


def client_of(http: httpx.AsyncClient) -> LoopinClient:
    return LoopinClient("http://127.0.0.1:1", KEY, http=http, attempts=1)


@pytest.fixture
async def http(sqlite_store: Store, clock: Clock) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the API, whose answers have the time of its clock."""

    async def date(response: httpx.Response) -> None:
        response.headers["Date"] = formatdate(clock() / 1000, usegmt=True)

    async with api_client(sqlite_store, api_key=KEY) as http:
        http.event_hooks = {"response": [date]}
        yield http


@pytest.fixture
def loopin(http: httpx.AsyncClient) -> LoopinClient:
    return client_of(http)


def question(call: ToolCall = CALL, **options: Any) -> Question:  # noqa: ANN401 - any of them
    return question_about(call, SETTINGS, **options)


async def verdict(loopin: LoopinClient, asked: Question, wait_s: float = 0) -> Verdict:
    return await ask(loopin, asked, wait_s, defer=False)


async def pending(loopin: LoopinClient) -> list[str]:
    page = await loopin.list_pending_interrupts("alice")
    return [interrupt.interrupt_id for interrupt in page.interrupts]


async def decide(loopin: LoopinClient, decision: str, **more: Any) -> None:  # noqa: ANN401 - JSON
    """Ask, let the time run out, and let a human decide then."""
    [interrupt_id] = await pending(loopin)
    await loopin.decide_interrupt(
        interrupt_id, Decision.model_validate({"decision": decision, **more})
    )


async def asked_and_decided(
    loopin: LoopinClient,
    asked: Question,
    decision: str,
    **more: Any,  # noqa: ANN401 - JSON
) -> None:
    with pytest.raises(LoopinError):
        await verdict(loopin, asked)
    await decide(loopin, decision, **more)


async def test_human_is_shown_the_call(loopin: LoopinClient) -> None:
    with pytest.raises(LoopinError, match="No human has decided in time.*the same request"):
        await verdict(loopin, question())

    [interrupt_id] = await pending(loopin)
    shown = await loopin.get_interrupt_status(interrupt_id)
    assert (shown.action, shown.urgency) == ("Run a shell command", "medium")
    assert (shown.agent_id, shown.user_id) == ("Claude Code (session 01234567)", "alice")
    assert shown.context == {"directory": "/project", "command": "ls", "timeout": 5}
    assert shown.call == {"session": "0123456789", "tool": "Bash", "digest": CALL.digest}
    assert shown.use_within == HOUR_S
    assert shown.expires_at is not None
    assert shown.created_at is not None
    assert (shown.expires_at - shown.created_at).total_seconds() == HOUR_S


async def test_name_of_the_agent_comes_from_the_settings(loopin: LoopinClient) -> None:
    settings = replace(SETTINGS, agent_id="x" * 200)

    agent_id = question_about(CALL, settings).agent_id

    assert len(agent_id) == 200
    assert agent_id.startswith("xxx")
    assert agent_id.endswith("x (session 01234567)")


async def test_approval_that_comes_while_it_waits_is_used(loopin: LoopinClient) -> None:
    found: list[Verdict] = []

    async def wait() -> None:
        found.append(await verdict(loopin, question(), 60))

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(wait)
        with anyio.fail_after(5):
            while not await pending(loopin):
                await anyio.lowlevel.checkpoint()
        [interrupt_id] = await pending(loopin)
        await decide(loopin, "approved")

    assert found == [ALLOWED]
    assert (await loopin.get_interrupt_status(interrupt_id)).used_at is not None


async def test_same_call_finds_the_same_request(loopin: LoopinClient) -> None:
    for _ in range(3):
        with pytest.raises(LoopinError):
            await verdict(loopin, question())

    assert len(await pending(loopin)) == 1


async def test_approval_is_used_once(loopin: LoopinClient) -> None:
    await asked_and_decided(loopin, question(), "approved")

    first = await verdict(loopin, question())
    with pytest.raises(LoopinError, match="No human has decided"):
        await verdict(loopin, question())

    assert first == ALLOWED
    assert len(await pending(loopin)) == 1


async def test_of_two_tries_at_once_one_is_allowed(loopin: LoopinClient) -> None:
    await asked_and_decided(loopin, question(), "approved")
    found: list[Verdict | LoopinError] = []

    async def attempt() -> None:
        try:
            found.append(await verdict(loopin, question()))
        except LoopinError as error:
            found.append(error)

    async with anyio.create_task_group() as tasks:
        for _ in range(5):
            tasks.start_soon(attempt)

    assert found.count(ALLOWED) == 1
    assert len(found) == 5
    assert len(await pending(loopin)) == 1


async def test_approval_that_others_always_use_first_is_none(
    loopin: LoopinClient, http: httpx.AsyncClient
) -> None:
    await asked_and_decided(loopin, question(), "approved")
    used: list[str] = []

    async def use_first(request: httpx.Request) -> None:
        if request.url.path.endswith("/use") and request.url.path not in used:
            used.append(request.url.path)
            await loopin.use_approval(request.url.path.split("/")[-2])
            await asked_and_decided(loopin, question(), "approved")

    http.event_hooks = http.event_hooks | {"request": [use_first]}
    with pytest.raises(LoopinError, match="used the approval first"):
        await verdict(loopin, question())

    assert len(used) == 3


@pytest.mark.parametrize(
    "other",
    [
        replace(CALL, session="another"),
        replace(CALL, tool="bash"),
        replace(CALL, cwd="/project2"),
        replace(CALL, input={"command": "ls"}),
        replace(CALL, agent="Codex"),
    ],
)
async def test_approval_is_for_no_other_call(loopin: LoopinClient, other: ToolCall) -> None:
    await asked_and_decided(loopin, question(), "approved")

    with pytest.raises(LoopinError, match="No human has decided"):
        await verdict(loopin, question(other))


async def test_rejection_denies_with_its_reason_and_again(loopin: LoopinClient) -> None:
    await asked_and_decided(loopin, question(), "rejected", reason="Use the API")

    found = [await verdict(loopin, question()) for _ in range(2)]

    assert found == [Verdict("deny", "A human rejected this in LoopIn: Use the API")] * 2
    assert await pending(loopin) == []


async def test_rejection_without_a_reason_denies(loopin: LoopinClient) -> None:
    await asked_and_decided(loopin, question(), "rejected")

    assert await verdict(loopin, question()) == Verdict("deny", "A human rejected this in LoopIn.")


async def test_rejection_of_long_ago_is_asked_about_again(
    loopin: LoopinClient, clock: Clock
) -> None:
    await asked_and_decided(loopin, question(), "rejected")
    clock.advance(601)

    with pytest.raises(LoopinError, match="No human has decided"):
        await verdict(loopin, question())


async def test_approval_of_long_ago_is_asked_about_again(
    loopin: LoopinClient, clock: Clock
) -> None:
    await asked_and_decided(loopin, question(), "approved")
    clock.advance(HOUR_S + 1)

    with pytest.raises(LoopinError, match="No human has decided"):
        await verdict(loopin, question())


async def test_values_that_the_human_changed_are_the_input(loopin: LoopinClient) -> None:
    await asked_and_decided(loopin, question(), "approved", modifiedParams={"command": "pwd"})

    found = await verdict(loopin, question())

    said = "A human approved this in LoopIn with other values."
    assert found == Verdict("allow", said, {"command": "pwd", "timeout": 5})


async def test_changes_of_nothing_are_none(loopin: LoopinClient) -> None:
    await asked_and_decided(loopin, question(), "approved", modifiedParams={})

    assert await verdict(loopin, question()) == ALLOWED


def edit_of(project: Path, **more: JsonValue) -> ToolCall:
    (project / "a").write_text("x\n")
    fields = {"file_path": "a", "old_string": "x", "new_string": "y", **more}
    return replace(CALL, tool="Edit", input=fields, cwd=str(project))


async def test_new_text_of_a_file_can_be_edited(loopin: LoopinClient, tmp_path: Path) -> None:
    asked = question(edit_of(tmp_path))
    await asked_and_decided(loopin, asked, "approved", modifiedParams={"new_string": "z"})

    found = await verdict(loopin, asked)

    assert asked.request["editable"] == ["file_path", "new_string"]
    assert found.edited == {"file_path": "a", "old_string": "x", "new_string": "z"}


async def test_values_that_stay_as_they_were_are_no_changes(
    loopin: LoopinClient, tmp_path: Path
) -> None:
    asked = question(edit_of(tmp_path))
    shown = asked.facts.context | {"new_string": "z"}
    await asked_and_decided(loopin, asked, "approved", modifiedParams=shown)

    found = await verdict(loopin, asked)

    assert found.edited == {"file_path": "a", "old_string": "x", "new_string": "z"}


@pytest.mark.parametrize("name", ["comand", "directory", "change", "old_string"])
async def test_change_that_would_be_lost_is_refused_and_decides_nothing(
    loopin: LoopinClient, tmp_path: Path, name: str
) -> None:
    asked = question(edit_of(tmp_path))

    with pytest.raises(InvalidRequestError, match=f'"{name}" cannot be changed'):
        await asked_and_decided(loopin, asked, "approved", modifiedParams={name: "z"})

    assert len(await pending(loopin)) == 1


async def test_host_that_takes_no_edits_offers_none(loopin: LoopinClient) -> None:
    asked = question(can_edit=False)

    with pytest.raises(InvalidRequestError, match="no value may be changed"):
        await asked_and_decided(loopin, asked, "approved", modifiedParams={"command": "pwd"})

    assert len(await pending(loopin)) == 1


async def test_mask_is_never_written_back(loopin: LoopinClient, tmp_path: Path) -> None:
    fields: JSONObject = {"file_path": ".env", "content": "A=1"}
    asked = question(replace(CALL, tool="Write", input=fields, cwd=str(tmp_path)))

    with pytest.raises(InvalidRequestError, match="no value may be changed"):
        await asked_and_decided(loopin, asked, "approved", modifiedParams={"content": "A=•••"})


@pytest.mark.parametrize("can_edit", [True, False])
async def test_api_that_lets_a_change_be_lost_is_not_relied_on(*, can_edit: bool) -> None:
    asked = question(can_edit=can_edit)
    name = "directory" if can_edit else "command"

    found = await verdict(answering(interrupt_of(asked, modifiedParams={name: "x"}), 200), asked)

    assert found.kind == "deny"
    assert f"{name} cannot be changed in this call" in found.reason


async def test_masked_file_is_written_as_it_was_asked(loopin: LoopinClient, tmp_path: Path) -> None:
    fields: JSONObject = {"file_path": ".env", "content": "A=1"}
    asked = question(replace(CALL, tool="Write", input=fields, cwd=str(tmp_path)))
    await asked_and_decided(loopin, asked, "approved")

    assert await verdict(loopin, asked) == ALLOWED


async def test_change_of_the_file_meanwhile_is_asked_about(
    loopin: LoopinClient, tmp_path: Path
) -> None:
    (tmp_path / "a").write_text("x\n")
    fields: JSONObject = {"file_path": "a", "old_string": "x", "new_string": "y"}
    call = replace(CALL, tool="Edit", input=fields, cwd=str(tmp_path))
    await asked_and_decided(loopin, question(call), "approved")
    (tmp_path / "a").write_text("x\nrm -rf /\n")

    with pytest.raises(LoopinError, match="No human has decided"):
        await verdict(loopin, question(call))


OTHERS: list[dict[str, Any]] = [
    {"action": "Read the weather"},
    {"context": {"directory": "/project", "command": "ls", "timeout": 5.0}},
    {"context": {"directory": "/project", "command": "ls", "timeout": True}},
    {"context": {"directory": "/project", "command": "ls", "timeout": 5, "more": None}},
    {"urgency": "low"},
    {"editable": []},
    {"agentId": "Claude Code (session 99999999)"},
]


async def test_change_of_the_file_while_a_human_decides_uses_nothing(
    loopin: LoopinClient, tmp_path: Path
) -> None:
    (tmp_path / "inside").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "inside")
    fields: JSONObject = {"file_path": "link/a.txt", "content": "x"}
    asked = question(replace(CALL, tool="Write", input=fields, cwd=str(tmp_path)))
    await asked_and_decided(loopin, asked, "approved")
    (tmp_path / "link").unlink()
    (tmp_path / "link").symlink_to(tmp_path.parent)

    with pytest.raises(LoopinError, match="have changed since a human was asked"):
        await verdict(loopin, asked)

    (tmp_path / "link").unlink()
    (tmp_path / "link").symlink_to(tmp_path / "inside")
    assert await verdict(loopin, asked) == ALLOWED


@pytest.mark.parametrize("other", OTHERS)
async def test_request_that_shows_something_else_is_not_found(
    loopin: LoopinClient, other: dict[str, Any]
) -> None:
    """An agent with the key made it, with the digest of a call that it does not show."""
    asked = question()
    planted = await loopin.create_interrupt(NewInterrupt.model_validate(asked.request | other))
    await loopin.decide_interrupt(planted.interrupt_id, Decision(decision="approved"))

    with pytest.raises(LoopinError, match="not approved"):
        await verdict(loopin, asked)

    assert (await loopin.get_interrupt_status(planted.interrupt_id)).used_at is None


def interrupt_of(asked: Question, **changes: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON
    """An approved interrupt of a question, as an API returns it."""
    interrupt = asked.request
    more = {"interruptId": "i", "status": "approved", "expiresAt": "2999-01-01T00:00:00Z"}
    return interrupt | more | changes


def answering(interrupt: dict[str, Any], uses: int = 404) -> LoopinClient:
    """A client of another implementation of the API, which returns this for every interrupt."""

    async def answer(request: httpx.Request) -> httpx.Response:
        is_use = request.url.path.endswith("/use")
        body = json.dumps({"error": "Not found"} if is_use else interrupt)
        return httpx.Response(uses if is_use else 200, stream=Body(body.encode()))

    return client_of(httpx.AsyncClient(transport=httpx.MockTransport(answer)))


class Body(httpx.AsyncByteStream):
    """A body that was not read yet."""

    def __init__(self, content: bytes) -> None:
        self._content = content

    async def __aiter__(self) -> AsyncIterator[bytes]:
        yield self._content


@pytest.mark.parametrize("other", OTHERS)
async def test_answer_that_shows_something_else_allows_nothing(other: dict[str, Any]) -> None:
    with pytest.raises(LoopinError, match="shows something else than this call"):
        await verdict(answering(interrupt_of(question(), **other), 200), question())


async def test_api_that_knows_no_uses_is_too_old() -> None:
    with pytest.raises(LoopinError, match="too old for the gate"):
        await verdict(answering(interrupt_of(question())), question())


async def test_api_that_fails_to_use_allows_nothing() -> None:
    with pytest.raises(LoopinError, match="Not found"):
        await verdict(answering(interrupt_of(question()), 503), question())


@pytest.mark.parametrize(
    "changes", [{"status": "maybe"}, {"status": None}, {"modifiedParams": "ls"}]
)
def test_answer_that_is_unknown_allows_nothing(changes: dict[str, Any]) -> None:
    with pytest.raises(LoopinError, match="unknown here"):
        verdict_on(interrupt_of(question(), **changes), question())


@pytest.mark.parametrize(
    ("status", "reason"), [("expired", "Nobody decided"), ("cancelled", "was cancelled")]
)
async def test_request_that_ended_without_a_decision_denies(status: str, reason: str) -> None:
    denied = await verdict(answering(interrupt_of(question(), status=status)), question())

    assert denied.kind == "deny"
    assert reason in denied.reason


async def test_api_that_forgets_the_call_allows_nothing() -> None:
    interrupt = interrupt_of(question())
    del interrupt["call"]

    with pytest.raises(LoopinError, match="something else"):
        await verdict(answering(interrupt), question())


async def test_deferred_call_is_answered_when_it_is_decided(loopin: LoopinClient) -> None:
    asked = question(waits_long=True)

    deferred = await ask(loopin, asked, 60, defer=True)
    await decide(loopin, "approved")
    resumed = await ask(loopin, asked, 60, defer=True)

    assert deferred.kind == "defer"
    assert resumed == ALLOWED
    assert (asked.request["expiresIn"], asked.request["useWithin"]) == (24 * HOUR_S,) * 2


def test_nobody_to_ask_is_said_with_the_variable() -> None:
    settings = Settings(api_url="http://127.0.0.1:1")

    with pytest.raises(LoopinError, match="LOOPIN_USER_ID is not set"):
        question_about(CALL, settings)


@pytest.mark.parametrize(
    ("call", "bound"),
    [
        (replace(CALL, input={"command": "x" * 70_000}), "context must be at most 65536 bytes"),
        (replace(CALL, input={"a": [0] * 10_001}), "context must hold at most 10,000 values"),
        (replace(CALL, input={"a": "\ud800"}), "context must be representable"),
        (replace(CALL, tool="x" * 201), "tool must be at most 200 characters"),
        (replace(CALL, session="x" * 201), "session must be at most 200 characters"),
    ],
)
async def test_call_that_cannot_be_shown_whole_is_not_asked_about(
    loopin: LoopinClient, call: ToolCall, bound: str
) -> None:
    with pytest.raises(LoopinError, match=f"as a whole, so it is not approved: .*{bound}"):
        await verdict(loopin, question(call))


async def test_nesting_has_a_bound(loopin: LoopinClient) -> None:
    deep: Any = 1
    for _ in range(40):
        deep = [deep]

    with pytest.raises(LoopinError, match="nested more than 32 levels"):
        await verdict(loopin, question(replace(CALL, input={"a": deep})))
