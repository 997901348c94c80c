"""The settings, and the only reader of the environment."""

import getpass
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Literal, Self

import platformdirs

from loopin_mcp.desktop import has_desktop
from loopin_mcp.errors import ConfigurationError
from loopin_mcp.settings.values import (
    Network,
    any_text,
    checked_base_url,
    checked_count,
    checked_directory,
    checked_key,
    checked_name,
    checked_networks,
    checked_port,
    checked_reviewers,
    checked_seconds,
    checked_signing_secret,
    one_of,
    refuse_shared_key,
)

TOOLS = (
    "create_interrupt",
    "get_interrupt_status",
    "list_pending_interrupts",
    "decide_interrupt",
    "cancel_interrupt",
    "get_interrupt_analytics",
)

DEFAULT_RATE_LIMIT = 120

Confirm = Literal["auto", "off", "required"]
OpenReview = Literal["auto", "on", "off"]


def _tools(variable: str, value: str) -> tuple[str, ...]:
    names = tuple(dict.fromkeys(name.strip() for name in value.split(",") if name.strip()))
    unknown = [name for name in names if name not in TOOLS]
    if unknown or not names:
        raise ConfigurationError(
            f"{variable} names no tool of this server: {', '.join(unknown) or value!r}. "
            f"Use a comma-separated list of {', '.join(TOOLS)}."
        )
    return names


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
        checked_name,
        shown="embedded API: the login name",
    )
    agent_id: str | None = _setting(
        "LOOPIN_AGENT_ID",
        "The name the agent asks under when a call names none",
        checked_name,
        shown="the MCP client's name",
    )
    tools: tuple[str, ...] = _setting(
        "LOOPIN_TOOLS", "Tools to offer, separated by commas", _tools, TOOLS, shown="all six"
    )
    confirm: Confirm = _setting(
        "LOOPIN_CONFIRM",
        "Whether decide_interrupt asks in the host first: `auto` where it can, `off` or `required`",
        one_of(Confirm),
        "auto",
    )
    max_wait_s: float = _setting(
        "LOOPIN_MAX_WAIT",
        "Longest wait of one get_interrupt_status call, in seconds",
        checked_seconds,
        45.0,
    )
    timeout_s: float = _setting(
        "LOOPIN_TIMEOUT", "Seconds the API has to answer, beyond any wait", checked_seconds, 10.0
    )
    data_dir: Path = _setting(
        "LOOPIN_DATA_DIR",
        "Where SQLite databases and the embedded API's key are kept",
        checked_directory,
        Path(platformdirs.user_data_dir("loopin-mcp", appauthor=False)),
        shown="the platform's data directory",
    )
    port: int = _setting("PORT", "Port the API listens on", checked_port, 3002)
    host: str = _setting("HOST", "Address `loopin-mcp api` listens on", any_text, "127.0.0.1")
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
    reviewer_keys: Mapping[str, str] | None = _setting(
        "REVIEWER_KEYS",
        "Keys of those who alone may decide: `name=key,name=key`, of 32 characters or more each",
        checked_reviewers,
        shown="none: whoever has the key or the link",
        secret=True,
    )
    rate_limit: int = _setting(
        "RATE_LIMIT",
        "Most interrupts that one key may create in a minute",
        checked_count,
        DEFAULT_RATE_LIMIT,
    )
    callback_secret: bytes | None = _setting(
        "CALLBACK_SECRET",
        "Secret that callbacks are signed with (Standard Webhooks): `whsec_` and base64",
        checked_signing_secret,
        shown="none: not signed",
        secret=True,
    )
    callback_allow: tuple[Network, ...] = _setting(
        "CALLBACK_ALLOW",
        "Networks that callbacks may go to besides public addresses, separated by commas",
        checked_networks,
        (),
        shown="none",
    )
    retention_days: int | None = _setting(
        "RETENTION_DAYS",
        "Days after which a settled interrupt is deleted with its events",
        checked_count,
        shown="none: kept for good",
    )
    database_url: str | None = _setting(
        "DATABASE_URL",
        "Database of `loopin-mcp api`: `sqlite:///path` or `postgresql://…`",
        any_text,
        shown="SQLite in the data directory",
        secret=True,
    )
    notify: str | None = _setting(
        "LOOPIN_NOTIFY",
        "Where the API tells humans of interrupts: Apprise URLs, separated by spaces or commas",
        any_text,
        secret=True,
    )
    notify_high: str | None = _setting(
        "LOOPIN_NOTIFY_HIGH",
        "Where it tells those of high urgency instead",
        any_text,
        shown="`LOOPIN_NOTIFY`",
        secret=True,
    )
    # Settings that are not loaded open nothing: only the environment tells of a desktop.
    open_review: OpenReview = _setting(
        "LOOPIN_OPEN_REVIEW",
        "Whether the inbox opens in the browser: `auto` (embedded API on a desktop), `on` or `off`",
        one_of(OpenReview),
        "off",
        shown="`auto`",
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
        if values.setdefault("open_review", "auto") == "auto" and not has_desktop(environment):
            values["open_review"] = "off"
        settings = cls(**values)
        refuse_shared_key(settings.reviewer_keys or {}, settings.api_key_secret)
        return settings

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
