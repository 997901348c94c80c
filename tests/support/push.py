"""A browser that subscribed to Web Push: its keys, and how it reads what arrives."""

import json
from base64 import urlsafe_b64encode
from dataclasses import dataclass, field
from typing import Any

import http_ece  # type: ignore[import-untyped]
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from py_vapid import Vapid02  # type: ignore[import-untyped]

from loopin_mcp.api.access.keys import Keys
from loopin_mcp.api.outbox.delivery import Outbox
from loopin_mcp.api.outbox.destinations import Destinations
from loopin_mcp.api.outbox.notifications import NotificationSender
from loopin_mcp.api.outbox.pushes import SEND_S, Pushes, Subscription
from loopin_mcp.api.outbox.web_push import VapidKeys
from loopin_mcp.api.store.outbox import ChannelDigests
from loopin_mcp.api.store.store import Store
from tests.support.receiver import LOOPBACK, Names, NoCallbacks, Received, Receiver
from tests.support.visitors import REVIEWERS

STORED = b"stored"
# Addresses as their own names, as every name server has them.
NUMBERS = ("8.8.8.8", "10.0.0.1", "169.254.169.254", "fe80::1")
AUTH = b"sixteen bytes ok"


def base64url(value: bytes) -> str:
    return urlsafe_b64encode(value).decode().rstrip("=")


@dataclass(frozen=True)
class Device:
    """A browser whose push service is at `url`."""

    url: str
    _key: Any = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))

    @property
    def form(self) -> dict[str, str]:
        """What its script sends of the subscription, without the server's key."""
        point = self._key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
        return {"endpoint": self.url, "p256dh": base64url(point), "auth": base64url(AUTH)}

    def read(self, received: Received) -> Any:  # noqa: ANN401 - whatever came
        """The message in a push that only this browser can read; its sender is proven."""
        assert Vapid02.verify(received.headers["authorization"])
        assert received.headers["content-encoding"] == "aes128gcm"
        assert len(received.body) <= 3 * 1024
        return json.loads(http_ece.decrypt(received.body, private_key=self._key, auth_secret=AUTH))


def device_at(receiver: Receiver, path: str = "push/path-marker") -> Device:
    """A browser whose push service is this receiver."""
    return Device(f"http://127.0.0.1:{receiver.server_port}/{path}")


def pushes_of(
    store: Store,
    reviewers: dict[str, str] | None = None,
    secrets: tuple[str, ...] = ("secret",),
    send_s: float = SEND_S,
) -> Pushes:
    """The pushes of a store, which may go to this machine."""
    keys = Keys(None, REVIEWERS if reviewers is None else reviewers)
    destinations = Destinations(
        LOOPBACK, Names(**{each: [each] for each in NUMBERS}), needs_tls=True
    )
    return Pushes(store, keys, VapidKeys(secrets, STORED), destinations, send_s)


async def subscribe(pushes: Pushes, device: Device, subject: str = "alice") -> str:
    """Add a device of a reviewer; returns its id."""
    subscription = Subscription(**device.form, server_key=await pushes.public_key())
    return await pushes.add(subject, "Chrome on Android", subscription)


def outbox_of(store: Store, pushes: Pushes) -> Outbox:
    """An outbox for the pushes of a store, which has no channels."""
    store.deliveries.channels = ChannelDigests(devices=True)
    return Outbox(store, NoCallbacks(), NotificationSender(store, None, pushes))
