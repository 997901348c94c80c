"""Sends callbacks: their body, their signature, and one attempt."""

import base64
import hashlib
import hmac

import anyio
import httpx

from loopin_mcp.api.outbox.delivery import NotSentError
from loopin_mcp.api.outbox.destinations import DestinationError
from loopin_mcp.api.store.deliveries import Delivery, Outcome
from loopin_mcp.api.store.store import Store
from loopin_mcp.errors import NotFoundError

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
            outcome = await self._store.get_outcome(delivery.interrupt_id)
        except NotFoundError:
            # It was deleted by its age.
            return None
        body = outcome.model_dump_json(by_alias=True, include=_FIELDS).encode()
        if fault := await self._fault_of_post(delivery, body):
            raise NotSentError(fault)
        return "callback-delivered", {"tries": delivery.tries}

    async def _fault_of_post(self, delivery: Delivery, body: bytes) -> str | None:
        """Post once; returns what went wrong, or None."""
        timestamp_s = self._store.clock() // 1000
        headers = signed_headers(self._secret, delivery.delivery_id, timestamp_s, body)
        headers["Content-Type"] = "application/json"
        status = None
        try:
            with anyio.move_on_after(self._send_s):
                async with self._http.stream(
                    "POST", delivery.destination, headers=headers, content=body
                ) as answer:
                    status = answer.status_code
                    await _read_some(answer)
        # No error of one receiver may affect the callbacks of others.
        except Exception as error:
            if status is None:
                return _reason(error)
        if status is None:
            return f"no answer within {self._send_s:g} seconds"
        return None if 200 <= status < 300 else f"the receiver answered {status}"


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


def _reason(error: Exception) -> str:
    """Why there was no response; only the type of an error that may quote the URL."""
    if isinstance(error, DestinationError):
        return f"it {error}"
    if isinstance(error, OSError | httpx.ConnectError):
        return str(error)
    return type(error).__name__
