"""The channels that notices go through, each bounded in time and number."""

import asyncio
import contextlib
import hashlib
import os
import re
import threading
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from functools import partial

import anyio.to_thread

from loopin_mcp.api.outbox.apprise_service import Message, Service, load_services
from loopin_mcp.settings.settings import Settings

# How long one message may take.
SEND_S = 15.0
# How long a message waits for its turn, and how many may be under way, in all and to one channel.
TURN_S = 15.0
AT_ONCE = 10
AT_ONCE_EACH = 2

_SEPARATOR = re.compile(r"[\s,;]+(?=[A-Za-z0-9]{1,32}://)")
# Whoever reads the database guesses at a password in an Apprise URL no faster than this.
_DIGEST_ROUNDS = 100_000

Compose = Callable[[], Awaitable[Message | None]]
_Outcome = asyncio.Future[str | None]


class NotSentError(Exception):
    """A message did not arrive; the text says why and holds no secret."""


class BusyError(Exception):
    """A message was not sent, since its turn did not come in time."""


@dataclass(frozen=True)
class Bounds:
    """What all channels keep to: how long one message may take and wait, how many are under way."""

    send_s: float = SEND_S
    turn_s: float = TURN_S
    at_once: asyncio.Semaphore = field(default_factory=partial(asyncio.Semaphore, AT_ONCE))


class Channel:
    """One place that notices go to. `label` names it in logs, `digest` in the database."""

    def __init__(self, label: str, digest: str, services: list[Service], bounds: Bounds) -> None:
        self.label = label
        self.digest = digest
        self._bounds = bounds
        self._idle: asyncio.Queue[Service] = asyncio.Queue()
        self._overdue: set[_Outcome] = set()
        for service in services:
            self._idle.put_nowait(service)

    async def send(self, compose: Compose) -> bool:
        """Send what `compose` gives once it is its turn; false where that is None by then.

        Raises:
            NotSentError: It did not arrive, as far as is known.
            BusyError: Its turn did not come in time.
        """
        if len(self._overdue) == AT_ONCE_EACH:
            raise NotSentError("earlier ones still hang there")
        service = await self._turn()
        message = None
        try:
            message = await compose()
            if message is not None:
                await self._deliver(service, message)
        finally:
            self._bounds.at_once.release()
            if message is None:
                self._idle.put_nowait(service)
        return message is not None

    async def _turn(self) -> Service:
        with anyio.move_on_after(self._bounds.turn_s):
            service = await self._idle.get()
            try:
                await self._bounds.at_once.acquire()
            except BaseException:
                self._idle.put_nowait(service)
                raise
            return service
        raise BusyError("its turn did not come")

    async def _deliver(self, service: Service, message: Message) -> None:
        """Send from a thread, which may hang: it keeps nothing but its place here."""
        outcome: _Outcome = asyncio.get_running_loop().create_future()
        thread = threading.Thread(target=self._run, args=(service, message, outcome), daemon=True)
        try:
            thread.start()
        except RuntimeError:
            self._end(service, "this process may start no more threads", outcome)
        with anyio.move_on_after(self._bounds.send_s):
            await outcome
        if outcome.cancelled():
            self._overdue.add(outcome)
            raise NotSentError(f"it took longer than {self._bounds.send_s:g} seconds")
        if fault := outcome.result():
            raise NotSentError(fault)

    def _run(self, service: Service, message: Message, outcome: _Outcome) -> None:
        fault = service.send(message)
        # A process that ends closes its loop before all threads have ended.
        with contextlib.suppress(RuntimeError):
            outcome.get_loop().call_soon_threadsafe(self._end, service, fault, outcome)

    def _end(self, service: Service, fault: str | None, outcome: _Outcome) -> None:
        self._idle.put_nowait(service)
        self._overdue.discard(outcome)
        if not outcome.done():
            outcome.set_result(fault)


@dataclass(frozen=True)
class Channels:
    """Where the notices of each urgency go."""

    ordinary: tuple[Channel, ...]
    high: tuple[Channel, ...]

    def of(self, urgency: str) -> tuple[Channel, ...]:
        """Where notices of this urgency go."""
        return self.high if urgency == "high" else self.ordinary

    @property
    def all(self) -> tuple[Channel, ...]:
        """Each channel once."""
        return tuple(dict.fromkeys([*self.ordinary, *self.high]))


async def channels_of(settings: Settings) -> Channels | None:
    """Where the settings have humans told, if anywhere.

    Raises:
        ConfigurationError: Something about it cannot be used.
    """
    return await anyio.to_thread.run_sync(load_channels, settings.notify, settings.notify_high)


def load_channels(
    notify: str | None, notify_high: str | None, bounds: Bounds | None = None
) -> Channels | None:
    """The channels that LOOPIN_NOTIFY and LOOPIN_NOTIFY_HIGH name, or None where neither is set.

    It takes a moment, so call it from a thread.

    Raises:
        ConfigurationError: The extra `notify` is missing, or an entry cannot be used.
    """
    if not notify and not notify_high:
        return None
    bounds = bounds or Bounds()
    known: dict[str, Channel] = {}
    for variable, value in ("LOOPIN_NOTIFY", notify), ("LOOPIN_NOTIFY_HIGH", notify_high):
        for number, url in enumerate(_urls(value), 1):
            if url not in known:
                services = load_services(variable, number, url, AT_ONCE_EACH)
                label = f"entry {number} of {variable} ({services[0].name})"
                known[url] = Channel(label, _digest(url), services, bounds)
    ordinary, high = (
        tuple(dict.fromkeys(known[url] for url in _urls(value))) for value in (notify, notify_high)
    )
    return Channels(ordinary, high or ordinary)


def _urls(value: str | None) -> list[str]:
    """The entries of a list; what separates two of them may also stand within one."""
    return [url.strip(" ,;") for url in _SEPARATOR.split(value)] if value else []


def _digest(url: str) -> str:
    return hashlib.pbkdf2_hmac("sha256", os.fsencode(url), b"loopin", _DIGEST_ROUNDS, 12).hex()
