"""Sends Web Push to the devices of reviewers."""

import hmac
import uuid
from base64 import urlsafe_b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256

import anyio
import anyio.to_thread
import httpx
from pydantic_core import to_json

from loopin_mcp.api.access.keys import Keys
from loopin_mcp.api.database.steps import Steps
from loopin_mcp.api.outbox.callbacks import reason_of
from loopin_mcp.api.outbox.delivery import NotSentError
from loopin_mcp.api.outbox.destinations import DestinationError, Destinations, callback_client
from loopin_mcp.api.outbox.inert_text import inert
from loopin_mcp.api.outbox.web_push import VapidKeys, encrypted, is_installed
from loopin_mcp.api.store.browsers.devices import DeviceRow, count_stored
from loopin_mcp.api.store.store import Store
from loopin_mcp.errors import InvalidRequestError, NotFoundError
from loopin_mcp.version import HOME_PAGE
from loopin_mcp.wire.models import Interrupt
from loopin_mcp.wire.plain_text import quoted

SEND_S = 10.0
CHECK_S = 2.0
LONGEST_ENDPOINT = 2000
# What fits into a notification; the review page has the full text.
LONGEST_ACTION = 200
LONGEST_NAME = 60
_TEST_S = 300
_URGENCY = {"high": "high", "medium": "normal", "low": "low"}
# By these a push service says that the subscription has ended.
_ENDED = (404, 410)


@dataclass(frozen=True)
class Subscription:
    """A browser's subscription; `server_key` is the public key that it was made with."""

    endpoint: str
    p256dh: str
    auth: str
    server_key: str


@dataclass(frozen=True)
class Push:
    """A message to a device, and how its push service is to treat it."""

    message: Mapping[str, object]
    topic: str
    lasts_s: int
    urgency: str = "high"


class Pushes:
    """The devices of reviewers, and the pushes to them.

    The seal of a device is made with a key derived from its reviewer's own. So a device ends with
    that key, and nobody can add one by writing to the database.
    """

    def __init__(
        self,
        store: Store,
        keys: Keys,
        vapid: VapidKeys,
        destinations: Destinations,
        send_s: float = SEND_S,
    ) -> None:
        self.is_installed = is_installed()
        self._store = store
        self._rows = store.devices
        self._vapid = vapid
        self._destinations = destinations
        self._send_s = send_s
        self._http: httpx.AsyncClient | None = None
        self._sealing_keys = {
            name: keys.signing_key(name, f"loopin-mcp device\n{name}") for name in keys.deciders
        }
        self._needs_key = bool(keys.deciders)

    async def public_key(self) -> str:
        """The key that browsers subscribe with."""
        # The libraries take time to load.
        return await anyio.to_thread.run_sync(lambda: self._vapid.public_key)

    async def add(self, subject: str, name: str, subscription: Subscription) -> str:
        """Store a device of this name; returns its id.

        Raises:
            InvalidRequestError: No push can be sent to this subscription.
            ConflictError: The subject has too many devices.
        """
        await self._check(subscription)
        device_id = uuid.uuid4().hex
        parts = (subscription.endpoint, subscription.p256dh, subscription.auth)
        seal = self._seal(subject, device_id, name, *parts, subscription.server_key)
        row = DeviceRow(
            device_id,
            subject,
            name,
            *parts,
            subscription.server_key,
            seal,
            urgent_only=0,
            added_ms=self._store.clock(),
        )
        await self._rows.add(row)
        return device_id

    async def list_of(self, subject: str) -> Sequence[DeviceRow]:
        """The devices of a subject to which pushes are sent."""
        return [row for row in await self._rows.list_of(subject) if self._is_sealed(row)]

    async def get(self, subject: str, device_id: str) -> DeviceRow:
        """A device of a subject.

        Raises:
            NotFoundError: They have no such device.
        """
        row = await self._rows.get(device_id)
        if row is None or row.subject != subject or not self._is_sealed(row):
            raise NotFoundError("You have no such device")
        return row

    async def find(self, device_id: str) -> DeviceRow | None:
        """A device, or None. One whose reviewer is gone is removed."""
        row = await self._rows.get(device_id)
        if row is not None and not self._is_sealed(row):
            await self._rows.remove(device_id)
            return None
        return row

    async def send(self, row: DeviceRow, push: Push) -> bool:
        """Send a push to a device; false if it has ended its subscription, and is removed.

        Raises:
            NotSentError: It failed, or took too long.
        """
        try:
            await self._send(row, push)
        except NotSentError as error:
            if error.answered in _ENDED:
                await self._rows.remove(row.device_id)
                return False
            await self._rows.note_failed(row.device_id, self._store.clock(), str(error))
            raise
        await self._rows.note_sent(row.device_id, self._store.clock())
        return True

    async def send_test(self, row: DeviceRow) -> bool:
        """Send a test; see `send`."""
        link = f"{self._store.public_url}/notifications"
        message = {"id": "test", "title": "LoopIn test", "action": "It works.", "link": link}
        return await self.send(row, Push(message, "test", _TEST_S))

    async def aclose(self) -> None:
        """Release all connections."""
        http, self._http = self._http, None
        if http is not None:
            await http.aclose()

    async def _send(self, row: DeviceRow, push: Push) -> None:
        if self._http is None:
            self._http = callback_client(self._destinations)
        status = None
        try:
            body, signed = await anyio.to_thread.run_sync(self._encrypted, row, push)
            headers = {
                "Authorization": signed,
                "Content-Encoding": "aes128gcm",
                "Content-Type": "application/octet-stream",
                "TTL": str(push.lasts_s),
                "Urgency": push.urgency,
                "Topic": urlsafe_b64encode(sha256(push.topic.encode()).digest()[:24]).decode(),
            }
            with anyio.move_on_after(self._send_s):
                post = self._http.stream("POST", row.endpoint, headers=headers, content=body)
                async with post as answer:
                    status = answer.status_code
        # No error of one device may affect the others, and it may quote the endpoint.
        except Exception as error:
            raise NotSentError(reason_of(error)) from None
        if status is None:
            raise NotSentError(f"no answer within {self._send_s:g} seconds")
        if not 200 <= status < 300:
            raise NotSentError(f"the push service answered {status}", status)

    def _encrypted(self, row: DeviceRow, push: Push) -> tuple[bytes, str]:
        """The encrypted message, and the header that signs it."""
        if not self._vapid.knows(row.server_key):
            raise DestinationError("its key is another one: turn notifications on again there")
        public_url = self._store.public_url
        contact = public_url if public_url.startswith("https://") else HOME_PAGE
        now_s = self._store.clock() // 1000
        signed = self._vapid.authorization(row.server_key, row.endpoint, contact, now_s)
        return encrypted(to_json(push.message), row.p256dh, row.auth), signed

    async def _check(self, subscription: Subscription) -> None:
        """Refuse a subscription to which no push can be sent.

        Raises:
            InvalidRequestError: It cannot be used.
        """
        endpoint, keys = subscription.endpoint, (subscription.p256dh, subscription.auth)
        if len(endpoint) > LONGEST_ENDPOINT or not endpoint.isprintable():
            raise InvalidRequestError("The address of the push service cannot be used")
        try:
            with anyio.move_on_after(CHECK_S):
                await self._destinations.addresses_of(httpx.URL(endpoint))
        except OSError:
            # It is looked up again for every push.
            pass
        except (DestinationError, httpx.InvalidURL):
            raise InvalidRequestError("The address of the push service cannot be used") from None
        try:
            await anyio.to_thread.run_sync(encrypted, b"", *keys)
        except ValueError:
            raise InvalidRequestError("These are not the keys of a subscription") from None
        if subscription.server_key != await self.public_key():
            raise InvalidRequestError("It was made with an earlier key: reload the page")

    def _is_sealed(self, row: DeviceRow) -> bool:
        parts = (row.device_id, row.name, row.endpoint, row.p256dh, row.auth, row.server_key)
        seal = self._seal(row.subject, *parts)
        # Texts would have to be ASCII.
        return bool(seal) and hmac.compare_digest(seal.encode(), row.seal.encode())

    def _seal(self, subject: str, *parts: str) -> str:
        """Empty if the subject may not decide. Without keys, everyone may."""
        key = self._sealing_keys.get(subject, b"")
        if self._needs_key and not key:
            return ""
        return hmac.new(key, to_json(parts), "sha256").hexdigest()


def count_devices() -> Steps[int]:
    """How many devices get pushes; none without the extra `notify`."""
    return (yield from count_stored()) if is_installed() else 0


def push_of(interrupt: Interrupt, now: int, *, is_reminder: bool) -> Push:
    """The push of an interrupt, in which an agent cannot forge anything.

    A later one of the same interrupt replaces it, if it still waits at the push service.
    """
    assert interrupt.expires_at is not None
    expires_ms = round(interrupt.expires_at.timestamp() * 1000)
    message = {
        "id": interrupt.interrupt_id,
        "title": "Approval still needed" if is_reminder else "Approval needed",
        "action": _short(interrupt.action, LONGEST_ACTION),
        "agent": _short(interrupt.agent_id or "", LONGEST_NAME),
        "urgency": interrupt.urgency,
        "expiresMs": expires_ms,
        "link": interrupt.review_url,
    }
    lasts_s = max(0, (expires_ms - now) // 1000)
    return Push(message, interrupt.interrupt_id, lasts_s, _URGENCY[interrupt.urgency or "medium"])


def _short(text: str, at_most: int) -> str:
    # The text itself has no backticks any more.
    return quoted(text, at_most, inert).replace("`", "")
