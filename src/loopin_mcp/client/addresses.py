"""The address of the API, and paths on it that no id can leave."""

from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from urllib.parse import quote, urlsplit

import anyio

from loopin_mcp.errors import InvalidRequestError
from loopin_mcp.settings.base_urls import (
    ambiguous_host,
    checked_api_url,
    is_any_address,
    is_loopback,
)
from loopin_mcp.settings.values import checked_key

LOOKUP_S = 5.0


@dataclass(frozen=True)
class Address:
    """The API's address and key, and whether this very process serves it."""

    base_url: str
    api_key: str | None = field(default=None, repr=False)
    is_here: bool = field(default=False, repr=False, compare=False)


Locate = Callable[[], Awaitable[Address]]


def fixed_address(base_url: str, api_key: str | None) -> Locate:
    """A `locate` that always gives the same address.

    Raises:
        ConfigurationError: The URL or the key cannot be used.
    """
    address = Address(
        checked_api_url("base_url", base_url), api_key and checked_key("api_key", api_key)
    )

    async def locate() -> Address:
        return address

    return locate


def elsewhere(locate: Locate) -> Locate:
    """A `locate` that looks the host up once, and refuses a name of this machine over http.

    It raises a ConfigurationError then; see `checked_api_url`.
    """
    known: set[Address] = set()

    async def checked() -> Address:
        address = await locate()
        if address not in known and address.base_url.startswith("http:"):
            await _refuse_name_of_this_machine(address.base_url)
        known.add(address)
        return address

    return checked


async def _refuse_name_of_this_machine(base_url: str) -> None:
    host = urlsplit(base_url).hostname or ""
    if is_loopback(host):
        return
    # If the lookup fails or takes too long, so does connecting.
    with anyio.move_on_after(LOOKUP_S), suppress(OSError, UnicodeError):
        found = await anyio.getaddrinfo(host, None)
        addresses = [str(address) for *_, (address, *_) in found]
        if any(is_loopback(each) or is_any_address(each) for each in addresses):
            raise ambiguous_host(f"The URL of the LoopIn API, {base_url},", host)


def segment(name: str, value: str) -> str:
    """One percent-encoded path segment, so that no id can lead to another resource.

    Raises:
        InvalidRequestError: The value cannot be one; the message calls it `name`.
    """
    try:
        encoded = quote(value, safe="")
    except UnicodeEncodeError:
        raise InvalidRequestError(f"{name} holds a character that is not text.") from None
    if encoded in ("", ".", ".."):
        raise InvalidRequestError(f"{name} must not be empty, '.' or '..'.")
    return encoded
