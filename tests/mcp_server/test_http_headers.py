"""Headers of MCP over HTTP that clients of Python refuse to send."""

import json
from pathlib import Path

import anyio

from tests.support.host import MODERN
from tests.support.over_http import TOKEN, http_server, request, serving
from tests.support.sockets import Raw


async def test_blanks_around_a_value_are_no_part_of_it(tmp_path: Path) -> None:
    called = {"name": "get_interrupt_analytics", "arguments": {}}
    body = json.dumps(request("tools/call", called, era=MODERN))
    head = [
        "POST /mcp HTTP/1.1",
        "Host: 127.0.0.1",
        f"Authorization: Bearer {TOKEN}",
        "Accept: application/json, text/event-stream",
        "Content-Type: application/json",
        f"Content-Length: {len(body)}",
        f"MCP-Protocol-Version: \t{MODERN} ",
        "Mcp-Method:   tools/call\t",
        "Mcp-Name: get_interrupt_analytics  ",
    ]
    async with serving(http_server(tmp_path)) as url:
        stream = await anyio.connect_tcp("127.0.0.1", int(url.rpartition(":")[2]))
        async with stream:
            raw = await Raw(stream).send("\r\n".join([*head, "", body]).encode())
            answer = await raw.head()

    assert answer.startswith("HTTP/1.1 200 OK"), answer
