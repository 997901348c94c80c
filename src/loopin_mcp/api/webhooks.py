"""Delivers due callbacks: one loop, the same after a decision, an expiry and a restart."""

import ipaddress
import logging
import random
import socket

import anyio
import httpx

from loopin_mcp.api.clock import Clock
from loopin_mcp.api.outages import Outage
from loopin_mcp.api.outbox import Callback
from loopin_mcp.api.store import Store
from loopin_mcp.errors import LoopinError

ROUND_S = 1.0
DELIVERY_TIMEOUT_S = 10.0
AT_ONCE = 20
# The first retry comes after ten seconds, then twice as late each time; in all about three days.
LONGEST_BACKOFF_S = 6 * 3600
MOST_TRIES = 22

logger = logging.getLogger(__name__)

_Address = ipaddress.IPv4Address | ipaddress.IPv6Address
_NAT64 = ipaddress.ip_network("64:ff9b::/96")
# Public in the registries, but of one site or one cloud's own, or translated to who knows where.
_NEVER = [
    ipaddress.ip_network(network)
    for network in (
        "168.63.129.16/32",
        "192.0.0.0/24",
        "192.88.99.0/24",
        "::/96",
        "::ffff:0:0:0/96",
        "64:ff9b:1::/48",
        "5f00::/16",
        "fec0::/10",
    )
]


class _RefusedError(Exception):
    """The callback did not arrive, or may not be sent there."""


async def deliver_callbacks(store: Store, clock: Clock, allow_loopback: bool) -> None:
    """Deliver what is due, round after round, until cancelled; see `Webhooks`."""
    # A proxy from the environment would connect where it likes, past the check of the address.
    async with httpx.AsyncClient(trust_env=False) as http:
        webhooks = Webhooks(store, clock, http, allow_loopback=allow_loopback)
        outage = Outage(logger, "Callbacks")
        while True:
            with outage.watched():
                await webhooks.deliver_due()
            await anyio.sleep(ROUND_S)


class Webhooks:
    """Sends the callbacks of a store. `clock` gives epoch milliseconds.

    They go to public addresses alone, with `allow_loopback` also to this machine. The address
    that was checked is the one connected to, redirects are not followed and the answer's body
    is not read.
    """

    def __init__(
        self,
        store: Store,
        clock: Clock,
        http: httpx.AsyncClient,
        *,
        allow_loopback: bool,
    ) -> None:
        self._store = store
        self._clock = clock
        self._http = http
        self._allow_loopback = allow_loopback

    async def deliver_due(self) -> None:
        """Deliver what is due now, once; what fails becomes due again later."""
        await self._store.expire_interrupts(self._clock())
        lease_ms = round(2 * DELIVERY_TIMEOUT_S * 1000)
        due = await self._store.outbox.take_due_callbacks(
            self._clock(), lease_ms=lease_ms, limit=AT_ONCE
        )
        async with anyio.create_task_group() as deliveries:
            for callback in due:
                deliveries.start_soon(self._deliver, callback)

    async def _deliver(self, callback: Callback) -> None:
        try:
            await self._attempt(callback)
        except LoopinError as error:
            # Its lease ends, and then it is due again.
            logger.warning("Callback of %s waits: %s", callback.interrupt_id, error)

    async def _attempt(self, callback: Callback) -> None:
        try:
            with anyio.fail_after(DELIVERY_TIMEOUT_S):
                await self._send(callback)
        # Whatever is wrong with one address must not keep the others from being told.
        except Exception as error:
            await self._postpone(callback, error)
        else:
            await self._store.outbox.settle_callback(callback.interrupt_id)

    async def _postpone(self, callback: Callback, error: Exception) -> None:
        reason = str(error) or type(error).__name__
        if callback.tries >= MOST_TRIES:
            logger.warning("Callback of %s given up: %s", callback.interrupt_id, reason)
            await self._store.outbox.settle_callback(callback.interrupt_id)
            return
        logger.info("Callback of %s will be tried again: %s", callback.interrupt_id, reason)
        backoff_s = min(5 * 2**callback.tries, LONGEST_BACKOFF_S)
        delay_ms = round(backoff_s * random.uniform(0.8, 1.2) * 1000)  # noqa: S311 - jitter
        await self._store.outbox.postpone_callback(callback.interrupt_id, self._clock() + delay_ms)

    async def _send(self, callback: Callback) -> None:
        url = httpx.URL(callback.url)
        host = url.raw_host.decode("ascii")
        address = await self._checked_address(host, url.port or 443)
        literal = f"[{address}]" if address.version == 6 else str(address)
        # The name stays in the Host header and in TLS, the connection goes to the address.
        request = self._http.build_request(
            "POST",
            url.copy_with(host=literal),
            headers={"Host": url.netloc.decode("ascii"), "Content-Type": "application/json"},
            content=callback.body,
            extensions={"sni_hostname": host},
        )
        response = await self._http.send(request, stream=True, follow_redirects=False)
        await response.aclose()
        if not response.is_success:
            raise _RefusedError(f"the receiver answered {response.status_code}")

    async def _checked_address(self, host: str, port: int) -> _Address:
        found = await anyio.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        addresses = [ipaddress.ip_address(entry[4][0].partition("%")[0]) for entry in found]
        if not all(self._may_be_called(address) for address in addresses):
            raise _RefusedError("it leads to an address that callbacks may not be sent to")
        return addresses[0]

    def _may_be_called(self, address: _Address) -> bool:
        address = _embedded_ipv4(address)
        if address.is_loopback:
            return self._allow_loopback
        never = any(address in network for network in _NEVER)
        return address.is_global and not address.is_multicast and not never


def _embedded_ipv4(address: _Address) -> _Address:
    """The IPv4 address inside a mapped, 6to4 or NAT64 one, which is where packets would go."""
    if isinstance(address, ipaddress.IPv4Address):
        return address
    if address in _NAT64:
        return ipaddress.IPv4Address(address.packed[-4:])
    return address.ipv4_mapped or address.sixtofour or address
