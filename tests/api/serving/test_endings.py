"""The end of requests in flight: only those whose responses have not begun get one."""

import asyncio

import pytest
from starlette.types import Message, Receive, Scope, Send

from loopin_mcp.api.serving.uvicorn_server import Endings

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize(("begins", "statuses"), [(True, [200]), (False, [503])])
async def test_response_that_has_begun_is_not_answered_again(
    statuses: list[int], *, begins: bool
) -> None:
    waits, sent = asyncio.Event(), list[Message]()

    async def app(_scope: Scope, _receive: Receive, send: Send) -> None:
        if begins:
            await send({"type": "http.response.start", "status": 200, "headers": []})
        waits.set()
        await asyncio.Event().wait()

    async def receive() -> Message:
        raise AssertionError

    async def send(message: Message) -> None:
        sent.append(message)

    endings = Endings()
    request = asyncio.ensure_future(endings.over(app)({"type": "http"}, receive, send))
    await waits.wait()
    endings.end_all()
    if begins:
        request.cancel()
    await asyncio.wait([request])

    assert [message["status"] for message in sent if "status" in message] == statuses
    assert request.cancelled() == begins
