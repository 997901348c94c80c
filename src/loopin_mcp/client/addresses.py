"""The address of the API, and paths on it that no id can leave."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from urllib.parse import quote

from loopin_mcp.errors import InvalidRequestError
from loopin_mcp.settings.values import checked_base_url, checked_key


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
        checked_base_url("base_url", base_url), api_key and checked_key("api_key", api_key)
    )

    async def locate() -> Address:
        return address

    return locate


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
