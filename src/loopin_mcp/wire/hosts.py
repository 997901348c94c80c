"""The canonical spelling of hosts."""

import ipaddress
import socket
from contextlib import suppress
from urllib.parse import urlsplit

import idna


def host_of(url: str) -> str:
    """The host in a URL, in lower case and ASCII (IDNA 2008), without a trailing dot.

    Every spelling of an address becomes the canonical one: `127.1`, `0x7f000001` and
    `[::ffff:127.0.0.1]` are `127.0.0.1`.
    """
    host = (urlsplit(url).hostname or "").rstrip(".")
    with suppress(idna.IDNAError):
        host = host if host.isascii() else idna.encode(host).decode("ascii")
    with suppress(OSError):
        return socket.inet_ntoa(socket.inet_aton(host))
    with suppress(ValueError):
        address = ipaddress.IPv6Address(host)
        return str(address.ipv4_mapped or address)
    return host
