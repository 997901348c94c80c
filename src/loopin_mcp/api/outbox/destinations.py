"""The addresses that callbacks and pushes may go to, and connections only to those."""

import logging
import re
import socket
import ssl
from collections.abc import Awaitable, Callable, Collection
from contextlib import suppress
from contextvars import ContextVar
from http.cookiejar import CookieJar, DefaultCookiePolicy
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Self

import anyio
import httpx

from loopin_mcp.api.outbox.lookups import Lookups
from loopin_mcp.errors import InvalidRequestError
from loopin_mcp.settings.api_options import Options
from loopin_mcp.settings.values import Network
from loopin_mcp.version import __version__
from loopin_mcp.wire.hosts import host_of

# How long a create waits for a name server, and a delivery for each address of a host.
CHECK_S = 2.0
CONNECT_S = 3.0

Address = IPv4Address | IPv6Address
LookUp = Callable[[str], Awaitable[Collection[str]]]

# Set in the task of a callback, in which httpx logs the request.
_sends_callback = ContextVar("sends_callback", default=False)
_HERE: tuple[Address, ...] = (IPv4Address("127.0.0.1"), IPv6Address("::1"))
_LABEL = re.compile(r"[a-z0-9_-]{1,63}")
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")
_LONGEST_NAME = 253
_NAT64 = ip_network("64:ff9b::/96")
_IPV6_UNICAST = ip_network("2000::/3")
# The IANA registries of special-purpose addresses, multicast, and Azure's address of the host.
_SPECIAL_RANGES = """
    0.0.0.0/8 10.0.0.0/8 100.64.0.0/10 127.0.0.0/8 168.63.129.16/32 169.254.0.0/16 172.16.0.0/12
    192.0.0.0/24 192.0.2.0/24 192.31.196.0/24 192.52.193.0/24 192.88.99.0/24 192.168.0.0/16
    192.175.48.0/24 198.18.0.0/15 198.51.100.0/24 203.0.113.0/24 224.0.0.0/3
    2001::/23 2001:db8::/32 2002::/16 2620:4f:8000::/48 3fff::/20
    """
_SPECIAL = [ip_network(network) for network in _SPECIAL_RANGES.split()]


logger = logging.getLogger("loopin_mcp")


class DestinationError(Exception):
    """A callback must not go there; the message has the reason and no part of the URL."""


class Destinations:
    """Addresses in `allowed` networks, and unless `public` is false those that are public.

    `look_up` resolves host names. `check_s` is how long a create waits for that, in seconds. With
    `needs_tls`, public addresses may be called only by https.
    """

    def __init__(
        self,
        allowed: Collection[Network],
        look_up: LookUp,
        check_s: float = CHECK_S,
        *,
        public: bool = True,
        needs_tls: bool = False,
    ) -> None:
        self._public = public
        self._needs_tls = needs_tls
        self._allowed = allowed
        self._look_up = look_up
        self._check_s = check_s

    @classmethod
    def of(cls, options: Options) -> Self:
        """The destinations for these options."""
        look_up = Lookups().addresses_of
        return cls(options.callback_allow, look_up, public=options.calls_public)

    @classmethod
    def of_pushes(cls, options: Options) -> Self:
        """The destinations of Web Push, which a human's browser names, for these options."""
        return cls(options.callback_allow, Lookups().addresses_of, needs_tls=True)

    async def check(self, callback_url: str | None) -> None:
        """Accept a callback URL that may be called, or whose host does not resolve yet.

        Raises:
            InvalidRequestError: A callback must not go there.
        """
        if callback_url is None:
            return
        try:
            with anyio.move_on_after(self._check_s), suppress(OSError):
                await self.addresses_of(httpx.URL(callback_url))
        except httpx.InvalidURL:
            raise InvalidRequestError("callbackUrl must be an http or https URL") from None
        except DestinationError as error:
            raise InvalidRequestError(f"callbackUrl {error}") from None

    async def addresses_of(self, url: httpx.URL) -> Collection[Address]:
        """The addresses of a URL's host, all of which may be called.

        Raises:
            DestinationError: One of them must not be called.
            OSError: The host does not resolve right now.
        """
        if not (self._allowed or self._public):
            raise DestinationError(
                "cannot be used here, so leave it out: this API sends no callbacks, unless "
                "LOOPIN_CALLBACK_ALLOW lists the network of the receiver"
            )
        if url.userinfo:
            raise DestinationError(
                "must not hold a user name or password: take them out, and let the receiver check "
                "the signature that LOOPIN_CALLBACK_SECRET makes"
            )
        host = host_of(str(url))
        if not _is_valid(host):
            raise DestinationError("must have a valid host name")
        addresses = await self._found(host)
        is_plain = self._needs_tls and url.scheme != "https"
        if not all(map(self._is_listed if is_plain else self._may_be_called, addresses)):
            raise DestinationError(
                "leads to an address that LoopIn may not call: it must be "
                f"{'public, or ' if self._public else ''}in a network that LOOPIN_CALLBACK_ALLOW "
                "lists"
            )
        return addresses

    async def _found(self, host: str) -> Collection[Address]:
        """The addresses of a host; `localhost` and names below it are never looked up (RFC 6761).

        Both loopback addresses are this machine's, so it is enough if one of them is allowed.
        """
        if f".{host}".endswith(".localhost"):
            return list(filter(self._may_be_called, _HERE)) or _HERE
        return [_unmapped(address) for address in await self._look_up(host)]

    def _may_be_called(self, address: Address) -> bool:
        return self._is_listed(address) or (self._public and _is_public(address))

    def _is_listed(self, address: Address) -> bool:
        return any(address in network for network in self._allowed)


def callback_client(destinations: Destinations) -> httpx.AsyncClient:
    """A client that connects only to these destinations, without a proxy and without cookies."""
    # httpx logs whole URLs, which may hold secrets.
    logging.getLogger("httpx").addFilter(_is_about_others)
    return httpx.AsyncClient(
        transport=_CheckedTransport(destinations),
        headers={"User-Agent": f"loopin-mcp/{__version__}"},
        timeout=httpx.Timeout(None, connect=CONNECT_S),
        cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),
        trust_env=False,
    )


def _is_about_others(_record: logging.LogRecord) -> bool:
    """Whether a log record comes from a task that does not send a callback."""
    return not _sends_callback.get()


class _CheckedTransport(httpx.AsyncBaseTransport):
    """Connects to exactly the addresses that were checked, trying one after the other.

    The Host header and TLS still use the host name, so the certificate has to match it.
    """

    def __init__(self, destinations: Destinations) -> None:
        self._destinations = destinations
        # A response may stay unread, so its connection cannot be used again.
        limits = httpx.Limits(max_keepalive_connections=0)
        self._direct = httpx.AsyncHTTPTransport(verify=_certificates(), limits=limits)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send to the first address that accepts the connection."""
        _sends_callback.set(True)
        *others, last = await self._destinations.addresses_of(request.url)
        for address in others:
            with suppress(httpx.ConnectError, httpx.ConnectTimeout):
                return await self._direct.handle_async_request(_sent_to(address, request))
        return await self._direct.handle_async_request(_sent_to(last, request))

    async def aclose(self) -> None:
        """Release all connections."""
        await self._direct.aclose()


def _is_valid(host: str) -> bool:
    """Whether a host is an address, or a valid name (RFC 1123, section 2.1), never a number."""
    *_, last = labels = host.split(".")
    try:
        if ":" in host:
            return IPv6Address(host).scope_id is None
        if _NUMBER.fullmatch(last):
            socket.inet_aton(host)
    except (OSError, ValueError):
        return False
    return len(host) <= _LONGEST_NAME and all(map(_LABEL.fullmatch, labels))


def _unmapped(text: str) -> Address:
    """An address in text; an IPv4-mapped one as IPv4."""
    address = ip_address(text.partition("%")[0])
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address


def _is_public(address: Address) -> bool:
    if isinstance(address, IPv6Address):
        if address in _NAT64:
            return _is_public(IPv4Address(address.packed[-4:]))
        if address not in _IPV6_UNICAST:
            return False
    return not any(address in network for network in _SPECIAL)


def _certificates() -> ssl.SSLContext:
    """Those that httpx trusts; none if SSL_CERT_FILE cannot be used, which only fails https."""
    try:
        return httpx.create_ssl_context()
    except OSError as error:
        reason = error.strerror or "not a file of certificates"
        logger.error("SSL_CERT_FILE cannot be used (%s): callbacks to https:// fail", reason)
        return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


def _sent_to(address: Address, request: httpx.Request) -> httpx.Request:
    """The same request to one address of its host."""
    literal = f"[{address}]" if address.version == 6 else str(address)
    return httpx.Request(
        request.method,
        request.url.copy_with(host=literal),
        headers=request.headers,
        stream=request.stream,
        extensions={**request.extensions, "sni_hostname": host_of(str(request.url))},
    )
