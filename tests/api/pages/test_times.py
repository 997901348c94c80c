"""Times in words: server and script agree, and never promise too much."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from playwright.sync_api import Page, expect

from loopin_mcp.api.pages.filters import relative_time
from tests.support import MOMENT

TIMES = [
    (0, "now"),
    (0.999, "now"),
    (-0.999, "now"),
    (1, "in 1 second"),
    (-1.9, "1 second ago"),
    (119.6, "in 119 seconds"),
    (-119.6, "119 seconds ago"),
    (120, "in 2 minutes"),
    (3599.7, "in 59 minutes"),
    (-3600, "60 minutes ago"),
    (7199, "in 119 minutes"),
    (7200, "in 2 hours"),
    (10_799, "in 2 hours"),
    (86_400, "in 24 hours"),
    (-172_799.9, "47 hours ago"),
    (-345_599.9, "3 days ago"),
    (2_592_000, "in 30 days"),
]
LEFT = [
    (-1, "0 s left"),
    (0.9, "0 s left"),
    (59.9, "59 s left"),
    (119.6, "1 min 59 s left"),
    (7199.9, "1 h 59 min left"),
    (172_799.9, "1 d 23 h left"),
]
# Shows moments this many seconds after the page's time, and their texts.
SHOW = """([name, seconds]) => {
    const now = Date.parse(document.querySelector("main").dataset.now);
    const shown = seconds.map(each => document.createElement("span"));
    shown.forEach((element, place) => {
        element.dataset[name] = new Date(now + Math.round(seconds[place] * 1000)).toISOString();
    });
    document.querySelector("main").append(...shown);
    loopin.refresh();
    return shown.map(element => element.textContent);
}"""


@pytest.fixture
def still(served: str, open_tab: Callable[..., Page]) -> Page:
    """A page on which time stands still."""
    tab = open_tab("about:blank")
    tab.clock.set_fixed_time(datetime(2026, 1, 1, tzinfo=UTC))
    tab.goto(f"{served}/")
    expect(tab.get_by_role("heading", name="Inbox")).to_be_visible()
    return tab


@pytest.mark.parametrize(("seconds", "words"), TIMES)
def test_server_rounds_distances_in_time_down(seconds: float, words: str) -> None:
    assert relative_time(MOMENT + timedelta(seconds=seconds), MOMENT) == words


def test_script_says_the_same_of_the_same_distances(still: Page) -> None:
    shown = still.evaluate(SHOW, ["moment", [seconds for seconds, _ in TIMES]])

    assert dict(zip([seconds for seconds, _ in TIMES], shown, strict=True)) == dict(TIMES)


def test_countdown_is_rounded_down(still: Page) -> None:
    shown = still.evaluate(SHOW, ["until", [seconds for seconds, _ in LEFT]])

    assert dict(zip([seconds for seconds, _ in LEFT], shown, strict=True)) == dict(LEFT)
