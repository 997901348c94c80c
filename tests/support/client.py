"""For tests of the client: an address, its answers and calls."""

import json
import ssl
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

import httpx
import respx
from anyio.lowlevel import checkpoint

from loopin_mcp import Decision, LoopinClient
from tests.support import KEY, new_interrupt

URL = "https://loopin.test"
STATUS = f"{URL}/interrupts/int-1"
# Loaded once, since loading all certificates takes longer than a test.
TLS = ssl.create_default_context()
DATE = "Sun, 15 Jun 2025 15:06:40 GMT"
PENDING = {"interruptId": "int-1", "status": "pending", "action": "Pay"}
APPROVED = PENDING | {"status": "approved"}
TRACE = "<!DOCTYPE html><pre>Error: secret<br> at /srv/app/server.js:12</pre>"
NOT_LOOPIN = "which is not an answer of a LoopIn API. Check the address and any proxy before it."
DOUBT = (
    " It is not known whether it took effect: look with list_pending_interrupts or "
    "get_interrupt_status before you call again."
)

Call = Callable[[LoopinClient], Coroutine[Any, Any, object]]
READS: list[Call] = [
    lambda client: client.get_interrupt_status("int-1"),
    lambda client: client.list_pending_interrupts("user-1"),
    lambda client: client.get_interrupt_analytics("user-1"),
    lambda client: client.get_health(),
]
WRITES: list[Call] = [
    lambda client: client.create_interrupt(new_interrupt()),
    lambda client: client.decide_interrupt("int-1", Decision(decision="approved")),
    lambda client: client.cancel_interrupt("int-1"),
]
# Calls without an idempotency key.
KEYLESS = WRITES[1:]
BY_INTERRUPT: list[Callable[[LoopinClient, str], Awaitable[object]]] = [
    lambda client, name: client.get_interrupt_status(name),
    lambda client, name: client.decide_interrupt(name, Decision(decision="approved")),
    lambda client, name: client.cancel_interrupt(name),
]
BY_USER: list[Callable[[LoopinClient, str], Awaitable[object]]] = [
    lambda client, name: client.list_pending_interrupts(name),
    lambda client, name: client.get_interrupt_analytics(name),
]


class Naps:
    """A sleep that returns at once, and remembers the durations."""

    def __init__(self) -> None:
        self.taken: list[float] = []

    async def __call__(self, seconds: float) -> None:
        self.taken.append(seconds)
        await checkpoint()


def answer(body: object, status: int = 200, **headers: str) -> httpx.Response:
    """A JSON answer."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return httpx.Response(status, json=body, headers=named)


def sent(route: respx.Route) -> dict[str, Any]:
    """The last request."""
    request = route.calls.last.request
    headers = ("accept", "accept-encoding", "x-api-key", "content-type")
    return {
        "line": f"{request.method} {request.url}",
        "headers": {name: request.headers[name] for name in headers if name in request.headers},
        "body": json.loads(request.content) if request.content else None,
    }


def asked(line: str) -> dict[str, Any]:
    """A request without a body."""
    headers = {"accept": "application/json", "accept-encoding": "identity", "x-api-key": KEY}
    return {"line": line, "headers": headers, "body": None}


def told(line: str, body: dict[str, Any]) -> dict[str, Any]:
    """A request with a JSON body."""
    request = asked(line)
    headers = request["headers"] | {"content-type": "application/json"}
    return request | {"headers": headers, "body": body}
