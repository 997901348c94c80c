"""Lets in who shows a right key, and slows down who tries others."""

import ipaddress
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import anyio
from starlette.requests import HTTPConnection

from loopin_mcp.api.clock import Clock
from loopin_mcp.api.keys import Keys
from loopin_mcp.errors import RateLimitedError

# The first wrong keys cost no more than none; the next is answered after a tenth of a second, each
# further one after twice as long. A client has to be told that its key is wrong before it gives up.
FREE = 3
FIRST_S = 0.1
LONGEST_S = 5.0
# With these, 20 keys a second can be tried from one address, which is hopeless; and a flood of
# them keeps others at that address out, behind the same proxy say, for no longer than it lasts.
MOST_WAITING = 100
FORGOTTEN_S = 600
MOST_ORIGINS = 10_000
TOLD_AT = 10

Sleep = Callable[[float], Awaitable[None]]

logger = logging.getLogger("loopin_mcp")


@dataclass
class _Failures:
    """The wrong keys that came from one place; `waiting` are those not answered yet."""

    count: int = 0
    waiting: int = 0
    last_ms: int = 0

    @property
    def delay_s(self) -> float:
        """How long the answer to the last of them waits."""
        repeated = self.count - FREE
        # The exponent is bounded, lest the power grow too large for a float.
        return min(LONGEST_S, FIRST_S * 2 ** min(repeated - 1, 10)) if repeated > 0 else 0


class Door:
    """Tells by whose key somebody comes. `clock` gives epoch milliseconds."""

    def __init__(self, keys: Keys, clock: Clock, sleep: Sleep = anyio.sleep) -> None:
        self.keys = keys
        self._clock = clock
        self._sleep = sleep
        # The one that failed last comes last.
        self._failures: dict[str, _Failures] = {}

    async def holder_of(self, shown: str, connection: HTTPConnection) -> str | None:
        """Who holds the key that is shown; None, after a while, if it is wrong.

        Raises:
            RateLimitedError: Very many wrong keys from there wait for their answers already; this
                one was not looked at.
        """
        origin = _origin_of(connection)
        failures = self._failures.get(origin)
        if shown and failures and failures.waiting >= MOST_WAITING:
            raise RateLimitedError(
                "Too many wrong keys come from this address", retry_after_s=LONGEST_S
            )
        holder = self.keys.holder_of(shown)
        if shown and holder is None:
            await self._slow_down(origin)
        return holder

    async def _slow_down(self, origin: str) -> None:
        failures = self._noted(origin)
        failures.waiting += 1
        try:
            await self._sleep(failures.delay_s)
        finally:
            failures.waiting -= 1

    def _noted(self, origin: str) -> _Failures:
        """The failures of a place with one more; the oldest of others make room for it."""
        now = self._clock()
        failures = self._failures.pop(origin, _Failures())
        if now - failures.last_ms > FORGOTTEN_S * 1000:
            failures.count = 0
        failures.count += 1
        failures.last_ms = now
        if len(self._failures) >= MOST_ORIGINS:
            del self._failures[next(iter(self._failures))]
        self._failures[origin] = failures
        if failures.count == TOLD_AT:
            logger.warning("Wrong keys keep coming from %s: answers to them wait", origin)
        return failures


def _origin_of(connection: HTTPConnection) -> str:
    """The address, or the network that one host may choose its IPv6 addresses from."""
    host = connection.client.host if connection.client else ""
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return host
    if address.version == 4:
        return str(address)
    return str(address.ipv4_mapped or ipaddress.ip_network((address, 64), strict=False))
