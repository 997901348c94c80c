"""The client's key appears in no error and no tool result, whatever the server sends."""

import asyncio
import json
import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

import anyio
import pytest
from mcp import Client
from pydantic import ValidationError

from loopin_mcp import LoopinClient, LoopinError, NewInterrupt
from loopin_mcp.mcp_server.tools import create_server
from loopin_mcp.settings.settings import TOOLS, Settings
from tests.support import PATIENCE_S, new_interrupt
from tests.support.client import READS, WRITES, Call, Naps
from tests.support.secrets import AGENTS_KEY, CALLBACK_URL, LONG, MARK, all_of, shows_secret
from tests.support.server import in_each_era, refusal

CALLS: list[Call] = [*READS, *WRITES, lambda client: client.wait_for_decision("int-1", 60)]
VERDICT = {"interruptId": "int-1", "decision": "approved"}
ARGUMENTS: dict[str, dict[str, Any]] = {
    "create_interrupt": {"action": "Pay", "context": {}, "userId": "u"},
    "get_interrupt_status": {"interruptId": "int-1"},
    "list_pending_interrupts": {"userId": "u"},
    "decide_interrupt": VERDICT,
    "cancel_interrupt": {"interruptId": "int-1"},
    "get_interrupt_analytics": {"userId": "u"},
}

Echo = Callable[[str], str]


def answer(status: int, body: str, *headers: str) -> str:
    lines = [f"HTTP/1.1 {status} Said", f"Content-Length: {len(body)}", "Connection: close"]
    return "\r\n".join([*lines, *headers, "", body])


def said(status: int) -> Echo:
    return lambda key: answer(
        status, json.dumps({"error": f"{key} is no key, '{key}'"}), f"X-Key: {key}"
    )


ECHOES: dict[str, Echo] = {
    **{f"{status}": said(status) for status in (400, 401, 403, 404, 409, 413, 422, 429, 500, 503)},
    "no HTTP": lambda key: f"{key}\r\n\r\n",
    "its reason": lambda key: f"HTTP/1.1 200 {key}\r\nContent-Length: 0\r\n\r\n",
    "status": lambda key: f"HTTP/1.1 {key} OK\r\n\r\n",
    "header": lambda key: f"HTTP/1.1 200 OK\r\n{key}\r\n\r\n",
    "length": lambda key: f"HTTP/1.1 200 OK\r\nContent-Length: {key}\r\n\r\n",
    "chunk": lambda key: f"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{key}\r\n\r\n",
    "cut": lambda key: f"HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n{key}",
    "page": lambda key: answer(200, f"<h1>{key}</h1>", f"Content-Type: text/{key}"),
    "compressed": lambda key: answer(200, key, f"Content-Encoding: {key}"),
    "broken JSON": lambda key: answer(200, f'{{"interruptId": "{key}'),
    "other JSON": lambda key: answer(200, json.dumps({"interruptId": {key: key}, "status": [key]})),
    "moved": lambda key: answer(302, "", f"Location: https://{key}:{key}@{key}/{key}?{key}#{key}"),
    "moved on": lambda key: answer(307, "", f"Location: http://127.0.0.1:{key}/"),
    "later": lambda key: answer(503, "", f"Retry-After: {key}"),
}


@asynccontextmanager
async def echoing(echo: Echo) -> AsyncIterator[str]:
    """A server that answers with the key it was sent; yields its URL."""

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):
            shown = re.search(rb"X-API-Key: (\S+)", await reader.read(65_536))
            writer.write(echo(shown[1].decode() if shown else MARK).encode())
            await writer.drain()
        writer.close()

    with anyio.fail_after(PATIENCE_S):
        async with await asyncio.start_server(connected, "127.0.0.1", 0) as server:
            yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


@pytest.mark.parametrize("echo", ECHOES)
async def test_server_that_sends_the_key_back_has_it_shown_nowhere(echo: str, naps: Naps) -> None:
    failures: list[LoopinError] = []

    async with echoing(ECHOES[echo]) as url, LoopinClient(url, AGENTS_KEY, sleep=naps) as client:
        for call in CALLS:
            with pytest.raises(LoopinError) as failure:
                await call(client)
            failures.append(failure.value)

    assert len(failures) == len(CALLS)
    assert [text for failure in failures if shows_secret(text := all_of(failure))] == []


async def test_key_is_not_shown_where_there_is_no_tls(naps: Naps) -> None:
    async with echoing(lambda key: key) as url:
        secure = url.replace("http:", "https:")
        async with LoopinClient(secure, AGENTS_KEY, sleep=naps) as client:
            with pytest.raises(LoopinError) as failure:
                await client.get_interrupt_status("int-1")

    assert not shows_secret(all_of(failure.value))


@in_each_era
async def test_no_tool_tells_the_key_that_a_server_sends_back(era: str) -> None:
    async with echoing(said(500)) as url:
        settings = Settings.load({"LOOPIN_API_URL": url, "LOOPIN_API_KEY": AGENTS_KEY})
        async with Client(create_server(settings), mode=era) as mcp:
            texts = [await refusal(mcp, name, **ARGUMENTS[name]) for name in TOOLS]

    assert all(text.startswith("[key] is no key, '[key]'. ") for text in texts)
    assert not shows_secret("".join(texts))


@in_each_era
@pytest.mark.parametrize("url", [f"ftp://{MARK}:{LONG}@x", f"{CALLBACK_URL} {MARK}", LONG * 100])
async def test_callback_url_that_cannot_be_used_is_refused_and_not_shown(
    era: str, url: str
) -> None:
    async with Client(create_server(Settings()), mode=era) as mcp:
        arguments = ARGUMENTS["create_interrupt"] | {"callbackUrl": url}
        text = await refusal(mcp, "create_interrupt", **arguments)
    with pytest.raises(ValidationError) as failure:
        new_interrupt(callback_url=url)
    with pytest.raises(ValidationError) as other_failure:
        NewInterrupt.model_validate_json(json.dumps({"callbackUrl": url, "action": [url]}) + url)

    assert text.startswith("callbackUrl must be ")
    assert not shows_secret(text + all_of(failure.value) + all_of(other_failure.value))


async def test_request_that_cannot_be_made_shows_no_key() -> None:
    async with LoopinClient("http://127.0.0.1:1", AGENTS_KEY) as client:
        with pytest.raises(LoopinError) as failure:
            await client.list_pending_interrupts("u" * 100_000)

    assert not shows_secret(all_of(failure.value))
