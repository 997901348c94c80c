"""The lines that `loopin-mcp api` prints at its start."""

from urllib.parse import parse_qs, urlsplit

from loopin_mcp.api.mcp_front import PATH
from loopin_mcp.api.outbox.channels import Channels, reached
from loopin_mcp.settings.base_urls import is_loopback
from loopin_mcp.settings.data_dir import API_FILE
from loopin_mcp.settings.settings import Settings

NO_KEY = " (agents need no key: no API_KEY_SECRET)"
NO_REVIEWERS = "none: anyone with the API key or a review link decides"
NOBODY = "none: anyone on this machine decides"
OPEN = "none: anyone who can reach this API decides"


def banner(
    url: str,
    settings: Settings,
    channels: Channels | None,
    devices: int,
    metrics_url: str | None = None,
) -> str:
    """What an API with these settings serves, and to how many `devices`, without any secret."""
    days = settings.retention_days
    retention = "for good" if days is None else f"for {days} days"
    return "\n".join(
        [
            f"LoopIn API on {url}" + ("" if settings.api_key_secret else NO_KEY),
            f"  Inbox: {settings.public_url or url}/",
            f"  MCP: {settings.public_url or url}{PATH}",
            *([f"  Metrics: {metrics_url}/metrics"] if metrics_url else []),
            f"  Database: {_database(settings)}",
            f"  Reviewers: {_reviewers(settings)}",
            f"  Callbacks: {'signed' if settings.callback_secret else 'not signed'}",
            f"  Notifications: {reached(channels, devices)}",
            f"  Limits: {settings.rate_limit} new interrupts a minute for each key; settled "
            f"interrupts are kept {retention}",
        ]
    )


def _reviewers(settings: Settings) -> str:
    if settings.reviewer_keys:
        return str(len(settings.reviewer_keys))
    if settings.api_key_secret:
        return NO_REVIEWERS
    return NOBODY if is_loopback(settings.host) else OPEN


def _database(settings: Settings) -> str:
    url = settings.database_url
    if url is None:
        return f"SQLite, {settings.data_dir / API_FILE}"
    if url.startswith("sqlite:///"):
        return f"SQLite, {url.removeprefix('sqlite:///')}"
    parts = urlsplit(url)
    # The directory of a Unix socket is in the query, and so may be a password.
    host = parts.hostname or parse_qs(parts.query).get("host", ["localhost"])[0]
    return f"PostgreSQL, {host}{parts.path}"
