"""The channels of notifications, from LOOPIN_NOTIFY and LOOPIN_NOTIFY_HIGH."""

import hashlib
import os
import re
from dataclasses import dataclass
from functools import partial

import anyio.to_thread

from loopin_mcp.api.outbox.apprise_service import Message, Service, load_services
from loopin_mcp.api.outbox.delivery import AT_ONCE_EACH, NotSentError
from loopin_mcp.api.outbox.threads import in_daemon_thread
from loopin_mcp.api.store.outbox import ChannelDigests
from loopin_mcp.settings.settings import Settings
from loopin_mcp.wire.plain_text import counted

# The time limit of one message.
SEND_S = 15.0

_SEPARATOR = re.compile(r"[\s,;]+(?=[A-Za-z0-9]{1,32}://)")
# Slows down guessing a password in an Apprise URL from the digest in the database.
_DIGEST_ROUNDS = 100_000


class Channel:
    """A destination of notifications. `label` names it in logs, `digest` in the database."""

    def __init__(self, label: str, digest: str, services: list[Service], send_s: float) -> None:
        self.label = label
        self.digest = digest
        self._send_s = send_s
        # A service sends one message at a time, and returns here after it.
        self._idle = services

    async def send(self, message: Message) -> None:
        """Send a message.

        Raises:
            NotSentError: It failed, or took too long.
        """
        if not self._idle:
            raise NotSentError("earlier messages to it have not ended yet")
        service = self._idle.pop()
        send, at_end = partial(service.send, message), partial(self._idle.append, service)
        fault: str | None = f"it took longer than {self._send_s:g} seconds"
        with anyio.move_on_after(self._send_s):
            try:
                fault = await in_daemon_thread(send, at_end)
            except RuntimeError:
                fault = "this process cannot start more threads"
        if fault:
            raise NotSentError(fault)


@dataclass(frozen=True)
class Channels:
    """The channels of each urgency."""

    ordinary: tuple[Channel, ...]
    high: tuple[Channel, ...]

    @property
    def all(self) -> tuple[Channel, ...]:
        """All channels, without duplicates."""
        return tuple(dict.fromkeys([*self.ordinary, *self.high]))

    @property
    def digests(self) -> ChannelDigests:
        """What the database has of them."""
        ordinary, high = (
            tuple(channel.digest for channel in channels) for channels in (self.ordinary, self.high)
        )
        return ChannelDigests(ordinary, high)


def reached(channels: Channels | None, devices: int) -> str:
    """What notifications reach, in words: "1 channel, 2 devices", or "none"."""
    counts = {"channel": len(channels.all) if channels else 0, "device": devices}
    return ", ".join(counted(count, noun) for noun, count in counts.items() if count) or "none"


async def channels_of(settings: Settings) -> Channels | None:
    """The channels in the settings; see `load_channels`."""
    return await anyio.to_thread.run_sync(load_channels, settings.notify, settings.notify_high)


def load_channels(
    notify: str | None, notify_high: str | None, send_s: float = SEND_S
) -> Channels | None:
    """The channels of LOOPIN_NOTIFY and LOOPIN_NOTIFY_HIGH, or None if neither is set.

    It blocks, since it hashes URLs and imports Apprise.

    Raises:
        ConfigurationError: The extra `notify` is missing, or an entry cannot be used.
    """
    if not notify and not notify_high:
        return None
    known: dict[str, Channel] = {}
    for variable, value in ("LOOPIN_NOTIFY", notify), ("LOOPIN_NOTIFY_HIGH", notify_high):
        for number, url in enumerate(_urls(value), 1):
            if url not in known:
                services = load_services(variable, number, url, AT_ONCE_EACH)
                label = f"entry {number} of {variable} ({services[0].name})"
                known[url] = Channel(label, _digest(url), services, send_s)
    ordinary, high = (
        tuple(dict.fromkeys(known[url] for url in _urls(value))) for value in (notify, notify_high)
    )
    return Channels(ordinary, high or ordinary)


def _urls(value: str | None) -> list[str]:
    """The URLs in a list; separators may also occur within a URL."""
    return [url.strip(" ,;") for url in _SEPARATOR.split(value)] if value else []


def _digest(url: str) -> str:
    return hashlib.pbkdf2_hmac("sha256", os.fsencode(url), b"loopin", _DIGEST_ROUNDS, 12).hex()
