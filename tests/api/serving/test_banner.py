"""The start-up lines of `loopin-mcp api`: what it serves, without secrets."""

from contextlib import aclosing
from pathlib import Path

import pytest

from loopin_mcp.api.outbox.channels import load_channels
from loopin_mcp.api.serving.banner import banner
from loopin_mcp.api.store.opening import open_sqlite
from loopin_mcp.api.store.store import Store
from loopin_mcp.settings.settings import Settings
from tests.support import Clock, ServedAPI
from tests.support.push import Device, pushes_of, subscribe
from tests.support.secrets import SECRETS, shows_secret

URL = "http://127.0.0.1:3002"


def start(data_dir: Path) -> list[str]:
    """What an API says at its start, after its address."""
    served = ServedAPI(data_dir, {})
    assert served.process.stderr is not None
    rest = [next(served.process.stderr).rstrip() for _ in range(7)]
    served.stop()
    return rest


@pytest.mark.subprocess
async def test_start_counts_the_devices_of_reviewers(tmp_path: Path, clock: Clock) -> None:
    async with aclosing(await open_sqlite(tmp_path / "api.db")) as database:
        pushes = pushes_of(Store(database, URL, clock))
        for name in ("phone", "laptop"):
            await subscribe(pushes, Device(f"https://8.8.8.8/{name}"))

    assert "  Notifications: 2 devices" in start(tmp_path)


@pytest.mark.subprocess
def test_start_tells_what_is_served_with_the_defaults(tmp_path: Path) -> None:
    inbox, mcp, *rest = start(tmp_path)

    assert inbox.startswith("  Inbox: http://127.0.0.1:")
    assert mcp == inbox.replace("Inbox", "MCP") + "mcp"
    assert rest == [
        f"  Database: SQLite, {tmp_path / 'api.db'}",
        "  Reviewers: none: anyone on this machine decides",
        "  Callbacks: not signed",
        "  Notifications: none",
        "  Limits: 120 new interrupts a minute for each key; settled interrupts are kept for good",
    ]


def test_start_tells_what_is_served_and_no_secret() -> None:
    settings = Settings.load(SECRETS | {"RATE_LIMIT": "7", "RETENTION_DAYS": "30"}, "api")
    channels = load_channels(settings.notify, settings.notify_high)

    text = banner(URL, settings, channels, devices=2)

    assert text.splitlines() == [
        f"LoopIn API on {URL}",
        f"  Inbox: {URL}/",
        f"  MCP: {URL}/mcp",
        "  Database: PostgreSQL, 127.0.0.1/loopin",
        "  Reviewers: 2",
        "  Callbacks: signed",
        "  Notifications: 1 channel, 2 devices",
        "  Limits: 7 new interrupts a minute for each key; settled interrupts are kept for 30 days",
    ]
    assert not shows_secret(text)


@pytest.mark.parametrize(
    ("url", "database"),
    [
        ("sqlite:////srv/loopin.db", "SQLite, /srv/loopin.db"),
        ("postgresql:///loopin?host=/run/pg&password=s3cret", "PostgreSQL, /run/pg/loopin"),
        ("postgresql://u:s3cret@[::1]:5433/loopin?sslmode=require", "PostgreSQL, ::1/loopin"),
        ("postgres://u@/loopin", "PostgreSQL, localhost/loopin"),
    ],
)
def test_start_names_the_database_without_its_password(url: str, database: str) -> None:
    lines = banner(URL, Settings(database_url=url), None, devices=0).splitlines()

    assert lines[0] == f"LoopIn API on {URL} (agents need no key: no API_KEY_SECRET)"
    assert lines[3] == f"  Database: {database}"


@pytest.mark.parametrize(
    ("settings", "who"),
    [
        (Settings(), "anyone on this machine decides"),
        (Settings(host="192.0.2.1"), "anyone who can reach this API decides"),
        (
            Settings(host="192.0.2.1", api_key_secret="k"),
            "anyone with the API key or a review link decides",
        ),
    ],
)
def test_start_says_who_decides_without_reviewers(settings: Settings, who: str) -> None:
    assert f"  Reviewers: none: {who}" in banner(URL, settings, None, devices=0).splitlines()


def test_start_names_the_inbox_by_its_public_address() -> None:
    settings = Settings(public_url="https://a.example/loopin")

    assert "  Inbox: https://a.example/loopin/" in banner(URL, settings, None, 0).splitlines()
