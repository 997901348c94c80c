"""Checks of single settings; their errors name the variable."""

import base64
import contextlib
import ipaddress
import math
import re
import unicodedata
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Literal, get_args
from urllib.parse import urlsplit

from loopin_mcp.errors import ConfigurationError
from loopin_mcp.settings.placeholders import refuse_braces, refuse_placeholder

LONGEST_NAME = 200

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

_URL_REMEDY = "Set it to a base URL, such as https://loopin.example.com."

SHORTEST_KEY = 32
LONGEST_REVIEWER = 100
# RFC 6761, and the names of loopback in the hosts files of Linux distributions.
_THIS_MACHINE = re.compile(
    r"(?:.*\.)?(?:localhost|localhost\.localdomain|localhost[46]|localhost[46]\.localdomain[46]"
    r"|ip6-localhost|ip6-loopback)",
    re.IGNORECASE,
)
# Names that the API uses for itself, for unnamed people, and for channels.
_TAKEN = frozenset(
    ("anonymous", "api", "apikey", "inbox", "loopin", "mcp", "reviewlink", "reviewpage", "system")
)
# What YAML and JSON make of a switch that somebody wrote without quotes.
_SWITCHES = dict.fromkeys(("0", "false", "no", "n"), "off") | dict.fromkeys(
    ("1", "true", "yes", "y"), "on"
)
_SECONDS = re.compile(r"[0-9]*\.?[0-9]+")
MAKE_ONE = "python3 -c 'import secrets; print(secrets.token_urlsafe(32))' makes one."


def is_loopback(host: str) -> bool:
    """Whether a host is this machine, by an address that no other machine can reach."""
    address = _address_of(host)
    return host == "localhost" or (address is not None and address.is_loopback)


def is_any_address(host: str) -> bool:
    """Whether a host is 0.0.0.0 or ::, where a connection leads to this machine."""
    address = _address_of(host)
    return address is not None and address.is_unspecified


def _address_of(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address


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

    Over plain http, the key goes to whoever listens. A name such as localhost leads to 127.0.0.1
    and to ::1, where another user may listen.

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


def checked_key(variable: str, value: str) -> str:
    """An API key that can travel in a header.

    Raises:
        ConfigurationError: It holds spaces, line breaks or characters outside ASCII.
    """
    if not value.isascii() or not value.isprintable() or " " in value:
        raise ConfigurationError(
            f"{variable} must be printable ASCII without spaces or line breaks: copy the key again."
        )
    return value


def checked_audit_keys(variable: str, value: str) -> tuple[str, ...]:
    """The keys in a variable, separated by commas; only the first must be long.

    Raises:
        ConfigurationError: The first could be guessed, or one cannot be used.
    """
    keys = tuple(checked_key(variable, key.strip()) for key in value.split(",") if key.strip())
    if not keys or len(keys[0]) < SHORTEST_KEY:
        raise ConfigurationError(
            f"{variable} must begin with a key of {SHORTEST_KEY} characters or more. {MAKE_ONE}"
        )
    return keys


def checked_signing_secret(variable: str, value: str) -> bytes:
    """The bytes of a Standard Webhooks secret: `whsec_` and the base64 of 24 to 64 bytes.

    Raises:
        ConfigurationError: It does not have this form.
    """
    prefix, encoded = value[:6], value[6:]
    try:
        secret = base64.b64decode(encoded, validate=True)
    except ValueError:
        secret = b""
    if prefix != "whsec_" or not 24 <= len(secret) <= 64:
        raise ConfigurationError(
            f"{variable} must be whsec_ and the base64 of 24 to 64 random bytes, such as "
            'echo "whsec_$(openssl rand -base64 32)" prints.'
        )
    return secret


def checked_seconds(variable: str, value: str) -> float:
    """A number of seconds."""
    # float() would also read underscores, and the digits of other scripts.
    seconds = float(value) if _SECONDS.fullmatch(value) else math.nan
    if not 0 < seconds <= 86_400:
        raise ConfigurationError(
            f"{variable} must be a number of seconds, more than 0 and at most 86400: {value!r}."
        )
    return seconds


def whole_number(name: str, least: int, most: int) -> Callable[[str, str], int]:
    """A parser of integers from `least` to `most`, which its errors call `name`."""

    def parse(variable: str, value: str) -> int:
        is_number = value.isascii() and value.isdigit() and len(value) <= len(str(most))
        if not is_number or not least <= int(value) <= most:
            raise ConfigurationError(
                f"{variable} must be {name} from {least} to {most}: {value!r}."
            )
        return int(value)

    return parse


def checked_callback_allow(variable: str, value: str) -> tuple[Network | Literal["public"], ...]:
    """Where callbacks may go: networks, addresses and `public`; empty if the value is `off`."""
    words = value.replace(",", " ").lower().split()
    if [_SWITCHES.get(word, word) for word in words] == ["off"]:
        return ()
    try:
        return tuple("public" if word == "public" else ipaddress.ip_network(word) for word in words)
    except ValueError as error:
        raise ConfigurationError(
            f"{variable} must be off, or list networks such as 10.1.0.0/16 or 192.168.1.7, and "
            f"public for all public addresses: {error}."
        ) from error


def one_of(choices: object) -> Callable[[str, str], object]:
    """A parser that accepts the values of a `Literal`, in any case; `false` means `off`."""

    def parse(variable: str, value: str) -> str:
        *others, last = get_args(choices)
        choice = _SWITCHES.get(value.lower(), value.lower())
        if choice not in (*others, last):
            raise ConfigurationError(
                f"{variable} must be {', '.join(others)} or {last}: {value!r}."
            )
        return choice

    return parse


def any_text(_variable: str, value: str) -> str:
    """Any text."""
    return value


def checked_urls(variable: str, value: str) -> str:
    """URLs that may hold secrets; their schemes are checked where they are used.

    Raises:
        ConfigurationError: One holds a placeholder.
    """
    refuse_braces(variable, value)
    path = value.removeprefix("sqlite:///")
    if path != value:
        refuse_placeholder(variable, path)
        if path.startswith("~"):
            raise ConfigurationError(f"{variable} must be sqlite:/// and a path without ~.")
    return value


def checked_name(variable: str, value: str) -> str:
    """A name that the API accepts as an agent or user id."""
    if len(value) > LONGEST_NAME or "\0" in value:
        raise ConfigurationError(f"{variable} must be at most {LONGEST_NAME} characters.")
    return value


def checked_directory(variable: str, value: str) -> Path:
    """The path of a directory, which may begin with `~`.

    Raises:
        ConfigurationError: It is relative, so that every program would use another directory.
    """
    try:
        path = Path(value).expanduser()
    except RuntimeError as error:
        raise ConfigurationError(
            f"{variable} begins with the home of an unknown user: {value!r}."
        ) from error
    if not path.is_absolute():
        raise ConfigurationError(
            f"{variable} must be an absolute path, or begin with ~/: {value!r}."
        )
    return path


def checked_reviewers(variable: str, value: str) -> Mapping[str, str]:
    """The keys of reviewers by their names, written `name=key,name=key`.

    Raises:
        ConfigurationError: A name looks like another, a key could be guessed, or there are none.
    """
    reviewers: dict[str, str] = {}
    entries = [entry.strip() for entry in value.split(",") if entry.strip()]
    for number, entry in enumerate(entries, 1):
        name, _, key = (part.strip() for part in entry.partition("="))
        # A key without a name may end in equals signs.
        if not name or not key.strip("="):
            raise ConfigurationError(f"{variable}: entry {number} must be name=key.")
        # A name as long as a key may be a misplaced key, so it is not shown.
        is_name = len(name) < SHORTEST_KEY and name.isprintable()
        who = name if is_name else f"entry {number}"
        refuse_placeholder(f"{variable}: the key of {who}", key, secret=True)
        if remedy := _remedy(name, key, reviewers):
            raise ConfigurationError(f"{variable}: {who} {remedy}")
        reviewers[name] = checked_key(f"{variable}: the key of {who}", key)
    if not reviewers:
        raise ConfigurationError(f"{variable} has no reviewers: set it to name=key,name=key.")
    return reviewers


def refuse_shared_key(reviewers: Mapping[str, str], api_key: str | None) -> None:
    """Refuse a reviewer's key that is also the agents' key.

    Raises:
        ConfigurationError: A reviewer has the agents' key.
    """
    for name, key in reviewers.items():
        if key == api_key:
            raise ConfigurationError(
                f"REVIEWER_KEYS: {name} has the agents' key, API_KEY_SECRET: give them a key of "
                f"their own. {MAKE_ONE}"
            )


def _remedy(name: str, key: str, others: Mapping[str, str]) -> str | None:
    """What is wrong with an entry and how to correct it, or None."""
    if len(name) > LONGEST_REVIEWER or not name.isprintable():
        return f"needs a name of at most {LONGEST_REVIEWER} printable characters."
    if re.sub(r"[\W_]", "", _folded(name)) in _TAKEN:
        return "is a name that the API uses itself: choose another."
    if _folded(name) in map(_folded, others):
        return "appears twice: give each reviewer a different name."
    if mark := re.search("[;\"'`]", key):
        return f"has a key with {mark[0]} in it: separate reviewers by commas, without quotes."
    if len(key) < SHORTEST_KEY:
        return f"needs a key of {SHORTEST_KEY} characters or more. {MAKE_ONE}"
    if key in others.values():
        return f"has the key of another reviewer: give them a key of their own. {MAKE_ONE}"
    return None


def _folded(name: str) -> str:
    """The name in a form in which names that look alike are equal."""
    return unicodedata.normalize("NFKC", name).casefold()
