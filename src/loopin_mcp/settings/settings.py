"""The settings, and the only reader of the environment."""

import getpass
import logging
from collections.abc import Callable, Mapping
from dataclasses import Field, dataclass, field, fields
from pathlib import Path
from typing import Any, Literal, Self

from loopin_mcp.desktop import has_desktop
from loopin_mcp.errors import ConfigurationError
from loopin_mcp.settings.base_urls import checked_api_url, checked_base_url
from loopin_mcp.settings.data_dir import default_data_dir
from loopin_mcp.settings.placeholders import refuse_placeholder, refuse_quotes
from loopin_mcp.settings.reviewers import checked_reviewers, refuse_shared_key
from loopin_mcp.settings.values import (
    Network,
    any_text,
    checked_audit_keys,
    checked_callback_allow,
    checked_directory,
    checked_key,
    checked_name,
    checked_reasons,
    checked_seconds,
    checked_signing_secret,
    checked_urls,
    one_of,
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
# Tools for hosts, which are not for models.
GATE_TOOLS = ("permission_prompt", "gate_call")
# VS Code and Copilot CLI end a hook after 30 seconds by default.
DEFAULT_GATE_TIMEOUT_S = 25

DEFAULT_RATE_LIMIT = 120
DEFAULT_REASONS = ("Not now", "Wrong values", "Ask me first")

Confirm = Literal["auto", "off", "required"]
Switch = Literal["auto", "on", "off"]
LogFormat = Literal["text", "json"]
LogLevel = Literal["debug", "info", "warning", "error"]
# The programs that read settings: "mcp_http" is the MCP server over HTTP, "embedded" are commands
# about the data of the embedded API.
Reader = Literal["mcp_server", "mcp_http", "api", "embedded"]
_MCP_SERVER: tuple[Reader, ...] = ("mcp_server", "mcp_http")
_MCP_HTTP: tuple[Reader, ...] = ("mcp_http",)
_API: tuple[Reader, ...] = ("api",)
# What others connect to.
_SERVERS: tuple[Reader, ...] = (*_MCP_HTTP, *_API)
_TOOLS: tuple[Reader, ...] = (*_MCP_SERVER, *_API)
_EVERY_API: tuple[Reader, ...] = (*_TOOLS, "embedded")
_PREFIX = "LOOPIN_"
_PORT = whole_number("a port number", 0, 65_535)
_COUNT = whole_number("a whole number", 1, 999_999_999)

logger = logging.getLogger("loopin_mcp")


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
    readers: tuple[Reader, ...] = _EVERY_API,
    plain: bool | str = False,
    plain_readers: tuple[Reader, ...] = _API,
    secret: bool = False,
    always: bool = False,
) -> Any:  # noqa: ANN401 - typed by the field it is for
    """A setting; if it is `plain`, its `plain_readers` also read its name without the prefix.

    If it is for `always`, an MCP server reads it also with LOOPIN_API_URL.
    """
    plain_name = variable.removeprefix(_PREFIX) if plain is True else plain or None
    metadata = {"variable": variable, "parse": parse, "readers": readers, "plain": plain_name}
    metadata |= {"plain_readers": plain_readers, "always": always}
    return field(default=default, repr=not secret, metadata=metadata)


@dataclass(frozen=True)
class Settings:
    """Every setting, with its variable and default; docs/settings.md says what each means."""

    api_url: str | None = _setting("LOOPIN_API_URL", checked_api_url, readers=_MCP_SERVER)
    api_key: str | None = _setting("LOOPIN_API_KEY", checked_key, readers=_MCP_SERVER, secret=True)
    mcp_token: str | None = _setting(
        "LOOPIN_MCP_TOKEN", checked_key, readers=_MCP_HTTP, secret=True
    )
    mcp_port: int = _setting(
        "LOOPIN_MCP_PORT", _PORT, 3003, readers=_MCP_HTTP, plain="PORT", plain_readers=_MCP_HTTP
    )
    user_id: str | None = _setting("LOOPIN_USER_ID", checked_name, readers=_TOOLS)
    agent_id: str | None = _setting("LOOPIN_AGENT_ID", checked_name, readers=_TOOLS)
    tools: tuple[str, ...] = _setting("LOOPIN_TOOLS", _tools, TOOLS, readers=_TOOLS)
    confirm: Confirm = _setting("LOOPIN_CONFIRM", one_of(Confirm), "auto", readers=_TOOLS)
    gate: Switch = _setting("LOOPIN_GATE", one_of(Switch), "auto", readers=_MCP_SERVER)
    max_wait_s: float = _setting("LOOPIN_MAX_WAIT", checked_seconds, 45.0, readers=_TOOLS)
    timeout_s: float = _setting("LOOPIN_TIMEOUT", checked_seconds, 10.0, readers=_MCP_SERVER)
    data_dir: Path = _setting("LOOPIN_DATA_DIR", checked_directory, default_data_dir({}))
    port: int = _setting("LOOPIN_PORT", _PORT, 3002, plain=True)
    metrics_port: int | None = _setting("LOOPIN_METRICS_PORT", _PORT, readers=_API, plain=True)
    host: str = _setting(
        "LOOPIN_HOST",
        any_text,
        "127.0.0.1",
        readers=_SERVERS,
        plain=True,
        plain_readers=_SERVERS,
    )
    public_url: str | None = _setting("LOOPIN_BASE_URL", checked_base_url)
    api_key_secret: str | None = _setting(
        "LOOPIN_API_KEY_SECRET", checked_key, readers=_API, plain=True, secret=True
    )
    audit_keys: tuple[str, ...] = _setting(
        "LOOPIN_AUDIT_KEY", checked_audit_keys, (), plain=True, secret=True
    )
    reviewer_keys: Mapping[str, str] | None = _setting(
        "LOOPIN_REVIEWER_KEYS", checked_reviewers, plain=True, secret=True
    )
    rate_limit: int = _setting("LOOPIN_RATE_LIMIT", _COUNT, DEFAULT_RATE_LIMIT, plain=True)
    callback_secret: bytes | None = _setting(
        "LOOPIN_CALLBACK_SECRET", checked_signing_secret, plain=True, secret=True
    )
    callback_allow: tuple[Network | Literal["public"], ...] | None = _setting(
        "LOOPIN_CALLBACK_ALLOW", checked_callback_allow, plain=True
    )
    retention_days: int | None = _setting("LOOPIN_RETENTION_DAYS", _COUNT, plain=True)
    reject_reasons: tuple[str, ...] = _setting(
        "LOOPIN_REJECT_REASONS", checked_reasons, DEFAULT_REASONS, plain=True
    )
    database_url: str | None = _setting(
        "LOOPIN_DATABASE_URL", checked_urls, readers=_API, plain=True, secret=True
    )
    notify: str | None = _setting("LOOPIN_NOTIFY", checked_urls, secret=True)
    notify_high: str | None = _setting("LOOPIN_NOTIFY_HIGH", checked_urls, secret=True)
    log_format: LogFormat = _setting("LOOPIN_LOG_FORMAT", one_of(LogFormat), "text", always=True)
    log_level: LogLevel = _setting("LOOPIN_LOG_LEVEL", one_of(LogLevel), "info", always=True)
    # `load` uses "auto" instead. Settings made in Python do not open a browser.
    open_review: Switch = _setting("LOOPIN_OPEN_REVIEW", one_of(Switch), "off")

    @classmethod
    def load(cls, environment: Mapping[str, str], reader: Reader = "mcp_server") -> Self:
        """The settings of a program; an empty variable counts as unset.

        With LOOPIN_API_URL, an MCP server reads none of the settings of an API.

        Raises:
            ConfigurationError: A value cannot be used; the message names the variable.
        """
        values: dict[str, Any] = {}
        for setting in fields(cls):
            readers = setting.metadata["readers"]
            is_of_api = readers == _EVERY_API and not setting.metadata["always"]
            is_idle = "api_url" in values and is_of_api
            if reader in readers and not is_idle:
                variable, text = _given(setting, environment, reader)
                if text:
                    refuse_quotes(variable, text)
                    refuse_placeholder(variable, text, secret=not setting.repr)
                    values[setting.name] = setting.metadata["parse"](variable, text)
        if values.setdefault("open_review", "auto") == "auto" and not has_desktop(environment):
            values["open_review"] = "off"
        # An MCP server with LOOPIN_API_URL keeps no data.
        if "api_url" not in values:
            values.setdefault("data_dir", default_data_dir(environment))
        settings = cls(**values)
        refuse_shared_key(settings.reviewer_keys or {}, settings.api_key_secret)
        return settings

    @classmethod
    def secret_variables(cls) -> list[str]:
        """The variables whose values nobody else should see."""
        return [name for setting in fields(cls) if not setting.repr for name in _names(setting)]

    @classmethod
    def all_variables(cls) -> list[str]:
        """All variables, also under the names that only servers read."""
        return [name for setting in fields(cls) for name in _names(setting)]

    @property
    def default_user_id(self) -> str | None:
        """The human to ask if a call names none; None if the call has to name one."""
        if self.user_id or self.api_url:
            return self.user_id
        try:
            return getpass.getuser()
        except (OSError, KeyError, ImportError):
            return None


def _names(setting: Field[Any]) -> list[str]:
    """The names of a setting: one that every program reads, and perhaps a plain one."""
    return list(filter(None, (setting.metadata["variable"], setting.metadata["plain"])))


def _given(setting: Field[Any], environment: Mapping[str, str], reader: Reader) -> tuple[str, str]:
    """The variable that gives a setting, and its text; the name with the prefix comes first.

    Raises:
        ConfigurationError: Only the plain name is given, and ignoring it would let others decide.
    """
    variable, *plain = _names(setting)
    text = environment.get(variable, "").strip()
    plain_text = environment.get(plain[0], "").strip() if plain else ""
    if text or not plain_text:
        return variable, text
    if reader in setting.metadata["plain_readers"]:
        return plain[0], plain_text
    if reader in _MCP_SERVER and variable == "LOOPIN_REVIEWER_KEYS":
        raise ConfigurationError(
            "REVIEWER_KEYS is read by `loopin-mcp api` only, and without reviewers anyone with a "
            "link can decide: set LOOPIN_REVIEWER_KEYS instead, or unset REVIEWER_KEYS."
        )
    if reader in _MCP_SERVER and not setting.repr:
        logger.warning("%s is not read here. If it is for LoopIn, name it %s", plain[0], variable)
    return variable, ""
