"""What the doctor says about the browser and notifications."""

import webbrowser

import pytest

from loopin_mcp.commands.doctor.people import check_browser, check_notifications
from loopin_mcp.settings.settings import Settings
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
