"""What the doctor says about the browser and notifications."""

import webbrowser
from contextlib import aclosing
from pathlib import Path

import pytest

from loopin_mcp.api.store.opening import open_sqlite
from loopin_mcp.api.store.store import Store
from loopin_mcp.commands.doctor.people import (
    check_browser,
    check_notifications,
    faults_of_channels,
)
from loopin_mcp.settings.settings import Settings
from tests.support import Clock
from tests.support.push import Device, pushes_of, subscribe
from tests.support.secrets import LONG, NOTIFY, shows_secret


def test_session_without_desktop_prints_links() -> None:
    [found] = check_browser({"SSH_CONNECTION": "1"})

    assert (found.status, found.found) == (
        "pass",
        "this session has no desktop, so links are printed",
    )


@pytest.mark.parametrize("exists", [True, False])
def test_desktop_needs_a_browser(monkeypatch: pytest.MonkeyPatch, *, exists: bool) -> None:
    def get() -> object:
        if not exists:
            raise webbrowser.Error
        return None

    monkeypatch.setattr(webbrowser, "get", get)

    [found] = check_browser({"DISPLAY": ":0"})

    assert found.status == ("pass" if exists else "warning")


@pytest.mark.parametrize(
    ("names", "notify", "expected"),
    [
        (["phone"], None, "1 device"),
        (["phone", "laptop"], None, "2 devices"),
        ([], NOTIFY, "1 channel; `loopin-mcp notify` sends a test"),
        (["phone"], NOTIFY, "1 channel, 1 device; `loopin-mcp notify` sends a test"),
    ],
)
async def test_channels_and_devices_are_counted(
    tmp_path: Path, clock: Clock, names: list[str], notify: str | None, expected: str
) -> None:
    async with aclosing(await open_sqlite(tmp_path / "embedded.db")) as database:
        pushes = pushes_of(Store(database, "http://127.0.0.1:3002", clock))
        for name in names:
            await subscribe(pushes, Device(f"https://8.8.8.8/{name}"))

    [found] = check_notifications(Settings(data_dir=tmp_path, notify=notify))

    assert (found.status, found.found) == ("pass", expected)


def test_database_that_cannot_be_read_has_no_devices(tmp_path: Path) -> None:
    (tmp_path / "embedded.db").write_text("not a database" * 1000)

    [found] = check_notifications(Settings(data_dir=tmp_path, open_review="on"))

    assert found.found == "none; the inbox opens in the browser"


@pytest.mark.parametrize(
    ("settings", "status"),
    [
        (Settings(notify=NOTIFY), "pass"),
        (Settings(notify=f"nonsense://{LONG}"), "failure"),
        (Settings(open_review="on"), "pass"),
        (Settings(), "warning"),
        (Settings(api_url="https://loopin.test", notify="nonsense"), "pass"),
    ],
)
def test_notifications_are_parsed_and_not_sent(settings: Settings, status: str) -> None:
    [found] = check_notifications(settings)

    assert found.status == status
    assert not shows_secret(repr(found))


@pytest.mark.parametrize(
    ("more", "count"),
    [({}, 1), ({"LOOPIN_API_URL": "https://a.example"}, 0), ({"LOOPIN_TIMEOUT": "soon"}, 0)],
)
def test_channels_are_checked_where_an_api_would_use_them(more: dict[str, str], count: int) -> None:
    assert len(faults_of_channels("", {"LOOPIN_NOTIFY": "nonsense://x", **more})) == count


def test_notifications_of_a_host_are_enough() -> None:
    [without] = check_notifications(Settings())
    [found] = check_notifications(Settings(), lambda: ["Codex", "Zed"])

    assert (found.status, found.found) == ("pass", "LOOPIN_NOTIFY is set in Codex, Zed")
    assert without.status == "warning"
    assert "`loopin-mcp inbox --no-browser`" in without.remedy
    assert "in the env of LoopIn's entry in each host" in without.remedy
