"""Nothing moves while a page is loaded: not as its parts arrive, and not as its scripts begin."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

Ask = Callable[..., str]
OpenTab = Callable[..., Page]

PAGES = ("", "?q=Transfer", "history", "history?q=Transfer", "analytics", "notifications")
VIEWPORTS = [
    {"width": 320, "height": 640},
    {"width": 390, "height": 844},
    {"width": 768, "height": 1024},
    {"width": 1280, "height": 800},
]
# Where each part of the page is. What is not shown has no size, and no place.
PLACES = """() => Object.fromEntries(
  [...document.querySelectorAll("main :is(h1, h2, section, form, label, button, a, input)")]
    .map((part, number) => [`${number}: ${part.tagName}`, part.getBoundingClientRect()])
    .filter(([, { width }]) => width > 1)
    .map(([name, { x, y, width, height }]) => [name, [x, y, width, height]]))"""
# Removes the parts of an element from the last to the first, as if they had not arrived yet, and
# lists those that this moves.
MOVED = """(whole) => {
  const parts = [...whole.children];
  const place = (part) => {
    const { x, y, width, height } = part.getBoundingClientRect();
    return [x, y, width, height].map(Math.round).join(" ");
  };
  const places = new Map(parts.map((part) => [part, place(part)]));
  const moved = [];
  while (parts.length) {
    parts.pop().remove();
    moved.push(...parts.filter((part) => place(part) !== places.get(part)));
  }
  return moved.map((part) => part.outerHTML);
}"""


@pytest.mark.parametrize("viewport", VIEWPORTS, ids=lambda each: str(each["width"]))
@pytest.mark.parametrize("page", PAGES)
def test_scripts_move_nothing_when_they_begin(
    ask: Ask, open_tab: OpenTab, served: str, page: str, viewport: dict[str, int]
) -> None:
    ask()
    tab = open_tab("about:blank", viewport=viewport)
    tab.route("**/*.js?*", lambda route: route.abort())
    tab.goto(f"{served}/{page}")
    before = tab.evaluate(PLACES)
    tab.unroute_all()
    tab.goto(f"{served}/{page}")
    expect(tab.locator("#push-on[disabled]")).to_have_count(0)
    after = tab.evaluate(PLACES)

    assert len(before) > 5
    assert {name: place for name, place in after.items() if name in before} == before


@pytest.mark.parametrize("viewport", VIEWPORTS, ids=lambda each: str(each["width"]))
@pytest.mark.parametrize(
    ("page", "part"),
    [
        ("", ".filters"),
        ("?q=Transfer", ".filters"),
        ("history", ".filters"),
        ("history?q=Transfer", ".filters"),
        ("review", ".decide-bar .buttons"),
    ],
)
def test_part_that_arrives_late_moves_nothing_before_it(
    ask: Ask, open_tab: OpenTab, served: str, page: str, part: str, viewport: dict[str, int]
) -> None:
    link = ask()
    tab = open_tab(link if page == "review" else f"{served}/{page}", viewport=viewport)

    assert tab.locator(part).evaluate(MOVED) == []
