"""Sends callbacks: their body, their signature, and one attempt."""

import base64
import hashlib
import hmac
from typing import get_args

import anyio
import anyio.to_thread
import httpx

from loopin_mcp.api.audit.events import CallbackEnd, outcome_of
from loopin_mcp.api.audit.trail import Trail
from loopin_mcp.api.outbox.delivery import (
    NotDueError,
    NotSentError,
    continue_trace,
    require_trusted,
)
from loopin_mcp.api.outbox.destinations import DestinationError
from loopin_mcp.api.store.deliveries import Delivery, Outcome
from loopin_mcp.api.store.store import Store
from loopin_mcp.errors import NotFoundError
from loopin_mcp.telemetry.spans import in_span
from loopin_mcp.telemetry.traces import current_trace
from loopin_mcp.wire.hosts import host_of

SEND_S = 10.0
# How much of a response is read, so that the receiver can finish sending it.
MOST_READ_BYTES = 64 * 1024
# The fields of an interrupt that its callback has.
_FIELDS = {
    "interrupt_id",
    "status",
    "decision",
    "decided_at",
    "reason",
    "modified_params",
    "events_head",
}


class CallbackSender:
    """Sends the callbacks of a store, signed with `secret`, without following redirects."""

    name = "Callback"

    def __init__(
        self, store: Store, http: httpx.AsyncClient, secret: bytes | None, send_s: float = SEND_S
    ) -> None:
        self._store = store
        self._http = http
        self._secret = secret
        self._send_s = send_s

    def place_of(self, delivery: Delivery) -> str:
        """See `Sender.place_of`: only the host, since the URL may hold secrets."""
        return delivery.host

    async def send(self, delivery: Delivery) -> Outcome | None:
        """See `Sender.send`."""
        try:
            interrupt, trail = await self._store.get_trail(delivery.interrupt_id)
        except NotFoundError:
            raise NotDueError("the interrupt does not exist") from None
        continue_trace(trail)
        url, head = await anyio.to_thread.run_sync(_due, trail, delivery)
        outcome = interrupt.model_copy(update={"events_head": head})
        body = outcome.model_dump_json(by_alias=True, include=_FIELDS).encode()
        await self._post(url, head, body)
        return "callback-delivered", {"tries": delivery.tries}

    async def _post(self, url: str, message_id: str, body: bytes) -> None:
        """Post once.

        Raises:
            NotSentError: It was not taken.
        """
        timestamp_s = self._store.clock() // 1000
        headers = signed_headers(self._secret, message_id, timestamp_s, body)
        headers["Content-Type"] = "application/json"
        status = None
        try:
            with (
                in_span("callback", "client", current_trace()) as trace,
                anyio.move_on_after(self._send_s),
            ):
                headers |= trace.headers if trace else {}
                async with self._http.stream("POST", url, headers=headers, content=body) as answer:
                    status = answer.status_code
                    await _read_some(answer)
        # No error of one receiver may affect the callbacks of others.
        except Exception as error:
            if status is None:
                raise NotSentError(reason_of(error)) from None
        if status is None:
            raise NotSentError(f"no answer within {self._send_s:g} seconds")
        if not 200 <= status < 300:
            raise NotSentError(fault_of_answer(status), status)


def fault_of_answer(status: int) -> str:
    """What is wrong with the answer of a receiver, and what to do if it redirects."""
    fault = f"the receiver answered {status}"
    if 300 <= status < 400:
        fault += ", a redirect, which is not followed: give the address that it leads to as the "
        fault += "callbackUrl"
    return fault


def _due(trail: Trail, delivery: Delivery) -> tuple[str, str]:
    """The URL of an interrupt's callback, and the hash of the event that it reports.

    Only the interrupt counts: anyone who can write the database can make up a delivery.

    Raises:
        NotDueError: By the trail there is nothing to report there.
        NotSentError: The trail cannot be checked with the present keys.
    """
    require_trusted(trail)
    outcome, url = outcome_of(trail.events), trail.row["callback_url"]
    if outcome is None or outcome.type == "cancelled" or url is None:
        raise NotDueError("the interrupt has nothing to report")
    if any(event.type in get_args(CallbackEnd) for event in trail.events):
        raise NotDueError("it has been sent or given up before")
    if delivery.host != (host_of(str(url)) or "-"):
        raise NotDueError("its host is not that of the interrupt")
    return str(url), outcome.hash


def signed_headers(
    secret: bytes | None, message_id: str, timestamp_s: int, body: bytes
) -> dict[str, str]:
    """The Standard Webhooks headers of one attempt, with a signature if there is a secret.

    `message_id` is the same in all attempts. See https://www.standardwebhooks.com.
    """
    headers = {"webhook-id": message_id, "webhook-timestamp": str(timestamp_s)}
    if secret is None:
        return headers
    content = b"%s.%d.%s" % (message_id.encode(), timestamp_s, body)
    signature = base64.b64encode(hmac.digest(secret, content, hashlib.sha256)).decode()
    return headers | {"webhook-signature": f"v1,{signature}"}


async def _read_some(answer: httpx.Response) -> None:
    read = 0
    async for part in answer.aiter_raw():
        read += len(part)
        if read > MOST_READ_BYTES:
            return


def reason_of(error: Exception) -> str:
    """Why there was no response; only the type of an error that may quote the URL."""
    if isinstance(error, DestinationError):
        return f"it {error}"
    if isinstance(error, OSError | httpx.ConnectError):
        return str(error)
    return type(error).__name__
