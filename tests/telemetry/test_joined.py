"""One request id joins a tool call, the requests to the API and the callback."""

import json
import logging
import subprocess
import sys
from collections.abc import AsyncIterator
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import httpx
import pytest
from mcp import Client

from loopin_mcp import LoopinClient
from loopin_mcp.api.access.actors import Actor
from loopin_mcp.api.database.steps import Database, execute
from loopin_mcp.api.store.store import Store
from loopin_mcp.mcp_server.tools import create_server
from loopin_mcp.settings.settings import Settings
from loopin_mcp.telemetry.logs import JSONLines
from loopin_mcp.telemetry.traces import Trace, read_trace, within_trace
from tests.support import REVIEWER, START_TIMEOUT_S, api_app, clean_environment, new_interrupt
from tests.support.receiver import (
    APPROVED,
    arrivals,
    channels_to,
    decide_with_callback,
    deliver_due,
    delivering,
    outbox_to,
    receiving,
)
from tests.support.server import ERAS, HOST

TRACE = Trace("4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7", "01", "vendor=value")
CALLBACKS = (ip_network("127.0.0.0/8"),)


@pytest.fixture(params=ERAS)
async def host(
    request: pytest.FixtureRequest, tmp_path: Path, anyio_backend: str
) -> AsyncIterator[Client]:
    """A host, in each era, of a server whose embedded API sends callbacks to this machine."""
    settings = Settings(
        data_dir=tmp_path / "data", port=0, user_id="u", confirm="off", callback_allow=CALLBACKS
    )
    async with Client(create_server(settings), mode=request.param, client_info=HOST) as client:
        yield client


async def call(host: Client, tool: str, meta: Any = None, **arguments: Any) -> Any:  # noqa: ANN401
    result = await host.call_tool(tool, arguments, meta=meta)
    assert not result.is_error, result.content
    return result.structured_content


async def callback_of(host: Client, meta: Any = None) -> Trace | None:  # noqa: ANN401
    """The trace of the callback of an interrupt that a tool call with this `_meta` created."""
    with receiving() as receiver:
        url = f"http://127.0.0.1:{receiver.server_port}/hook"
        asked = {"action": "Pay", "context": {}, "callbackUrl": url}
        created = await call(host, "create_interrupt", meta, **asked)
        interrupt_id = created["interruptId"]
        await call(host, "decide_interrupt", interruptId=interrupt_id, decision="approved")
        [received] = await arrivals(receiver, 1)
    return read_trace(received.headers["traceparent"])


async def test_callback_belongs_to_the_trace_of_the_tool_call(host: Client) -> None:
    trace = await callback_of(host, {"traceparent": TRACE.parent})

    assert trace == Trace(TRACE.trace_id, TRACE.span_id)


@pytest.mark.parametrize("meta", [None, {"traceparent": "00-forged"}, {"traceparent": 7}])
async def test_tool_call_without_a_valid_trace_begins_one(host: Client, meta: object) -> None:
    first, second = await callback_of(host, meta), await callback_of(host, meta)

    assert first is not None
    assert second is not None
    assert first.trace_id != second.trace_id


async def test_client_passes_on_the_trace_that_it_works_in(sqlite_store: Store) -> None:
    seen: list[httpx.Request] = []

    async def remember(request: httpx.Request) -> None:
        seen.append(request)

    transport = httpx.ASGITransport(api_app(sqlite_store))
    async with (
        httpx.AsyncClient(transport=transport, event_hooks={"request": [remember]}) as http,
        LoopinClient(sqlite_store.public_url, http=http) as client,
    ):
        await client.create_interrupt(new_interrupt())
        with within_trace(TRACE):
            await client.create_interrupt(new_interrupt())

    assert [request.headers.get("traceparent") for request in seen] == [None, TRACE.parent]
    assert [request.headers.get("tracestate") for request in seen] == [None, "vendor=value"]


@pytest.mark.parametrize("path", ["/health", "/nowhere", "/interrupts/none", "/", "/static/app"])
async def test_every_response_names_its_request(api: httpx.AsyncClient, path: str) -> None:
    given = await api.get(path, headers={"traceparent": TRACE.parent})
    made = [(await api.get(path)).headers["x-request-id"] for _ in range(2)]

    assert given.headers["x-request-id"] == TRACE.trace_id
    assert len({*made, TRACE.trace_id}) == 3
    assert read_trace(f"00-{made[0]}-{TRACE.span_id}-01")


async def test_forged_trace_becomes_no_part_of_a_response(api: httpx.AsyncClient) -> None:
    answer = await api.get("/health", headers={"traceparent": "00-<script>-1-01"})

    assert read_trace(f"00-{answer.headers['x-request-id']}-{TRACE.span_id}-01")


async def test_response_to_a_fault_names_its_request(
    sqlite_store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(sqlite_store, "get_interrupt_analytics", fail)
    transport = httpx.ASGITransport(api_app(sqlite_store), raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url=sqlite_store.public_url) as client:
        answer = await client.get("/analytics/u", headers={"traceparent": TRACE.parent})

    assert (answer.status_code, answer.headers["x-request-id"]) == (500, TRACE.trace_id)


async def test_interrupt_whose_trace_was_edited_sends_its_callback_without_one(
    store: Store, database: Database
) -> None:
    with receiving() as receiver:
        url = f"http://127.0.0.1:{receiver.server_port}/hook"
        await decide_with_callback(store, url)
        await execute(database, "UPDATE interrupts SET traceparent = '00-x\r\nEvil: 1'")
        async with delivering(store) as outbox:
            await deliver_due(outbox)
        [received] = receiver.received

    assert "traceparent" not in received.headers


async def test_log_of_deliveries_names_the_request_that_asked(
    sqlite_store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.handler.setFormatter(JSONLines())
    asking = Actor("api-key", "api", TRACE)
    with receiving(500) as receiver, caplog.at_level(logging.INFO):
        new = new_interrupt(callback_url=f"http://127.0.0.1:{receiver.server_port}/hook")
        channels = outbox_to(sqlite_store, channels_to(receiver.url))
        interrupt_id = (await sqlite_store.create_interrupt(new, asking)).interrupt_id
        await deliver_due(channels)
        await sqlite_store.decide_interrupt(interrupt_id, APPROVED, REVIEWER)
        async with delivering(sqlite_store) as callbacks:
            await deliver_due(callbacks)

    lines = [json.loads(line) for line in caplog.text.splitlines()]
    about = [line for line in lines if "will be tried again" in line["message"]]
    assert [line["message"].split()[0] for line in about] == ["Notification", "Callback"]
    assert {line["requestId"] for line in about} == {TRACE.trace_id}


# A program of its own: the provider of a process cannot be replaced.
_TRACED = """
import json, sys
from contextlib import suppress
from ipaddress import ip_network
from pathlib import Path
import anyio
from mcp import Client
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
exporter = InMemorySpanExporter()
trace.set_tracer_provider(TracerProvider())
trace.get_tracer_provider().add_span_processor(SimpleSpanProcessor(exporter))
from loopin_mcp.mcp_server.tools import create_server
from loopin_mcp.settings.settings import Settings
from loopin_mcp.telemetry.spans import in_span
from tests.support.receiver import arrivals, receiving

async def main():
    settings = Settings(data_dir=Path(sys.argv[1]), port=0, user_id="u", confirm="off",
                        callback_allow=(ip_network("127.0.0.0/8"),))
    with receiving() as receiver:
        url = f"http://127.0.0.1:{receiver.server_port}/hook"
        async with Client(create_server(settings), mode="2026-07-28") as host:
            created = await host.call_tool(
                "create_interrupt", {"action": "Pay", "context": {}, "callbackUrl": url})
            id_ = created.structured_content["interruptId"]
            await host.call_tool("decide_interrupt", {"interruptId": id_, "decision": "approved"})
            await host.call_tool("decide_interrupt", {"interruptId": id_, "decision": "approved"})
            [received] = await arrivals(receiver, 1)
    with suppress(ConnectionError), in_span("failing", "client", None):
        raise ConnectionError("to https://user:s3cret@host")
    spans = exporter.get_finished_spans()
    print(json.dumps({
        "callback": received.headers["traceparent"],
        "spans": [{
            "name": span.name, "kind": span.kind.name, "trace": f"{span.context.trace_id:032x}",
            "id": f"{span.context.span_id:016x}", "fault": span.status.description,
            "parent": f"{span.parent.span_id:016x}" if span.parent else None,
            "attributes": {**span.attributes}} for span in spans]}))

anyio.run(main)
"""


@pytest.mark.subprocess
def test_spans_of_one_trace_join_tool_call_request_decision_and_callback(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", _TRACED, str(tmp_path / "data")],
        cwd=Path(__file__).parents[2],
        env=clean_environment(),
        capture_output=True,
        text=True,
        timeout=START_TIMEOUT_S,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    by_id = {span["id"]: span for span in found["spans"]}
    [called] = [each for each in found["spans"] if each["name"] == "tools/call create_interrupt"]
    trace = {each["name"]: each for each in found["spans"] if each["trace"] == called["trace"]}

    def line_of(span: dict[str, Any]) -> list[str]:
        """The names of a span and those above it."""
        above = by_id.get(span["parent"])
        return [span["name"], *(line_of(above) if above else [])]

    request = ["POST /interrupts", "POST", "tools/call create_interrupt"]
    assert line_of(trace["callback"])[:4] == ["callback", *request]
    assert line_of(trace["wait for decision"])[:4] == ["wait for decision", *request]
    assert found["callback"].split("-")[1:3] == [called["trace"], trace["callback"]["id"]]
    assert trace["POST /interrupts"]["attributes"] == {
        "http.request.method": "POST",
        "http.route": "/interrupts",
        "http.response.status_code": 201,
    }
    assert trace["wait for decision"]["attributes"]["loopin.channel"] == "mcp"
    assert trace["wait for decision"]["attributes"]["loopin.outcome"] == "approved"
    [failing] = [each for each in found["spans"] if each["name"] == "failing"]
    assert failing["fault"] == "ConnectionError"
    assert "s3cret" not in done.stdout
