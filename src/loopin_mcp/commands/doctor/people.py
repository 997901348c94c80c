"""Checks how people hear of requests: a browser on this machine, and notifications."""

import webbrowser
from collections.abc import Mapping, Sequence

from loopin_mcp.api.outbox.channels import load_channels
from loopin_mcp.commands.doctor.checks import Finding, problem
from loopin_mcp.desktop import has_desktop
from loopin_mcp.errors import ConfigurationError
from loopin_mcp.settings.settings import Settings

BROWSER, NOTIFICATIONS = "Browser", "Notifications"


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


def check_notifications(settings: Settings) -> Sequence[Finding]:
    """Whether the notifications are configured correctly; sends none."""
    if settings.api_url:
        return [Finding(NOTIFICATIONS, "pass", "sent by the API at LOOPIN_API_URL")]
    try:
        channels = load_channels(settings.notify, settings.notify_high)
    except ConfigurationError as error:
        return [problem(NOTIFICATIONS, error, "Correct it and run `loopin-mcp notify`.")]
    if channels is not None:
        found = f"configured, channels: {len(channels.all)}; `loopin-mcp notify` sends a test"
        return [Finding(NOTIFICATIONS, "pass", found)]
    if settings.open_review != "off":
        return [Finding(NOTIFICATIONS, "pass", "none; the inbox opens in the browser")]
    return [
        Finding(
            NOTIFICATIONS,
            "warning",
            "none, and the inbox does not open by itself, so held calls wait unnoticed",
            "Set LOOPIN_NOTIFY to an Apprise URL (docs/notifications.md).",
        )
    ]
