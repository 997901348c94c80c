"""The hosts and base URLs of settings, and which hosts are this machine."""

import contextlib
import ipaddress
import re
from urllib.parse import urlsplit

from loopin_mcp.errors import ConfigurationError

LOOPBACK = "127.0.0.1"

_URL_REMEDY = "Set it to a base URL, such as https://loopin.example.com."
# RFC 6761, and the names of loopback in the hosts files of Linux distributions.
_THIS_MACHINE = re.compile(
    r"(?:.*\.)?(?:localhost|localhost\.localdomain|localhost[46]|localhost[46]\.localdomain[46]"
    r"|ip6-localhost|ip6-loopback)",
    re.IGNORECASE,
)


def address_of(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """The address that a host is, an IPv4-mapped one as IPv4, or None if it is a name."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address


def is_loopback(host: str) -> bool:
    """Whether a host is this machine, by an address that no other machine can reach."""
    address = address_of(host)
    return host == "localhost" or (address is not None and address.is_loopback)


def is_any_address(host: str) -> bool:
    """Whether a host is 0.0.0.0 or ::, where a connection leads to this machine."""
    address = address_of(host)
    return address is not None and address.is_unspecified


def checked_base_url(variable: str, value: str) -> str:
    """The base URL in a variable, without a trailing slash.

    Raises:
        ConfigurationError: It is not http(s), has no host, or holds credentials or a query.
    """
    found = None
    # The errors quote the value, which may hold a part of a password.
    with contextlib.suppress(ValueError):
        parts = urlsplit(value)
        found = (parts.scheme, parts.hostname, parts.port)
    if found is None:
        raise ConfigurationError(f"{variable} is not a URL. {_URL_REMEDY}")
    scheme, host, port = found
    if scheme not in ("http", "https") or not host or port == 0:
        raise ConfigurationError(f"{variable} must be an http or https URL. {_URL_REMEDY}")
    if "@" in parts.netloc:
        remedy = "take them out, and set LOOPIN_API_KEY to the API's key"
        if variable != "LOOPIN_API_URL":
            remedy = "take them out"
        raise ConfigurationError(f"{variable} must not hold a user name or password: {remedy}.")
    if any(mark in value for mark in "?# ") or not value.isascii() or not value.isprintable():
        raise ConfigurationError(
            f"{variable} must be a base URL in ASCII, without query and spaces. {_URL_REMEDY}"
        )
    return value.rstrip("/")


def checked_api_url(variable: str, value: str) -> str:
    """The base URL of an API, whose host cannot mean two programs on this machine.

    Over plain http, any program that listens there gets the key. A name such as localhost leads
    to 127.0.0.1 and to ::1, where another user may listen.

    Raises:
        ConfigurationError: As for `checked_base_url`; or it is http and names this machine.
    """
    base_url = checked_base_url(variable, value)
    parts = urlsplit(base_url)
    host = (parts.hostname or "").rstrip(".")
    if parts.scheme == "http" and (_THIS_MACHINE.fullmatch(host) or is_any_address(host)):
        raise ambiguous_host(variable, host)
    return base_url


def ambiguous_host(variable: str, host: str) -> ConfigurationError:
    """The error of a URL whose host may be more than one program on this machine."""
    return ConfigurationError(
        f"{variable} has the host {host}, where another program on this machine could answer: "
        "write the address that the API listens on, http://127.0.0.1 or http://[::1], with its "
        "port."
    )
