"""Checks how people are notified: by a browser on this machine, and by notifications."""

import webbrowser
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing, suppress
from pathlib import Path

from loopin_mcp.api.database.read_only import SQLiteArchive
from loopin_mcp.api.outbox.channels import load_channels, reached
from loopin_mcp.api.outbox.pushes import count_devices
from loopin_mcp.commands.doctor.checks import Finding, problem
from loopin_mcp.desktop import has_desktop
from loopin_mcp.errors import ConfigurationError, UnavailableError
from loopin_mcp.settings.data_dir import EMBEDDED_FILE
from loopin_mcp.settings.settings import Settings

BROWSER, NOTIFICATIONS = "Browser", "Notifications"
_CORRECT = "Correct it and run `loopin-mcp notify`."


def check_browser(environment: Mapping[str, str]) -> Sequence[Finding]:
    """Whether pages can be opened here."""
    if not has_desktop(environment):
        found = "this session has no desktop, so links are printed"
        return [Finding(BROWSER, "pass", found)]
    try:
        webbrowser.get()
    except webbrowser.Error:
        return [
            Finding(
                BROWSER,
                "warning",
                "a desktop without a browser that Python finds",
                "Install a browser, or set BROWSER to its command.",
            )
        ]
    return [Finding(BROWSER, "pass", "a desktop with a browser")]


def check_notifications(
    settings: Settings, notifying_hosts: Callable[[], Sequence[str]] = list
) -> Sequence[Finding]:
    """Whether the notifications are configured correctly, here or in a host; sends none."""
    if settings.api_url:
        return [Finding(NOTIFICATIONS, "pass", "sent by the API at LOOPIN_API_URL")]
    try:
        channels = load_channels(settings.notify, settings.notify_high)
    except ConfigurationError as error:
        return [problem(NOTIFICATIONS, error, _CORRECT)]
    devices = _devices(settings.data_dir / EMBEDDED_FILE)
    if channels is not None or devices:
        found = reached(channels, devices)
        found += "; `loopin-mcp notify` sends a test" if channels else ""
        return [Finding(NOTIFICATIONS, "pass", found)]
    if hosts := notifying_hosts():
        return [Finding(NOTIFICATIONS, "pass", f"LOOPIN_NOTIFY is set in {', '.join(hosts)}")]
    if settings.open_review != "off":
        return [Finding(NOTIFICATIONS, "pass", "none; the inbox opens in the browser")]
    return [
        Finding(
            NOTIFICATIONS,
            "warning",
            "none, and the inbox does not open by itself, so held calls wait unnoticed",
            "Keep `loopin-mcp inbox --no-browser` open in a terminal. Or set LOOPIN_NOTIFY to an "
            "Apprise URL (docs/notifications.md) in the env of LoopIn's entry in each host, and "
            "run `loopin-mcp install`, which gives it to the gate too.",
        )
    ]


def faults_of_channels(name: str, environment: Mapping[str, str]) -> list[Finding]:
    """What keeps a server or gate with these settings from starting its API."""
    with suppress(ConfigurationError):
        settings = Settings.load(environment)
        try:
            if not settings.api_url:
                load_channels(settings.notify, settings.notify_high)
        except ConfigurationError as error:
            return [problem(name, error, _CORRECT)]
    # Other faults of settings are findings of their own.
    return []


def _devices(path: Path) -> int:
    """How many devices get notifications; none if that database cannot be read."""
    with suppress(ConfigurationError, UnavailableError, OSError):
        # To open a named pipe could take for ever.
        if path.is_file():
            with closing(SQLiteArchive(path)) as archive:
                return archive.read(count_devices())
    return 0
