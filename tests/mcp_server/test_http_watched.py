"""The requests of MCP in the metrics of an API, held against counts by hand, and in its log."""

import logging
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest

from loopin_mcp.mcp_server.http.endpoint import MOST_BYTES
from loopin_mcp.telemetry.traces import Trace, current_trace
from tests.support import PATIENCE_S
from tests.support.host import LEGACY, MODERN
from tests.support.over_http import LIST, TOKEN, api_server, caller, http_server, request, serving
from tests.support.scrapes import scrape

NEW: dict[str, Any] = {"action": "Pay", "context": {}, "userId": "u", "agentId": "a"}
BY_ID = "/interrupts/{interrupt_id}"
TRACE = Trace("4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7")
WAITING = "loopin_waiters kind=calls"


def use(tool: str, era: str, **arguments: Any) -> dict[str, Any]:  # noqa: ANN401
    """A call of a tool as keyword arguments of a request."""
    named = {"Mcp-Method": "tools/call", "Mcp-Name": tool, "MCP-Protocol-Version": era}
    message = request("tools/call", {"name": tool, "arguments": arguments}, era=era)
    return {"url": "/mcp", "json": message, "headers": named}


async def requests_of(scraper: httpx.AsyncClient, sample: str, route: str) -> dict[str, float]:
    """The samples of a metric about a route, by their other labels."""
    found = await scrape(scraper, sample)
    return {
        name.removeprefix(f"{sample} ").replace(f" route={route}", ""): value
        for name, value in found.items()
        if f" route={route}" in f"{name} "
    }


async def test_requests_of_mcp_count_with_what_they_are_answered(tmp_path: Path) -> None:
    async with serving(api_server(tmp_path, api_key_secret=TOKEN)) as url, caller(url) as http:
        scraper = partial(requests_of, http, "loopin_http_requests_total")
        assert await scraper("/mcp") == {}
        for _ in range(2):
            await http.post("/mcp", json=LIST)
        await http.post(**use("create_interrupt", LEGACY, **NEW))
        refused = [
            await http.post("/mcp", json=LIST, headers={"Authorization": "Bearer wrong"}),
            await http.post("/mcp", json=LIST, headers={"Host": "evil.example.com"}),
            await http.post("/mcp", json=LIST, headers={"Origin": "https://evil.example.com"}),
            await http.post("/mcp", json=LIST, headers={"X-Padding": "x" * 40_000}),
            await http.post("/mcp", content=b"x" * (MOST_BYTES + 1)),
            await http.get("/mcp"),
            await http.get("/mcp", headers={"Authorization": ""}),
            await http.delete("/mcp"),
            await http.request("PURGE", "/mcp"),
        ]
        elsewhere = await http.post("/mcp/")
        counted = await scraper("/mcp"), await scraper("/interrupts"), await scraper("other")
        times = await requests_of(http, "loopin_http_request_duration_seconds_count", "/mcp")

    assert [answer.status_code for answer in refused] == [
        401,
        421,
        403,
        431,
        413,
        405,
        401,
        405,
        405,
    ]
    assert elsewhere.status_code == 401
    mcp, interrupts, other = counted
    assert mcp == {
        "method=POST status=2xx": 3,
        "method=POST status=4xx": 5,
        "method=GET status=4xx": 2,
        "method=DELETE status=4xx": 1,
        "method=other status=4xx": 1,
    }
    # The tool's own call of the API.
    assert interrupts == {"method=POST status=2xx": 1}
    assert other == {"method=POST status=4xx": 1}
    assert times == {"method=POST": 8, "method=GET": 2, "method=DELETE": 1, "method=other": 1}


@pytest.mark.parametrize("era", [LEGACY, MODERN])
async def test_latencies_of_mcp_leave_out_calls_that_wait(tmp_path: Path, era: str) -> None:
    async with serving(api_server(tmp_path, api_key_secret=TOKEN)) as url, caller(url) as http:
        with anyio.fail_after(PATIENCE_S):
            async with waiting(http, era) as (interrupt_id, _):
                await http.delete(f"/interrupts/{interrupt_id}", headers={"X-API-Key": TOKEN})
        await http.post(**use("get_interrupt_status", era, interruptId=interrupt_id, waitSeconds=0))
        total, times = "loopin_http_requests_total", "loopin_http_request_duration_seconds_count"
        mcp = await requests_of(http, total, "/mcp"), await requests_of(http, times, "/mcp")
        api = await requests_of(http, total, BY_ID), await requests_of(http, times, BY_ID)

    assert mcp == ({"method=POST status=2xx": 2}, {"method=POST": 1})
    # The tool reads twice before it waits.
    assert api == (
        {"method=GET status=2xx": 4, "method=DELETE status=2xx": 1},
        {"method=GET": 3, "method=DELETE": 1},
    )


@pytest.mark.parametrize("era", [LEGACY, MODERN])
async def test_host_that_leaves_while_it_waits_is_no_fault_of_the_server(
    tmp_path: Path, era: str
) -> None:
    async with serving(api_server(tmp_path, api_key_secret=TOKEN)) as url, caller(url) as http:
        with anyio.fail_after(PATIENCE_S):
            async with waiting(http, era) as (_, scope):
                scope.cancel()
            await until_waiting(http, 0)
            while not (mcp := await requests_of(http, "loopin_http_requests_total", "/mcp")):
                pass
        api = await requests_of(http, "loopin_http_requests_total", BY_ID)

    # Before 2026-07-28, the answer of a call begins at once.
    assert mcp == {f"method=POST status={'4xx' if era == MODERN else '2xx'}": 1}
    assert api == {"method=GET status=2xx": 2, "method=GET status=4xx": 1}


@asynccontextmanager
async def waiting(
    http: httpx.AsyncClient, era: str
) -> AsyncIterator[tuple[str, anyio.CancelScope]]:
    """A call that waits for an interrupt, whose id comes with the scope that the call ends with."""
    answer = await http.post("/interrupts", json=NEW, headers={"X-API-Key": TOKEN})
    interrupt_id = str(answer.json()["interruptId"])
    wait = use("get_interrupt_status", era, interruptId=interrupt_id, waitSeconds=30)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(partial(http.post, **wait))
        await until_waiting(http, 1)
        yield interrupt_id, tasks.cancel_scope


async def until_waiting(http: httpx.AsyncClient, number: int) -> None:
    while (await scrape(http, WAITING)).get(WAITING, 0) != number:
        pass


@pytest.mark.parametrize("server", [http_server, api_server])
async def test_response_of_mcp_names_its_request(server: Any, tmp_path: Path) -> None:  # noqa: ANN401
    traced = {"traceparent": TRACE.parent}
    secret = {"api_key_secret": TOKEN} if server is api_server else {}
    async with serving(server(tmp_path, **secret)) as url, caller(url) as http:
        answers = [
            await http.post("/mcp", json=LIST, headers=traced),
            await http.get("/mcp", headers=traced),
            await http.post("/mcp", headers=traced | {"Authorization": ""}),
        ]

    assert [answer.status_code for answer in answers] == [200, 405, 401]
    assert [answer.headers["x-request-id"] for answer in answers] == [TRACE.trace_id] * 3


class Lines(logging.Handler):
    """The trace of each line of the log, by the line without its time."""

    def __init__(self) -> None:
        super().__init__()
        self.traces: dict[str, str] = {}

    def emit(self, record: logging.LogRecord) -> None:
        if trace := current_trace():
            self.traces[record.getMessage().partition(" in ")[0]] = trace.trace_id


@pytest.fixture
def lines() -> Iterator[Lines]:
    logger, handler = logging.getLogger("loopin_mcp"), Lines()
    level = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.DEBUG)
    yield handler
    logger.removeHandler(handler)
    logger.setLevel(level)


@pytest.mark.parametrize("meta", [None, Trace("a" * 32, "b" * 16)])
async def test_tool_call_belongs_to_the_trace_of_its_request_unless_it_names_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lines: Lines, meta: Trace | None
) -> None:
    # Its SDK has a place of its own for the trace, and most installations lack it.
    monkeypatch.delitem(sys.modules, "opentelemetry.sdk.trace", raising=False)
    asked = use("create_interrupt", LEGACY, **NEW)
    asked["headers"]["traceparent"] = TRACE.parent
    if meta:
        asked["json"]["params"]["_meta"] = meta.headers
    async with serving(api_server(tmp_path, api_key_secret=TOKEN)) as url, caller(url) as http:
        await http.post(**asked)

    within = (meta or TRACE).trace_id
    assert lines.traces == {
        "Tool call: create_interrupt": within,
        "POST /interrupts 201": within,
        "POST /mcp 200": TRACE.trace_id,
    }
