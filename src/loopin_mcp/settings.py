"""The settings, and the only reader of the environment."""

import getpass
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Literal, Self, get_args
from urllib.parse import urlsplit

import platformdirs

from loopin_mcp.errors import ConfigurationError

TOOLS = (
    "create_interrupt",
    "get_interrupt_status",
    "list_pending_interrupts",
    "decide_interrupt",
    "cancel_interrupt",
    "get_interrupt_analytics",
)

Confirm = Literal["auto", "off", "required"]

LONGEST_NAME = 200

_URL_REMEDY = "Set it to the address of the LoopIn API, such as https://loopin.example.com."


def checked_base_url(variable: str, value: str) -> str:
    """The base URL a variable names, without a trailing slash.

    Raises:
        ConfigurationError: It is not http(s), has no host, or holds credentials or a query.
    """
    try:
        parts = urlsplit(value)
        port = parts.port
    except ValueError:
        raise ConfigurationError(f"{variable} is not a URL. {_URL_REMEDY}") from None
    if parts.scheme not in ("http", "https") or not parts.hostname or port == 0:
        raise ConfigurationError(f"{variable} must be an http or https URL. {_URL_REMEDY}")
    if "@" in parts.netloc:
        raise ConfigurationError(
            f"{variable} must not hold a user name or password: take them out and put the key "
            "into LOOPIN_API_KEY."
        )
    if any(mark in value for mark in "?# ") or not value.isascii() or not value.isprintable():
        raise ConfigurationError(
            f"{variable} must be a base URL in ASCII, without query and spaces. {_URL_REMEDY}"
        )
    return value.rstrip("/")


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


def _seconds(variable: str, value: str) -> float:
    try:
        seconds = float(value)
    except ValueError:
        seconds = math.nan
    if not 0 < seconds <= 86_400:
        raise ConfigurationError(f"{variable} must be a number of seconds, more than 0: {value!r}.")
    return seconds


def _port(variable: str, value: str) -> int:
    if not (value.isascii() and value.isdigit() and len(value) <= 5 and int(value) <= 65_535):
        raise ConfigurationError(f"{variable} must be a port number from 0 to 65535: {value!r}.")
    return int(value)


def _tools(variable: str, value: str) -> tuple[str, ...]:
    names = tuple(dict.fromkeys(name.strip() for name in value.split(",") if name.strip()))
    unknown = [name for name in names if name not in TOOLS]
    if unknown or not names:
        raise ConfigurationError(
            f"{variable} names no tool of this server: {', '.join(unknown) or value!r}. "
            f"Use a comma-separated list of {', '.join(TOOLS)}."
        )
    return names


def _confirm(variable: str, value: str) -> str:
    if value not in get_args(Confirm):
        raise ConfigurationError(f"{variable} must be auto, off or required: {value!r}.")
    return value


def _text(_variable: str, value: str) -> str:
    return value


def _name(variable: str, value: str) -> str:
    if len(value) > LONGEST_NAME or "\0" in value:
        raise ConfigurationError(f"{variable} must be at most {LONGEST_NAME} characters.")
    return value


def _directory(variable: str, value: str) -> Path:
    try:
        return Path(value).expanduser().absolute()
    except RuntimeError as error:
        raise ConfigurationError(f"{variable} names no known user's home: {value!r}.") from error


def _setting(
    variable: str,
    meaning: str,
    parse: Callable[[str, str], object],
    default: Any = None,  # noqa: ANN401 - typed by the field it is for
    shown: str = "",
    *,
    secret: bool = False,
) -> Any:  # noqa: ANN401 - typed by the field it is for
    return field(
        default=default,
        repr=not secret,
        metadata={"variable": variable, "meaning": meaning, "parse": parse, "shown": shown},
    )


@dataclass(frozen=True)
class Settings:
    """Every setting, with its variable, meaning and default; see `Settings.load`."""

    api_url: str | None = _setting(
        "LOOPIN_API_URL",
        "The LoopIn API to use. Unset: the embedded one",
        checked_base_url,
    )
    api_key: str | None = _setting(
        "LOOPIN_API_KEY", "Key sent to that API as `X-API-Key`", checked_key, secret=True
    )
    user_id: str | None = _setting(
        "LOOPIN_USER_ID",
        "The human to ask when a call names none",
        _name,
        shown="embedded API: the login name",
    )
    agent_id: str | None = _setting(
        "LOOPIN_AGENT_ID",
        "The name the agent asks under when a call names none",
        _name,
        shown="the MCP client's name",
    )
    tools: tuple[str, ...] = _setting(
        "LOOPIN_TOOLS", "Tools to offer, separated by commas", _tools, TOOLS, shown="all six"
    )
    confirm: Confirm = _setting(
        "LOOPIN_CONFIRM",
        "Whether decide_interrupt asks in the host first: `auto` where it can, `off` or `required`",
        _confirm,
        "auto",
    )
    max_wait_s: float = _setting(
        "LOOPIN_MAX_WAIT",
        "Longest wait of one get_interrupt_status call, in seconds",
        _seconds,
        45.0,
    )
    timeout_s: float = _setting(
        "LOOPIN_TIMEOUT", "Seconds the API has to answer, beyond any wait", _seconds, 10.0
    )
    data_dir: Path = _setting(
        "LOOPIN_DATA_DIR",
        "Where SQLite databases and the embedded API's key are kept",
        _directory,
        Path(platformdirs.user_data_dir("loopin-mcp", appauthor=False)),
        shown="the platform's data directory",
    )
    port: int = _setting("PORT", "Port the API listens on", _port, 3002)
    host: str = _setting("HOST", "Address `loopin-mcp api` listens on", _text, "127.0.0.1")
    public_url: str | None = _setting(
        "LOOPIN_BASE_URL",
        "Public base of the review links",
        checked_base_url,
        shown="the address it serves on",
    )
    api_key_secret: str | None = _setting(
        "API_KEY_SECRET",
        "Key that `loopin-mcp api` requires of its callers",
        checked_key,
        secret=True,
    )
    database_url: str | None = _setting(
        "DATABASE_URL",
        "Database of `loopin-mcp api`: `sqlite:///path` or `postgresql://…`",
        _text,
        shown="SQLite in the data directory",
        secret=True,
    )
    notify: str | None = _setting(
        "LOOPIN_NOTIFY",
        "Where the API tells humans of interrupts: Apprise URLs, separated by spaces or commas",
        _text,
        secret=True,
    )
    notify_high: str | None = _setting(
        "LOOPIN_NOTIFY_HIGH",
        "Where it tells those of high urgency instead",
        _text,
        shown="`LOOPIN_NOTIFY`",
        secret=True,
    )

    @classmethod
    def load(cls, environment: Mapping[str, str]) -> Self:
        """The settings an environment holds; an empty variable counts as unset.

        Raises:
            ConfigurationError: A value cannot be used; the message names the variable.
        """
        values = {}
        for setting in fields(cls):
            variable = setting.metadata["variable"]
            if text := environment.get(variable, "").strip():
                values[setting.name] = setting.metadata["parse"](variable, text)
        return cls(**values)

    @classmethod
    def secret_variables(cls) -> list[str]:
        """The variables whose values nobody else should see."""
        return [setting.metadata["variable"] for setting in fields(cls) if not setting.repr]

    @property
    def default_user_id(self) -> str | None:
        """The human to ask when a call names none, or None where the caller must say."""
        if self.user_id or self.api_url:
            return self.user_id
        try:
            return getpass.getuser()
        except (OSError, KeyError, ImportError):
            return None
