"""Delivers callbacks and notifications: one loop, the same after a change and after a restart."""

import logging
import random
from collections import Counter, defaultdict
from typing import Protocol

import anyio
import anyio.abc

from loopin_mcp.api.database.outages import Outage
from loopin_mcp.api.store.deliveries import Delivery, Outcome
from loopin_mcp.api.store.store import Store
from loopin_mcp.errors import LoopinError

AT_ONCE = 20
AT_ONCE_EACH = 5
# The most notifications that go to one channel in a minute.
MOST_A_MINUTE = 60
# How long nobody else sends what is being sent here. No sender takes longer.
LEASE_S = 20.0
# The first retry comes after ten seconds, then twice as late each time.
FIRST_BACKOFF_S = 10.0
LONGEST_BACKOFF_S = 6 * 3600.0
JITTER = 0.2
# When to look again for what other processes left behind, and after an outage.
LONGEST_PAUSE_S = 15.0
OUTAGE_PAUSE_S = 1.0

logger = logging.getLogger("loopin_mcp")


class NotSentError(Exception):
    """A delivery did not arrive; the text says why and holds no secret."""


class Sender(Protocol):
    """Sends deliveries of one kind, which `name` names in logs."""

    name: str

    def place_of(self, delivery: Delivery) -> str:
        """Where a delivery goes, for the log."""
        ...

    async def send(self, delivery: Delivery) -> Outcome | None:
        """Send a delivery once; gives the event to record, if there is one.

        Raises:
            NotSentError: It did not arrive, as far as is known.
            LoopinError: What is to be sent cannot be read right now.
        """
        ...


class Announcer(Sender, Protocol):
    """Sends notifications to channels, which are named by their digests."""

    ordinary: tuple[str, ...]
    urgent: tuple[str, ...]


class Outbox:
    """Sends what is due in a store, at most `AT_ONCE` at a time and `AT_ONCE_EACH` to a host.

    What does not arrive is tried again, ever later, until it is given up.
    """

    def __init__(
        self, store: Store, callbacks: Sender, notifications: Announcer | None = None
    ) -> None:
        self._store = store
        self._callbacks = callbacks
        self._notifications = notifications
        self._channels = frozenset[str]()
        if notifications:
            self._channels = frozenset((*notifications.ordinary, *notifications.urgent))
        self._under_way = Counter[str]()
        # By channel, when notifications of the last minute were sent.
        self._recent = defaultdict[str, list[int]](list)

    async def run(self) -> None:
        """Send what is due as soon as it is and there is room for it, until cancelled."""
        outage = Outage(logger, "Callbacks and notifications")
        bell = self._store.deliveries.bell
        async with anyio.create_task_group() as deliveries:
            while True:
                rings, pause_s = bell.next, OUTAGE_PAUSE_S
                with outage.watched():
                    await self.start_due(deliveries)
                    pause_s = await self._pause_s()
                with anyio.move_on_after(pause_s):
                    await rings.wait()

    async def start_due(self, deliveries: anyio.abc.TaskGroup) -> None:
        """Begin to send what is due now and has room; what fails becomes due again later."""
        if announcer := self._notifications:
            await self._store.deliveries.address(announcer.ordinary, announcer.urgent)
        while (room := AT_ONCE - self._under_way.total()) > 0:
            full = [host for host in {*self._under_way, *self._recent} if self._room(host) <= 0]
            due = await self._store.deliveries.take_due(
                self._channels, full, lease_ms=_ms(LEASE_S), limit=room, room=self._room
            )
            if not due:
                return
            for delivery in due:
                self._under_way[delivery.host] += 1
                if delivery.kind != "callback":
                    self._recent[delivery.host].append(self._store.clock())
                deliveries.start_soon(self._deliver, delivery)

    def _room(self, host: str) -> int:
        """How many more may be sent to a host now."""
        room = AT_ONCE_EACH - self._under_way[host]
        if host in self._channels:
            now = self._store.clock()
            recent = [sent for sent in self._recent[host] if now - 60_000 < sent <= now]
            self._recent[host] = recent
            room = min(room, MOST_A_MINUTE - len(recent))
        return room

    async def _pause_s(self) -> float:
        """How long there is nothing to do, unless the bell rings."""
        next_ms = await self._store.deliveries.next_due_ms(self._channels)
        if next_ms is None:
            return LONGEST_PAUSE_S
        return min((next_ms - self._store.clock()) / 1000, LONGEST_PAUSE_S)

    async def _deliver(self, delivery: Delivery) -> None:
        sender = self._callbacks if delivery.kind == "callback" else self._notifications
        assert sender is not None
        try:
            try:
                outcome = await sender.send(delivery)
            except (NotSentError, LoopinError) as error:
                await self._conclude(sender, delivery, str(error))
            else:
                await self._store.deliveries.settle(delivery, outcome)
        # Whatever goes wrong with one delivery must not keep the others from being sent.
        except Exception as error:
            # Its lease ends, and then it is due again.
            reason = error if isinstance(error, LoopinError) else type(error).__name__
            logger.warning("%s of %s waits: %s", sender.name, delivery.interrupt_id, reason)
        finally:
            self._under_way -= Counter((delivery.host,))
            self._store.deliveries.bell.ring()

    async def _conclude(self, sender: Sender, delivery: Delivery, fault: str) -> None:
        """Put off a delivery that did not arrive, or give it up."""
        now = self._store.clock()
        backoff_s = min(FIRST_BACKOFF_S * 2 ** min(delivery.tries - 1, 12), LONGEST_BACKOFF_S)
        jittered_s = backoff_s * random.uniform(1 - JITTER, 1 + JITTER)  # noqa: S311 - no secret
        if now >= delivery.given_up_ms:
            outcome: Outcome | None = None
            if delivery.kind == "callback":
                outcome = ("callback-given-up", {"tries": delivery.tries, "reason": fault})
            await self._store.deliveries.settle(delivery, outcome)
            level, what = logging.WARNING, "given up"
        else:
            due_ms = min(now + _ms(jittered_s), delivery.given_up_ms)
            await self._store.deliveries.postpone(delivery, due_ms)
            level, what = logging.INFO, "will be tried again"
        place = f"{sender.name} of {delivery.interrupt_id} to {sender.place_of(delivery)}"
        logger.log(level, "%s %s: %s", place, what, fault)


def _ms(seconds: float) -> int:
    return round(seconds * 1000)
