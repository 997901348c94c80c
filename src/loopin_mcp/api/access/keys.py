"""The keys of an API: whose they are, what their holders may do, what a wrong one costs."""

import hmac
import ipaddress
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Self

import anyio
from starlette.requests import HTTPConnection

from loopin_mcp.api.clock import Clock
from loopin_mcp.errors import ForbiddenError, RateLimitedError
from loopin_mcp.settings.api_options import Options

API_KEY = "api-key"
ANONYMOUS = "anonymous"

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


class Keys:
    """The agents' key and those of reviewers, by name.

    `deciders` names those who may decide and sign in to the pages: the reviewers, or where there
    are none whoever holds the agents' key. An API without any key is open to everybody.
    """

    def __init__(self, api_key: str | None, reviewers: Mapping[str, str]) -> None:
        agents = {API_KEY: api_key} if api_key else {}
        self.has_reviewers = bool(reviewers)
        self._keys_of_deciders = {**(reviewers or agents)}
        self.deciders = frozenset(self._keys_of_deciders)
        # Where agents need no key, to show none is as good as one.
        callers = agents or {ANONYMOUS: ""}
        self._digests = {name: _digest(key) for name, key in {**callers, **reviewers}.items()}

    @classmethod
    def of(cls, options: Options) -> Self:
        """Those of an API on such options."""
        return cls(options.api_key, options.reviewers)

    def holder_of(self, shown: str) -> str | None:
        """Who holds the key that is shown, empty if none is; None if nobody does.

        It takes as long for a wrong key as for a right one, and for none.
        """
        holder = None if self.deciders else ANONYMOUS
        digest = _digest(shown)
        for name, known in self._digests.items():
            if hmac.compare_digest(digest, known):
                holder = name
        return holder

    def signing_key(self, name: str, purpose: str) -> bytes:
        """A key for one purpose alone, made of that of a decider."""
        return hmac.digest(self._keys_of_deciders[name].encode(), purpose.encode(), "sha256")

    def may_decide(self, name: str) -> bool:
        """Whether a holder may decide, and sign in to the pages."""
        return not self.deciders or name in self.deciders

    def require_decider(self, name: str) -> None:
        """Let nobody pass who may not decide.

        Raises:
            ForbiddenError: It says who may.
        """
        if not self.may_decide(name):
            raise ForbiddenError(
                "Only a reviewer may decide: signed in on the review page or in the inbox, or "
                "with a reviewer's key"
            )


def _digest(key: str) -> bytes:
    """What keys are compared by, being of one length."""
    return sha256(key.encode()).digest()


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
