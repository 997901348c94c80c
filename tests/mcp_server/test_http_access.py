"""Who may use MCP over HTTP: tokens, host names, web pages, and requests that are not MCP."""

import json
import socket
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path

import anyio
import httpx
import pytest
from starlette.responses import Response

from loopin_mcp.api.access.guard import host_rule
from loopin_mcp.api.access.keys import WARN_AT, Door, Keys
from loopin_mcp.api.access.limits import Limits
from loopin_mcp.api.clock import epoch_ms
from loopin_mcp.api.mcp_front import MCPFront
from loopin_mcp.mcp_server.http.endpoint import MOST_BYTES
from tests.support import PATIENCE_S
from tests.support.host import LEGACY, MODERN
from tests.support.over_http import LIST, TOKEN, api_server, caller, http_server, request, serving

UNAUTHORIZED = {"error": "Unauthorized: Authorization has no valid bearer token"}
FOREIGN = {"error": "Web pages of other origins may not use this MCP server"}
MISDIRECTED = {"error": "This host name is not served here: set LOOPIN_BASE_URL to use it"}


@pytest.fixture(params=["itself", "api"])
async def url(
    request: pytest.FixtureRequest, tmp_path: Path, anyio_backend: str
) -> AsyncIterator[str]:
    """The MCP server by itself, and the one of an API, with the same token."""
    public = "https://loopin.example.com/loopin"
    server = http_server(tmp_path, public_url=public)
    if request.param == "api":
        server = api_server(tmp_path, public_url=public, api_key_secret=TOKEN)
    async with serving(server) as served:
        yield served


@pytest.fixture
async def open_url(tmp_path: Path, anyio_backend: str) -> AsyncIterator[str]:
    """A server that needs no token, since it has no key to lend."""
    async with (
        serving(api_server(tmp_path)) as api,
        serving(http_server(tmp_path, mcp_token=None, api_url=api)) as served,
    ):
        yield served


@pytest.fixture(params=["itself", "api"])
async def keyless(
    request: pytest.FixtureRequest, tmp_path: Path, open_url: str
) -> AsyncIterator[str]:
    """The MCP server by itself, and the one of an API, without any key."""
    if request.param == "itself":
        yield open_url
        return
    async with serving(api_server(tmp_path / "other")) as served:
        yield served


async def status(url: str, token: str | None = TOKEN, **headers: str) -> int:
    async with caller(url, token, **headers) as http:
        return (await http.post("/mcp", json=LIST)).status_code


@pytest.mark.parametrize(
    "authorization",
    [
        "",
        "Bearer",
        f"Bearer {TOKEN}x",
        f"Bearer {TOKEN[:-1]}",
        f"Bearer {TOKEN} {TOKEN}",
        f"Bearer {TOKEN}, Bearer {TOKEN}",
        f"Basic {TOKEN}",
        TOKEN,
        f"Token {TOKEN}",
        f"Bearer {TOKEN.upper()}",
        "Bearer täst",
    ],
)
async def test_request_without_the_token_is_refused_without_a_hint(
    url: str, authorization: str
) -> None:
    async with caller(url, token=None) as http:
        sent = authorization.encode("latin-1")
        answer = await http.post("/mcp", json=LIST, headers=[(b"Authorization", sent)])

    assert (answer.status_code, answer.json()) == (401, UNAUTHORIZED)
    assert answer.headers["WWW-Authenticate"] == "Bearer"


async def test_token_counts_only_in_its_header(url: str) -> None:
    async with caller(url, token=None) as http:
        places = [
            await http.post(f"/mcp?token={TOKEN}&access_token={TOKEN}", json=LIST),
            await http.post("/mcp", json=LIST, headers={"X-API-Key": TOKEN}),
            await http.post("/mcp", json=LIST, headers={"Cookie": f"token={TOKEN}"}),
        ]

    assert [answer.status_code for answer in places] == [401] * 3


async def test_two_headers_with_a_token_are_refused(url: str) -> None:
    async with caller(url, token=None) as http:
        bearer = (b"Authorization", f"Bearer {TOKEN}".encode())
        answer = await http.post("/mcp", json=LIST, headers=[bearer, bearer])

    assert answer.status_code == 401


@pytest.mark.parametrize("scheme", ["bearer", "BEARER", "Bearer "])
async def test_scheme_is_read_in_any_case(url: str, scheme: str) -> None:
    assert await status(url, None, Authorization=f"{scheme} {TOKEN}") == 200


async def test_wrong_tokens_are_refused_before_the_body_is_read(url: str) -> None:
    async with caller(url, "wrong") as http:
        answer = await http.post("/mcp", content=b"x" * (MOST_BYTES + 1))

    assert answer.status_code == 401


async def test_wrong_tokens_that_keep_coming_are_delayed_and_not_logged(
    url: str, caplog: pytest.LogCaptureFixture
) -> None:
    with anyio.fail_after(PATIENCE_S):
        async with caller(url, "wrong-token") as http, anyio.create_task_group() as tasks:
            for _ in range(WARN_AT):
                tasks.start_soon(partial(http.post, "/mcp", json=LIST))
            # It is logged before they wait.
            while not caplog.messages:
                await anyio.lowlevel.checkpoint()
            tasks.cancel_scope.cancel()

    assert caplog.messages == ["Wrong keys keep coming from this machine: answers are delayed"]


@pytest.mark.parametrize(
    "origin",
    [
        "null",
        "",
        "http://evil.example.com",
        "https://loopin.example.com.evil.example.com",
        "http://127.0.0.1",
        "http://127.0.0.1:1",
        "http://localhost:8080",
        "file://",
        "vscode-webview://abc",
        "http://[",
    ],
)
async def test_web_page_of_another_origin_is_refused_even_with_the_token(
    url: str, origin: str
) -> None:
    async with caller(url, Origin=origin) as http:
        answer = await http.post("/mcp", json=LIST)

    assert (answer.status_code, answer.json()) == (403, FOREIGN)


async def test_page_that_was_rebound_to_the_server_is_refused(url: str) -> None:
    rebound = {"Host": "evil.example.com", "Origin": "http://evil.example.com"}

    assert await status(url, **rebound) == 403


async def test_own_origin_is_served(url: str) -> None:
    assert await status(url, Origin=url) == 200
    assert await status(url, Origin="https://loopin.example.com") == 200


async def test_names_of_this_machine_and_the_public_one_are_served(url: str) -> None:
    names = ["loopin.example.com", "LOOPIN.example.com:443", "localhost:3003", "[::1]"]

    assert [await status(url, Host=name) for name in names] == [200] * 4


OTHER_NAMES = ["evil.example.com", "evil.example.com:3003", "127.0.0.1.nip.io", "10.0.0.1", ""]


@pytest.mark.parametrize("token", [TOKEN, "wrong", None])
async def test_other_host_names_are_refused_with_the_remedy_whatever_the_token(
    url: str, token: str | None
) -> None:
    async with caller(url, token) as http:
        answers = [
            await http.post("/mcp", json=LIST, headers={"Host": name}) for name in OTHER_NAMES
        ]

    assert [(answer.status_code, answer.json()) for answer in answers] == [(421, MISDIRECTED)] * 5


async def test_other_host_names_are_refused_if_no_token_is_needed(keyless: str) -> None:
    async with caller(keyless, token=None) as http:
        answers = [
            await http.post("/mcp", json=LIST, headers={"Host": name}) for name in OTHER_NAMES
        ]

    assert [(answer.status_code, answer.json()) for answer in answers] == [(421, MISDIRECTED)] * 5


async def test_server_for_other_machines_is_served_under_plain_addresses_too() -> None:
    public = "https://loopin.example.com"
    door, rule = Door(Keys(TOKEN, {}), epoch_ms), host_rule("192.0.2.1", public)
    front = MCPFront(Response(), Response(), door, rule, public, Limits())
    names = ["10.0.0.1:3003", "[2001:db8::1]", socket.gethostname(), "loopin.svc.cluster.local"]
    async with httpx.AsyncClient(transport=httpx.ASGITransport(front), base_url=public) as http:
        http.headers["Authorization"] = f"Bearer {TOKEN}"
        found = [await http.post("/mcp", headers={"Host": name}) for name in (*names, "")]
        public_name = await http.post("/mcp")

    assert [answer.status_code for answer in found] == [200, 200, 200, 421, 421]
    assert public_name.status_code == 200


@pytest.mark.parametrize("host", ["localhost:3003", "127.0.0.1", "[::1]:3003"])
async def test_names_of_this_machine_need_no_token_if_there_is_no_key(
    keyless: str, host: str
) -> None:
    assert await status(keyless, token=None, Host=host, Origin=f"http://{host}") == 200


async def test_page_of_another_program_on_this_machine_is_refused_without_a_token_too(
    keyless: str,
) -> None:
    assert await status(keyless, token=None, Origin="http://localhost:8080") == 403


async def test_token_that_is_not_needed_does_not_matter(keyless: str) -> None:
    listing = {"name": "list_pending_interrupts", "arguments": {"userId": "u"}}
    async with caller(keyless, token=None) as http:
        answers = [
            await http.post(
                "/mcp",
                json=request("tools/call", listing),
                headers=[(b"Authorization", f"Bearer {token}".encode("latin-1"))],
            )
            for token in ("nonsense", "täst", "two words", "x" * 8000)
        ]

    assert ['"count":0' in answer.text.replace("\\", "") for answer in answers] == [True] * 4


@pytest.mark.parametrize("method", ["GET", "DELETE", "PUT", "OPTIONS", "HEAD"])
async def test_there_is_nothing_to_read_or_to_delete(url: str, method: str) -> None:
    async with caller(url) as http:
        answer = await http.request(method, "/mcp")

    assert (answer.status_code, answer.headers["Allow"]) == (405, "POST")


async def test_health_needs_no_token(url: str) -> None:
    async with caller(url, token=None) as http:
        answer = await http.get("/health")

    assert answer.json()["status"] == "ok"
    assert answer.json()["service"] in ("loopin-mcp", "loopin-api")


async def test_server_answers_nothing_but_mcp_and_its_health(tmp_path: Path) -> None:
    async with serving(http_server(tmp_path)) as url, caller(url) as http:
        lost = [await http.post(path) for path in ("/", "/mcp/", "/mcp/x", "/interrupts")]
        changed = await http.delete("/health")
        asked = await http.head("/health")

    assert [answer.status_code for answer in lost] == [404] * 4
    assert (changed.status_code, changed.headers["Allow"]) == (405, "GET, HEAD")
    assert (asked.status_code, asked.content) == (200, b"")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"\xff",
        b"[" * 100_000,
        b"null",
        b"[]",
        json.dumps([LIST, LIST]).encode(),
        b'{"jsonrpc":"1.0","id":1,"method":"tools/list"}',
    ],
    ids=["empty", "cut", "binary", "deep", "null", "no batch", "batch", "version"],
)
@pytest.mark.parametrize("era", [LEGACY, MODERN])
async def test_body_that_is_not_one_message_is_refused(url: str, body: bytes, era: str) -> None:
    async with caller(url, **{"MCP-Protocol-Version": era}) as http:
        answer = await http.post("/mcp", content=body)

    assert answer.status_code == 400
    assert answer.json()["error"]["code"] in (-32700, -32600, -32602)


@pytest.mark.parametrize(
    ("context", "fault"),
    [
        ('{"a":1,"a":2}', 'The body names "a" twice in one object: send each name once.'),
        ('{"a":12345678901234567890.5}', "The body has the number 12345678901234567890.5, which"),
        ('{"a":NaN}', "The body is not valid JSON: "),
        ('{"a":"\\ud800"}', "The body is not valid JSON: "),
    ],
)
@pytest.mark.parametrize("era", [LEGACY, MODERN])
async def test_values_that_a_human_might_see_differently_are_refused(
    url: str, era: str, context: str, fault: str
) -> None:
    arguments = {"action": "Pay", "context": "CONTEXT", "userId": "u", "agentId": "a"}
    new = request("tools/call", {"name": "create_interrupt", "arguments": arguments}, era=era)
    body = json.dumps(new).replace('"CONTEXT"', context)
    named = {"Mcp-Method": "tools/call", "Mcp-Name": "create_interrupt"}
    async with caller(url, **{"MCP-Protocol-Version": era}, **named) as http:
        answer = await http.post("/mcp", content=body)

    assert answer.status_code == 400
    error = answer.json()["error"]
    assert (error["code"], error["message"][: len(fault)]) == (-32700, fault)


async def test_body_in_another_encoding_is_refused(url: str) -> None:
    async with caller(url) as http:
        answer = await http.post("/mcp", content=json.dumps(LIST).encode("utf-16"))

    assert answer.status_code == 400


async def test_oversize_body_is_refused(url: str) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(1025):
            yield b"x" * 1024

    async with caller(url) as http:
        measured = await http.post("/mcp", content=b"x" * (MOST_BYTES + 1))
        chunked = await http.post("/mcp", content=pieces())
        after = await http.post("/mcp", json=LIST)

    assert (measured.status_code, chunked.status_code, after.status_code) == (413, 413, 200)


async def test_largest_interrupt_fits(url: str) -> None:
    context = {"text": "ä" * 30_000}
    arguments = {"action": "Pay", "context": context, "userId": "u", "agentId": "a"}
    async with caller(url) as http:
        new = request("tools/call", {"name": "create_interrupt", "arguments": arguments})
        answer = await http.post("/mcp", json=new)

    assert '"status":"pending"' in answer.text.replace('\\"', '"')


@pytest.mark.parametrize(
    ("headers", "refused"),
    [
        ({"Content-Type": "text/plain"}, 400),
        ({"Accept": "text/html"}, 406),
        ({"MCP-Protocol-Version": "1999-01-01"}, 400),
    ],
)
async def test_headers_that_the_protocol_forbids_are_refused(
    url: str, headers: dict[str, str], refused: int
) -> None:
    assert await status(url, **headers) == refused


async def test_head_that_is_too_large_is_refused(url: str) -> None:
    assert await status(url, **{"X-Padding": "x" * 40_000}) == 431


async def test_unknown_method_and_notification_are_answered(url: str) -> None:
    async with caller(url) as http:
        unknown = await http.post("/mcp", json=request("nonsense/method"))
        told = {"jsonrpc": "2.0", "method": "notifications/initialized"}
        notified = await http.post("/mcp", json=told)

    assert "Method not found: nonsense/method." in unknown.text
    assert notified.status_code == 202


async def test_api_takes_no_bearer_token_outside_of_mcp(tmp_path: Path) -> None:
    async with serving(api_server(tmp_path, api_key_secret=TOKEN)) as url, caller(url) as http:
        answer = await http.get("/interrupts/pending/u")

    assert answer.status_code == 401
