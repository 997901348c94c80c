"""The keys of an API: their holders, what they may do, and the delay for wrong keys."""

import hmac
import ipaddress
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256

import anyio

from loopin_mcp.api.clock import Clock
from loopin_mcp.errors import ForbiddenError, RateLimitedError
from loopin_mcp.settings.base_urls import address_of

API_KEY = "api-key"
ANONYMOUS = "anonymous"

# The first wrong keys are answered at once, the next after a tenth of a second, each further one
# after twice as long. The longest delay is shorter than clients wait for an answer.
FREE = 3
FIRST_S = 0.1
LONGEST_S = 5.0
# This lets one address try 20 keys a second, too few to guess one. A flood of wrong keys locks out
# others at that address, such as behind the same proxy, only while it lasts.
MOST_WAITING = 100
# All addresses together try 200 keys a second, apart from the first ones of each.
MOST_WAITING_IN_ALL = 1000
FORGOTTEN_S = 600
MOST_ORIGINS = 10_000
WARN_AT = 10

# The address and the port of the other end, if they are known.
Client = tuple[str, int] | None
Sleep = Callable[[float], Awaitable[None]]

logger = logging.getLogger("loopin_mcp")


class Keys:
    """The agents' key and the keys of reviewers, by name.

    `deciders` are the names of the people who may decide and sign in to the pages: the reviewers,
    or if there are none, holders of the agents' key. An API without any key is open to everyone.
    """

    def __init__(self, api_key: str | None, reviewers: Mapping[str, str]) -> None:
        agents = {API_KEY: api_key} if api_key else {}
        self.has_reviewers = bool(reviewers)
        self._keys_of_deciders = {**(reviewers or agents)}
        self.deciders = frozenset(self._keys_of_deciders)
        # If agents need no key, no key counts as a valid one.
        callers = agents or {ANONYMOUS: ""}
        self._digests = {name: _digest(key) for name, key in {**callers, **reviewers}.items()}

    def holder_of(self, shown: str) -> str | None:
        """The holder of a key (empty if a request has none), or None if nobody has this key.

        It takes equally long for a wrong key, a valid one and none.
        """
        holder = None if self.deciders else ANONYMOUS
        digest = _digest(shown)
        for name, known in self._digests.items():
            if hmac.compare_digest(digest, known):
                holder = name
        return holder

    def signing_key(self, name: str, purpose: str) -> bytes:
        """A key for one purpose only, derived from a decider's key."""
        return hmac.digest(self._keys_of_deciders[name].encode(), purpose.encode(), "sha256")

    def may_decide(self, name: str) -> bool:
        """Whether this holder may decide, and sign in to the pages."""
        return not self.deciders or name in self.deciders

    def require_reviewer(self, name: str) -> None:
        """Refuse a holder who is not a reviewer, also if agents may decide.

        Raises:
            ForbiddenError: The holder is not one.
        """
        if not (self.has_reviewers and name in self.deciders):
            raise ForbiddenError(
                "Only a reviewer key (REVIEWER_KEYS) may do this; reviewers can also use the inbox"
            )

    def require_decider(self, name: str) -> None:
        """Refuse a holder who may not decide.

        Raises:
            ForbiddenError: The holder may not; the message says who may.
        """
        if not self.may_decide(name):
            raise ForbiddenError(
                "Only a reviewer may decide: on the review page or in the inbox, or by a call with "
                "their own key (REVIEWER_KEYS)"
            )


def _digest(key: str) -> bytes:
    """A digest to compare keys by, always of the same length."""
    return sha256(key.encode()).digest()


@dataclass
class _Failures:
    """The wrong keys from one address; `waiting` of them are not answered yet."""

    count: int = 0
    waiting: int = 0
    last_ms: int = 0


class Door:
    """Finds the holder of a request's key. `clock` gives epoch milliseconds."""

    def __init__(self, keys: Keys, clock: Clock, sleep: Sleep = anyio.sleep) -> None:
        self.keys = keys
        self._clock = clock
        self._sleep = sleep
        self._waiting = 0
        # In the order of the last failure.
        self._failures: dict[str, _Failures] = {}

    async def holder_of(self, shown: str, client: Client) -> str | None:
        """The holder of the key in a request; None, after a delay, if it is wrong.

        Raises:
            RateLimitedError: Too many wrong keys from that address wait for their answers; this
                key was not checked.
        """
        origin = _origin_of(client[0] if client else "")
        failures = self._failures.get(origin)
        is_flooded = self._waiting >= MOST_WAITING_IN_ALL
        if shown and failures and (is_flooded or failures.waiting >= MOST_WAITING):
            raise RateLimitedError(
                "Too many wrong keys come from this address", retry_after_s=LONGEST_S
            )
        holder = self.keys.holder_of(shown)
        if shown and holder is None:
            await self._slow_down(origin)
        return holder

    async def _slow_down(self, origin: str) -> None:
        failures = self._noted(origin)
        repeated = failures.count - FREE
        # The bound of the exponent keeps the power small enough for a float.
        delay_s = min(LONGEST_S, FIRST_S * 2 ** min(repeated - 1, 10)) if repeated > 0 else 0
        failures.waiting += 1
        self._waiting += 1
        try:
            await self._sleep(delay_s)
        finally:
            failures.waiting -= 1
            self._waiting -= 1

    def _noted(self, origin: str) -> _Failures:
        """The failures of an address, with one more; the oldest of other addresses make room."""
        now = self._clock()
        failures = self._failures.pop(origin, _Failures())
        if now - failures.last_ms > FORGOTTEN_S * 1000:
            failures.count = 0
        failures.count += 1
        failures.last_ms = now
        if len(self._failures) >= MOST_ORIGINS:
            del self._failures[next(iter(self._failures))]
        self._failures[origin] = failures
        if failures.count == WARN_AT:
            logger.warning("Wrong keys keep coming from %s: answers are delayed", origin)
        return failures


@lru_cache(1000)
def _origin_of(host: str) -> str:
    """The IPv4 address, or the network from which one host may choose its IPv6 addresses.

    This machine has many addresses, and is one origin.
    """
    address = address_of(host.partition("%")[0])
    if address is None:
        return host
    if address.is_loopback:
        return "this machine"
    if address.version == 4:
        return str(address)
    return str(ipaddress.ip_network((address, 64), strict=False))
