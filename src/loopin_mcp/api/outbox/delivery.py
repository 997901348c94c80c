"""The loop that delivers callbacks and notifications, with retries."""

import logging
import random
from collections import Counter, defaultdict
from typing import Protocol

import anyio
import anyio.abc

from loopin_mcp.api.audit.trail import Trail
from loopin_mcp.api.database.outages import Outage
from loopin_mcp.api.database.rows import short_id
from loopin_mcp.api.store.deliveries import Delivery, Outcome
from loopin_mcp.api.store.store import Store
from loopin_mcp.api.store.watching import Attempt
from loopin_mcp.errors import LoopinError
from loopin_mcp.telemetry.traces import CURRENT, read_trace
from loopin_mcp.wire.fields import JSONObject
from loopin_mcp.wire.plain_text import plain_text

AT_ONCE = 20
AT_ONCE_EACH = 5
# The most notifications to one channel or device in a minute.
MOST_A_MINUTE = 60
# How long a delivery is reserved for this process. Senders have to take less time.
LEASE_S = 20.0
FIRST_BACKOFF_S = 10.0
LONGEST_BACKOFF_S = 6 * 3600.0
JITTER = 0.2
# How long to rest after each look for due deliveries, however many changes come meanwhile.
REST_S = 0.02
# How often to look for retries, reminders, and deliveries of other processes that ended.
PAUSE_S = 1.0

logger = logging.getLogger("loopin_mcp")


class NotSentError(Exception):
    """A delivery failed; the message has the reason and no secret.

    `answered` is the HTTP status that came, or 0.
    """

    def __init__(self, reason: str, answered: int = 0) -> None:
        super().__init__(reason)
        self.answered = answered


class NotDueError(Exception):
    """Nothing is to be sent for a delivery; the message says why."""


def continue_trace(trail: Trail) -> None:
    """Let the rest of this task work in the trace of the request that asked."""
    CURRENT.set(read_trace(str(trail.row["traceparent"])))


def require_trusted(trail: Trail) -> None:
    """Refuse to send anything about an interrupt that cannot be trusted.

    Raises:
        NotDueError: It was tampered with.
        NotSentError: Its trail cannot be checked with the present keys.
        UnavailableError: It is damaged.
    """
    if fault := trail.fault():
        raise (NotDueError if fault.is_tampering else NotSentError)(fault.text)


class Sender(Protocol):
    """Sends deliveries of one kind; `name` is for logs."""

    name: str

    def place_of(self, delivery: Delivery) -> str:
        """The destination of a delivery, for logs."""
        ...

    async def send(self, delivery: Delivery) -> Outcome | None:
        """Send a delivery once; returns the event to record, if any.

        Raises:
            NotSentError: It failed, or took too long.
            NotDueError: The interrupt and its trail do not call for it.
            LoopinError: Its content cannot be read right now.
        """
        ...


class Outbox:
    """Sends due deliveries, at most `AT_ONCE` at a time and `AT_ONCE_EACH` to one host.

    It retries failed ones with exponential backoff until it gives them up.
    """

    def __init__(
        self, store: Store, callbacks: Sender, notifications: Sender | None = None
    ) -> None:
        self._store = store
        self._callbacks = callbacks
        self._notifications = notifications
        self._under_way = Counter[str]()
        # The times of the last minute's notifications, by channel or device.
        self._recent = defaultdict[str, list[int]](list)

    async def run(self) -> None:
        """Send deliveries when they are due, until cancelled."""
        outage = Outage(logger, "Callbacks and notifications")
        bell = self._store.deliveries.bell
        has_looked_back = False
        async with anyio.create_task_group() as deliveries:
            while True:
                rings = bell.next
                with outage.watched():
                    if not has_looked_back:
                        await self._store.deliveries.owe_untold()
                        has_looked_back = True
                    await self.start_due(deliveries)
                await anyio.sleep(REST_S)
                with anyio.move_on_after(PAUSE_S):
                    await rings.wait()

    async def start_due(self, deliveries: anyio.abc.TaskGroup) -> None:
        """Start sending the due deliveries that there is room for."""
        while (room := AT_ONCE - self._under_way.total()) > 0:
            full = [host for host in {*self._under_way, *self._recent} if self._room(host) <= 0]
            due = await self._store.deliveries.take_due(
                full, lease_ms=round(LEASE_S * 1000), limit=room, room=self._room
            )
            if not due:
                return
            for delivery in due:
                self._under_way[delivery.host] += 1
                if delivery.kind != "callback":
                    self._recent[delivery.host].append(self._store.clock())
                deliveries.start_soon(self._deliver, delivery)

    def _room(self, host: str) -> int:
        """How many more deliveries may go to a host now."""
        room = AT_ONCE_EACH - self._under_way[host]
        if recent := self._recent.get(host, []):
            now = self._store.clock()
            recent = [sent for sent in recent if now - 60_000 < sent <= now]
            self._recent[host] = recent
            room = min(room, MOST_A_MINUTE - len(recent))
        return room

    async def _deliver(self, delivery: Delivery) -> None:
        sender = self._callbacks if delivery.kind == "callback" else self._notifications
        assert sender is not None
        try:
            try:
                outcome = await sender.send(delivery)
            except (NotSentError, LoopinError) as error:
                await self._conclude(sender, delivery, error)
            except NotDueError as error:
                await self._end(delivery, None, "dropped")
                logger.error("%s is dropped: %s", _name_of(sender, delivery), error)
            else:
                await self._end(delivery, outcome, "delivered" if outcome else "dropped")
        # No error of one delivery may affect the others.
        except Exception as error:
            # It is due again when its lease ends.
            reason = error if isinstance(error, LoopinError) else type(error).__name__
            logger.warning("%s is delayed: %s", _name_of(sender, delivery), reason)
        finally:
            self._under_way -= Counter((delivery.host,))
            self._store.deliveries.bell.ring()

    async def _conclude(self, sender: Sender, delivery: Delivery, error: Exception) -> None:
        """Retry a failed delivery later, or give it up."""
        now, fault = self._store.clock(), str(error)
        answered = error.answered if isinstance(error, NotSentError) else 0
        what = f"{_name_of(sender, delivery)} to {plain_text(sender.place_of(delivery))}"
        if now >= delivery.given_up_ms:
            outcome: Outcome | None = None
            if delivery.kind == "callback":
                answer: JSONObject = {"answered": answered} if answered else {}
                detail = {"tries": delivery.tries, "reason": fault, **answer}
                outcome = ("callback-given-up", detail)
            await self._end(delivery, outcome, "given-up")
            logger.warning("%s given up: %s", what, fault)
        else:
            backoff_s = min(FIRST_BACKOFF_S * 2 ** min(delivery.tries - 1, 12), LONGEST_BACKOFF_S)
            jittered_s = backoff_s * random.uniform(1 - JITTER, 1 + JITTER)  # noqa: S311 - no secret
            due_ms = min(now + round(jittered_s * 1000), delivery.given_up_ms)
            await self._store.deliveries.postpone(delivery, due_ms, answered)
            self._store.observer.tried(delivery.kind, "failed")
            logger.info("%s will be tried again: %s", what, fault)

    async def _end(self, delivery: Delivery, outcome: Outcome | None, attempt: Attempt) -> None:
        await self._store.deliveries.settle(delivery, outcome)
        self._store.observer.tried(delivery.kind, attempt)


def _name_of(sender: Sender, delivery: Delivery) -> str:
    """A delivery's name in logs. Callbacks are about interrupts that are settled."""
    is_settled = delivery.kind == "callback"
    about = delivery.interrupt_id if is_settled else short_id(delivery.interrupt_id)
    return f"{sender.name} of {plain_text(about)}"
