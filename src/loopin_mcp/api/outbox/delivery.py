"""Delivers callbacks: one loop, the same after a decision, an expiry and a restart."""

import logging
import random

import anyio.abc
import httpx

from loopin_mcp.api.clock import Clock
from loopin_mcp.api.database.outages import Outage
from loopin_mcp.api.outbox.callbacks import signed_headers
from loopin_mcp.api.outbox.destinations import DestinationError, Destinations, callback_client
from loopin_mcp.api.store.callbacks import LONGEST_DELAY_MS, Callback
from loopin_mcp.api.store.store import Store
from loopin_mcp.errors import LoopinError
from loopin_mcp.wire.fields import JSONObject

ROUND_S = 1.0
DELIVERY_S = 10.0
# How long nobody else sends what is being sent here.
LEASE_S = 20.0
AT_ONCE = 20
AT_ONCE_EACH = 5
# How much of an answer is read, so that the receiver can finish.
MOST_READ_BYTES = 64 * 1024
# The first retry comes after ten seconds, then twice as late each time.
FIRST_BACKOFF_S = 10.0
JITTER = 0.2
# With its jitter it is shorter than what the outbox takes for a clock that was set back.
LONGEST_BACKOFF_S = 0.75 * LONGEST_DELAY_MS / 1000
GIVEN_UP_AFTER_S = 3 * 86_400

logger = logging.getLogger("loopin_mcp")


async def deliver_callbacks(
    store: Store, clock: Clock, destinations: Destinations, secret: bytes | None
) -> None:
    """Deliver what is due as soon as there is room for it, until cancelled; see `Webhooks`."""
    outage = Outage(logger, "Callbacks")
    async with (
        callback_client(destinations) as http,
        anyio.create_task_group() as deliveries,
    ):
        webhooks = Webhooks(store, clock, http, secret)
        while True:
            ended = webhooks.next_end
            with outage.watched():
                await webhooks.start_due(deliveries)
            with anyio.move_on_after(ROUND_S):
                await ended.wait()


class Webhooks:
    """Sends the callbacks of a store, signed with `secret`. `clock` gives epoch milliseconds.

    At most `AT_ONCE` are under way, `AT_ONCE_EACH` to each host, and each for `delivery_s` at most.
    Redirects are not followed, and nothing of an answer is kept.
    """

    def __init__(
        self,
        store: Store,
        clock: Clock,
        http: httpx.AsyncClient,
        secret: bytes | None,
        delivery_s: float = DELIVERY_S,
    ) -> None:
        self._store = store
        self._clock = clock
        self._http = http
        self._secret = secret
        self._delivery_s = delivery_s
        self._hosts: list[str] = []
        self.next_end = anyio.Event()

    async def start_due(self, deliveries: anyio.abc.TaskGroup) -> None:
        """Begin to deliver what is due now and has room; what fails becomes due again later."""
        while len(self._hosts) < AT_ONCE:
            due = await self._store.callbacks.take_due(
                lease_ms=_ms(LEASE_S),
                limit=AT_ONCE - len(self._hosts),
                limit_each=AT_ONCE_EACH,
                under_way=self._hosts,
            )
            if not due:
                return
            for callback in due:
                self._hosts.append(callback.host)
                deliveries.start_soon(self._deliver, callback)

    async def _deliver(self, callback: Callback) -> None:
        try:
            await self._conclude(callback, await self._fault_of_sending(callback))
        # Whatever goes wrong with one callback must not keep the others from being sent.
        except Exception as error:
            # Its lease ends, and then it is due again.
            reason = error if isinstance(error, LoopinError) else type(error).__name__
            logger.warning("Callback of %s waits: %s", callback.interrupt_id, reason)
        finally:
            self._hosts.remove(callback.host)
            self.next_end.set()
            self.next_end = anyio.Event()

    async def _fault_of_sending(self, callback: Callback) -> str | None:
        """Send a callback once; what went wrong, if anything did."""
        body = callback.body.encode()
        signed = signed_headers(self._secret, callback.callback_id, self._clock() // 1000, body)
        headers = {"Content-Type": "application/json", **signed}
        status = None
        try:
            with anyio.move_on_after(self._delivery_s):
                async with self._http.stream(
                    "POST", callback.url, headers=headers, content=body
                ) as answer:
                    status = answer.status_code
                    await _read_some(answer)
        # Whatever is wrong with one receiver must not keep the others from being told.
        except Exception as error:
            if status is None:
                return _reason(error)
        if status is None:
            return f"no answer within {self._delivery_s:g} seconds"
        return None if 200 <= status < 300 else f"the receiver answered {status}"

    async def _conclude(self, callback: Callback, fault: str | None) -> None:
        now = self._clock()
        if fault is None:
            detail: JSONObject = {"tries": callback.tries}
            await self._store.callbacks.settle(callback, "callback-delivered", detail)
            return
        last_ms = callback.created_ms + _ms(GIVEN_UP_AFTER_S)
        backoff_s = min(FIRST_BACKOFF_S * 2 ** min(callback.tries - 1, 12), LONGEST_BACKOFF_S)
        jittered_s = backoff_s * random.uniform(1 - JITTER, 1 + JITTER)  # noqa: S311 - no secret
        due_ms = min(now + _ms(jittered_s), last_ms)
        if now >= last_ms:
            detail = {"tries": callback.tries, "reason": fault}
            await self._store.callbacks.settle(callback, "callback-given-up", detail)
            level, outcome = logging.WARNING, "given up"
        else:
            await self._store.callbacks.postpone(callback, due_ms)
            level, outcome = logging.INFO, "will be tried again"
        place = f"Callback of {callback.interrupt_id} to {callback.host}"
        logger.log(level, "%s %s: %s", place, outcome, fault)


async def _read_some(answer: httpx.Response) -> None:
    read = 0
    async for part in answer.aiter_raw():
        read += len(part)
        if read > MOST_READ_BYTES:
            return


def _reason(error: Exception) -> str:
    """Why there was no answer; what may hold more of the URL than its host is only named."""
    if isinstance(error, DestinationError):
        return f"it {error}"
    if isinstance(error, OSError | httpx.ConnectError):
        return str(error)
    return type(error).__name__


def _ms(seconds: float) -> int:
    return round(seconds * 1000)
