"""MCP over HTTP by the SDK's client: the same tools as over stdio, in both eras."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest
from mcp import Client
from mcp.shared.exceptions import MCPError
from mcp_types import CallToolResult, ElicitResult, InputRequiredResult

from loopin_mcp import LoopinClient
from loopin_mcp.settings.settings import TOOLS
from tests.support import PATIENCE_S
from tests.support.confirmation import ACCEPT, DECLINE, Human
from tests.support.host import MODERN
from tests.support.over_http import (
    AGENTS_KEY,
    TOKEN,
    Balancer,
    api_server,
    caller,
    host,
    http_server,
    request,
    serving,
)
from tests.support.server import call, refusal, text_of

QUESTION = {"action": "Pay", "context": {"amount": 1}}


@pytest.fixture(params=["itself", "api"])
async def url(
    request: pytest.FixtureRequest, tmp_path: Path, anyio_backend: str
) -> AsyncIterator[str]:
    """The MCP server by itself, and the one of an API, with the same token."""
    api = api_server(tmp_path, api_key_secret=TOKEN, user_id="u")
    server = http_server(tmp_path, progress_every_s=0.05) if request.param == "itself" else api
    async with serving(server) as served:
        yield served


async def test_tools_are_those_of_stdio(url: str, era: str) -> None:
    async with host(url, era) as client:
        listed = await client.list_tools()
        prompts = await client.list_prompts()

    assert [tool.name for tool in listed.tools] == list(TOOLS)
    assert len(prompts.prompts) == 2


async def test_agent_is_named_after_its_host_and_the_user_by_the_setting(
    url: str, era: str
) -> None:
    async with host(url, era) as client:
        created = await call(client, "create_interrupt", **QUESTION)
        read = await call(
            client, "get_interrupt_status", interruptId=created["interruptId"], waitSeconds=0
        )
        listed = await call(client, "list_pending_interrupts")

    assert (read["agentId"], read["userId"]) == ("test-host", "u")
    assert [each["interruptId"] for each in listed["interrupts"]] == [created["interruptId"]]


async def test_decision_wakes_the_call_that_waits(url: str, era: str) -> None:
    answers: list[dict[str, Any]] = []

    async def wait(client: Client, interrupt_id: str) -> None:
        answers.append(await call(client, "get_interrupt_status", interruptId=interrupt_id))

    async with host(url, era) as agent, host(url, era) as other:
        created = await call(agent, "create_interrupt", **QUESTION)
        interrupt_id = created["interruptId"]
        with anyio.fail_after(PATIENCE_S):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(wait, agent, interrupt_id)
                await call(other, "decide_interrupt", interruptId=interrupt_id, decision="approved")

    [answer] = answers
    assert (answer["status"], answer["approved"]) == ("approved", True)


async def test_wait_is_reported_to_the_host(tmp_path: Path, era: str) -> None:
    reports: list[str | None] = []
    reported = anyio.Event()

    async def on_progress(progress: float, total: float | None, message: str | None) -> None:
        reports.append(message)
        reported.set()

    async def wait(client: Client, interrupt_id: str) -> None:
        arguments = {"interruptId": interrupt_id}
        await client.call_tool("get_interrupt_status", arguments, progress_callback=on_progress)

    async with (
        serving(http_server(tmp_path, progress_every_s=0.05)) as url,
        host(url, era) as agent,
        host(url, era) as other,
    ):
        created = await call(agent, "create_interrupt", **QUESTION)
        with anyio.fail_after(PATIENCE_S):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(wait, agent, created["interruptId"])
                await reported.wait()
                await call(other, "cancel_interrupt", interruptId=created["interruptId"])

    assert str(reports[0]).endswith(f"s left: {created['reviewUrl']}")


async def test_what_one_agent_asked_is_shown_to_another_with_its_context(
    url: str, era: str
) -> None:
    async with host(url, era) as asking, host(url, era) as other:
        created = await call(asking, "create_interrupt", **QUESTION, agentId="another")
        read = await call(
            other, "get_interrupt_status", interruptId=created["interruptId"], waitSeconds=0
        )

    assert read["context"] == {"amount": 1}


async def test_form_of_one_host_confirms_nothing_to_another(url: str) -> None:
    human = Human(ACCEPT)
    async with host(url, MODERN, human=human) as client:
        created = await call(client, "create_interrupt", **QUESTION)
        interrupt_id = created["interruptId"]
        await call(client, "decide_interrupt", interruptId=interrupt_id, decision="approved")
        read = await call(client, "get_interrupt_status", interruptId=interrupt_id)

    assert len(human.forms) == 1
    assert read["nextStep"].startswith("An approval was recorded through an MCP server:")


async def test_human_who_declines_the_form_records_nothing(url: str) -> None:
    async with host(url, MODERN, human=Human(DECLINE)) as client:
        created = await call(client, "create_interrupt", **QUESTION)
        arguments = {"interruptId": created["interruptId"], "decision": "approved"}
        refused = await refusal(client, "decide_interrupt", **arguments)
        listed = await call(client, "list_pending_interrupts")

    assert refused.startswith("The form in the host was declined, so nothing was recorded")
    assert listed["count"] == 1


async def test_host_that_cannot_be_asked_over_http_is_sent_to_the_page(url: str) -> None:
    human = Human(ACCEPT)
    async with host(url, "legacy", human=human) as client:
        created = await call(client, "create_interrupt", **QUESTION)
        arguments = {"interruptId": created["interruptId"], "decision": "approved"}
        refused = await refusal(client, "decide_interrupt", **arguments)

    assert human.forms == []
    assert refused == (
        "Over HTTP, this host can show a form only in the protocol of 2026-07-28, so nothing was "
        "recorded and the interrupt stays pending. Do not decide yourself: the human can decide at "
        f"{created['reviewUrl']}"
    )


@pytest.mark.parametrize("gate", ["on", "auto"])
async def test_tools_that_read_files_of_the_hosts_machine_are_not_offered(
    tmp_path: Path, era: str, gate: str
) -> None:
    async with serving(http_server(tmp_path, gate=gate)) as url, host(url, era) as client:
        listed = await client.list_tools()
        with pytest.raises(Exception, match="Unknown tool: gate_call"):
            await client.call_tool("gate_call", {})

    assert [tool.name for tool in listed.tools] == list(TOOLS)


@pytest.mark.parametrize("session", ["", "nonsense", "W10=", "WzEsMl0=", "e30=" * 2000, "bnVsbA=="])
async def test_session_id_of_another_server_counts_as_none(url: str, session: str) -> None:
    question = {"name": "create_interrupt", "arguments": QUESTION}
    async with caller(url, **{"Mcp-Session-Id": session}) as http:
        answer = await http.post("/mcp", json=request("tools/call", question))

    assert answer.status_code == 200
    assert "agentId is required: give it, or set LOOPIN_AGENT_ID." in answer.text


async def test_initialize_is_answered_with_a_session_id_that_any_copy_reads(
    tmp_path: Path,
) -> None:
    client = {"name": "n" * 300, "version": "1", "icons": [{"src": "data:," + "x" * 10_000}]}
    params = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": client}
    question = {"name": "create_interrupt", "arguments": QUESTION}
    async with (
        serving(http_server(tmp_path)) as url,
        serving(http_server(tmp_path)) as copy,
        caller(url) as http,
        caller(copy) as other,
    ):
        answer = await http.post("/mcp", json=request("initialize", params))
        session = {"Mcp-Session-Id": answer.headers["Mcp-Session-Id"]}
        again = await http.post("/mcp", json=request("initialize", params))
        created = await other.post("/mcp", json=request("tools/call", question), headers=session)
        listed = await call_of(copy, "list_pending_interrupts")

    assert again.headers["Mcp-Session-Id"] != session["Mcp-Session-Id"]
    assert len(session["Mcp-Session-Id"]) < 1000
    assert created.status_code == 200
    assert [each["agentId"] for each in listed["interrupts"]] == ["n" * 200]


async def test_only_initialize_is_answered_with_a_session_id(url: str) -> None:
    question = {"name": "create_interrupt", "arguments": QUESTION | {"action": "initialize"}}
    async with caller(url) as http:
        answer = await http.post("/mcp", json=request("tools/call", question))

    assert answer.status_code == 200
    assert "Mcp-Session-Id" not in answer.headers


async def test_host_that_says_who_it_is_with_each_request_needs_no_session_id(url: str) -> None:
    question = {"name": "create_interrupt", "arguments": QUESTION}
    named = {"Mcp-Method": "tools/call", "Mcp-Name": "create_interrupt"}
    async with caller(url, **{"MCP-Protocol-Version": MODERN, "Mcp-Session-Id": "x"}) as http:
        body = request("tools/call", question, era=MODERN)
        answer = await http.post("/mcp", json=body, headers=named)
        listed = await call_of(url, "list_pending_interrupts")

    assert answer.status_code == 200
    assert [each["agentId"] for each in listed["interrupts"]] == ["raw-host"]


async def call_of(url: str, name: str) -> dict[str, Any]:
    async with host(url, MODERN) as client:
        return await call(client, name)


@asynccontextmanager
async def two_copies(tmp_path: Path) -> AsyncIterator[tuple[str, str]]:
    """Two copies in front of one API, as behind a balancer."""
    async with serving(api_server(tmp_path, api_key_secret=AGENTS_KEY)) as api:
        copy = http_server(tmp_path, api_url=api, api_key=AGENTS_KEY)
        async with serving(copy) as first, serving(copy) as second:
            yield first, second


async def test_each_request_may_go_to_another_copy(tmp_path: Path, era: str) -> None:
    async with two_copies(tmp_path) as (first, second):
        balancer = Balancer(first, second)
        human = Human(ACCEPT) if era == MODERN else None
        async with host(first, era, human=human, balancer=balancer) as client:
            created = [await call(client, "create_interrupt", **QUESTION) for _ in range(2)]
            for each in created:
                decision = {"interruptId": each["interruptId"], "decision": "approved"}
                await call(client, "decide_interrupt", **decision)
            read = [
                await call(client, "get_interrupt_status", interruptId=each["interruptId"])
                for each in created
            ]

    assert [(each["agentId"], each["approved"]) for each in read] == [("test-host", True)] * 2


async def test_answer_to_a_form_may_come_to_another_copy(tmp_path: Path) -> None:
    async with (
        two_copies(tmp_path) as (first, second),
        host(first, MODERN, human=Human(ACCEPT)) as one,
        host(second, MODERN, human=Human(ACCEPT)) as other,
    ):
        created = await call(one, "create_interrupt", **QUESTION)
        decision = {"interruptId": created["interruptId"], "decision": "approved"}
        asked = await one.session.call_tool("decide_interrupt", decision, allow_input_required=True)
        assert isinstance(asked, InputRequiredResult)
        for changes in ({"decision": "rejected"}, {"reason": "Another"}):
            with pytest.raises(MCPError, match="Invalid or expired requestState"):
                await answered(other, decision | changes, asked)
        recorded = await answered(other, decision, asked)
        again = await answered(one, decision, asked)

    assert recorded.structured_content is not None
    assert recorded.structured_content["decision"] == "approved"
    assert text_of(again).startswith("The interrupt's status is now approved.")


async def test_answer_to_a_form_counts_once_in_a_copy(tmp_path: Path) -> None:
    async with (
        serving(http_server(tmp_path)) as url,
        host(url, MODERN, human=Human(ACCEPT)) as client,
    ):
        created = await call(client, "create_interrupt", **QUESTION)
        decision = {"interruptId": created["interruptId"], "decision": "approved"}
        asked = await client.session.call_tool(
            "decide_interrupt", decision, allow_input_required=True
        )
        assert isinstance(asked, InputRequiredResult)
        declined = await answered(client, decision, asked, DECLINE)
        overruled = await answered(client, decision, asked)

    assert text_of(declined).startswith("The form in the host was declined, so nothing")
    assert text_of(overruled).startswith("The answer to the form in the host came too late, a")


async def answered(
    client: Client,
    decision: dict[str, Any],
    asked: InputRequiredResult,
    answer: ElicitResult = ACCEPT,
) -> CallToolResult:
    """Call again with the answer to the form, and what came with it."""
    return await client.session.call_tool(
        "decide_interrupt",
        decision,
        input_responses={"confirm": answer},
        request_state=asked.request_state,
    )


async def test_wrong_api_key_is_reported_by_its_setting(tmp_path: Path, era: str) -> None:
    async with serving(api_server(tmp_path, api_key_secret=AGENTS_KEY)) as api:
        wrong = http_server(tmp_path, api_url=api, api_key="wrong")
        async with serving(wrong) as url, host(url, era) as client:
            refused = await refusal(client, "create_interrupt", **QUESTION)

    assert "ask the user to set LOOPIN_API_KEY" in refused


async def test_api_serves_mcp_to_agents_with_the_key_of_each(tmp_path: Path, era: str) -> None:
    alice = "key-of-alice-the-reviewer-long-enough"
    keys = {"api_key_secret": AGENTS_KEY, "reviewer_keys": {"alice": alice}}
    async with (
        serving(api_server(tmp_path, user_id="u", **keys)) as url,
        host(url, era, AGENTS_KEY) as agent,
        host(url, era, alice) as reviewer,
    ):
        created = await call(agent, "create_interrupt", **QUESTION)
        arguments = {"interruptId": created["interruptId"], "decision": "approved"}
        refused = await refusal(agent, "decide_interrupt", **arguments)
        await call(reviewer, "decide_interrupt", **arguments)
        async with LoopinClient(url, AGENTS_KEY) as api:
            read = await api.get_interrupt_status(created["interruptId"])

    assert refused.startswith(
        "Only a reviewer may decide: on the review page or in the inbox, or by a call with their "
        "own key (REVIEWER_KEYS). Show the user the reviewUrl, where a reviewer decides."
    )
    assert (read.decided_by, read.decided_via) == ("alice", "mcp")


async def test_api_without_a_default_user_asks_for_one(tmp_path: Path, era: str) -> None:
    async with (
        serving(api_server(tmp_path)) as url,
        host(url, era, token=None) as client,
    ):
        refused = await refusal(client, "create_interrupt", **QUESTION)

    assert "userId is required: give it, or set LOOPIN_USER_ID." in refused
