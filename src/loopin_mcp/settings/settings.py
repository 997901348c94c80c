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
    checked_directory,
    checked_key,
    checked_name,
    checked_networks,
    checked_reviewers,
    checked_seconds,
    checked_signing_secret,
    one_of,
    refuse_shared_key,
    whole_number,
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
_COUNT = whole_number("a whole number", 1, 999_999_999)


def _tools(variable: str, value: str) -> tuple[str, ...]:
    names = tuple(dict.fromkeys(name.strip() for name in value.split(",") if name.strip()))
    unknown = [name for name in names if name not in TOOLS]
    if unknown or not names:
        raise ConfigurationError(
            f"{variable} has unknown tools: {', '.join(unknown) or value!r}. "
            f"Use a comma-separated list of {', '.join(TOOLS)}."
        )
    return names


def _setting(
    variable: str,
    parse: Callable[[str, str], object],
    default: Any = None,  # noqa: ANN401 - typed by the field it is for
    *,
    secret: bool = False,
) -> Any:  # noqa: ANN401 - typed by the field it is for
    metadata = {"variable": variable, "parse": parse}
    return field(default=default, repr=not secret, metadata=metadata)


@dataclass(frozen=True)
class Settings:
    """Every setting, with its variable and default; docs/settings.md says what each means."""

    api_url: str | None = _setting("LOOPIN_API_URL", checked_base_url)
    api_key: str | None = _setting("LOOPIN_API_KEY", checked_key, secret=True)
    user_id: str | None = _setting("LOOPIN_USER_ID", checked_name)
    agent_id: str | None = _setting("LOOPIN_AGENT_ID", checked_name)
    tools: tuple[str, ...] = _setting("LOOPIN_TOOLS", _tools, TOOLS)
    confirm: Confirm = _setting("LOOPIN_CONFIRM", one_of(Confirm), "auto")
    max_wait_s: float = _setting("LOOPIN_MAX_WAIT", checked_seconds, 45.0)
    timeout_s: float = _setting("LOOPIN_TIMEOUT", checked_seconds, 10.0)
    data_dir: Path = _setting(
        "LOOPIN_DATA_DIR",
        checked_directory,
        Path(platformdirs.user_data_dir("loopin-mcp", appauthor=False)),
    )
    port: int = _setting("PORT", whole_number("a port number", 0, 65_535), 3002)
    host: str = _setting("HOST", any_text, "127.0.0.1")
    public_url: str | None = _setting("LOOPIN_BASE_URL", checked_base_url)
    api_key_secret: str | None = _setting("API_KEY_SECRET", checked_key, secret=True)
    reviewer_keys: Mapping[str, str] | None = _setting(
        "REVIEWER_KEYS", checked_reviewers, secret=True
    )
    rate_limit: int = _setting("RATE_LIMIT", _COUNT, DEFAULT_RATE_LIMIT)
    callback_secret: bytes | None = _setting("CALLBACK_SECRET", checked_signing_secret, secret=True)
    callback_allow: tuple[Network, ...] = _setting("CALLBACK_ALLOW", checked_networks, ())
    retention_days: int | None = _setting("RETENTION_DAYS", _COUNT)
    database_url: str | None = _setting("DATABASE_URL", any_text, secret=True)
    notify: str | None = _setting("LOOPIN_NOTIFY", any_text, secret=True)
    notify_high: str | None = _setting("LOOPIN_NOTIFY_HIGH", any_text, secret=True)
    # `load` uses "auto" instead. Settings made in Python do not open a browser.
    open_review: OpenReview = _setting("LOOPIN_OPEN_REVIEW", one_of(OpenReview), "off")

    @classmethod
    def load(cls, environment: Mapping[str, str]) -> Self:
        """The settings in an environment; an empty variable counts as unset.

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
        """The human to ask if a call names none; None if the call has to name one."""
        if self.user_id or self.api_url:
            return self.user_id
        try:
            return getpass.getuser()
        except (OSError, KeyError, ImportError):
            return None
