"""Checks of single settings; their errors name the variable."""

import base64
import ipaddress
import math
import re
from collections.abc import Callable
from pathlib import Path
from typing import Literal, get_args

from loopin_mcp.errors import ConfigurationError
from loopin_mcp.settings.placeholders import refuse_braces, refuse_placeholder

LONGEST_NAME = 200
# Of the reasons to reject that a page offers as buttons.
MOST_REASONS = 3
LONGEST_REASON = 100

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

SHORTEST_KEY = 32
# What YAML and JSON make of a switch that somebody wrote without quotes.
_SWITCHES = dict.fromkeys(("0", "false", "no", "n"), "off") | dict.fromkeys(
    ("1", "true", "yes", "y"), "on"
)
_SECONDS = re.compile(r"[0-9]*\.?[0-9]+")
MAKE_ONE = "python3 -c 'import secrets; print(secrets.token_urlsafe(32))' makes one."


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


def checked_reasons(variable: str, value: str) -> tuple[str, ...]:
    """Reasons, separated by semicolons or line breaks; none if the value is `off`.

    Raises:
        ConfigurationError: There are too many, or one is too long for a button.
    """
    if _SWITCHES.get(value.lower(), value.lower()) == "off":
        return ()
    parts = value.replace("\n", ";").split(";")
    reasons = tuple(dict.fromkeys(part.strip() for part in parts if part.strip()))
    if len(reasons) > MOST_REASONS or any(len(each) > LONGEST_REASON for each in reasons):
        raise ConfigurationError(
            f"{variable} must have at most {MOST_REASONS} reasons of at most {LONGEST_REASON} "
            "characters, separated by semicolons."
        )
    return reasons


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
