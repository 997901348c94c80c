"""The bar with the buttons: at one place and of one size in every state, on any phone."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.api.pages.review.test_live import decide
from tests.support import web
from tests.support.changing import json_field, open_fields

Ask = Callable[..., str]
OpenTab = Callable[..., Page]

VALUES = {f"value {number}": number for number in range(12)}
# How many lines each part of the buttons takes.
LINES = """(bar) => [...bar.querySelectorAll(".buttons button")].flatMap((button) =>
  [...button.childNodes].map((part) => {
    const range = document.createRange();
    range.selectNodeContents(part);
    return new Set([...range.getClientRects()].map(({ y }) => Math.round(y))).size;
  }))"""


def box(part: Locator) -> list[int]:
    """Where a part of the page is: x, y, width and height."""
    found = part.bounding_box()
    assert found is not None
    return [round(found[side]) for side in ("x", "y", "width", "height")]


def boxes(tab: Page) -> list[list[int]]:
    """The places of the bar and of its buttons."""
    return [box(each) for each in tab.locator(".decide-bar, .decide-bar :is(button, .next)").all()]


@pytest.mark.parametrize("width", [320, 390, 1280])
@pytest.mark.parametrize("urgency", ["medium", "high"])
def test_buttons_stay_where_they_are(ask: Ask, open_tab: OpenTab, width: int, urgency: str) -> None:
    link = ask(context=VALUES, urgency=urgency)
    tab = open_tab(link, viewport={"width": width, "height": 700})
    bar = tab.locator(".decide-bar")
    places = boxes(tab)
    states = []

    def note() -> None:
        states.append((boxes(tab), set(bar.evaluate(LINES))))

    tab.keyboard.press("a")
    expect(tab.get_by_text("Ctrl+Enter decides")).to_be_visible()
    note()
    tab.keyboard.press("Escape")
    open_fields(tab)
    for count in range(1, 13):
        tab.get_by_label(f"value {count - 1}", exact=True).fill("99")
        expect(tab.locator(".approve")).to_contain_text(f"with {count} change")
        note()
    tab.evaluate("scrollTo(0, document.body.scrollHeight)")
    note()
    tab.get_by_role("button", name="Reject").press("r")
    note()

    _, top, _, height = places[0]
    assert top + height <= 700
    assert states == [(places, {1})] * 15


@pytest.mark.parametrize("width", [320, 390])
def test_way_on_is_where_the_buttons_were(ask: Ask, open_tab: OpenTab, width: int) -> None:
    ask()
    link = ask()
    tab = open_tab(link, viewport={"width": width, "height": 700})
    _, approve, reject = boxes(tab)

    decide(link)

    expect(tab.locator(".next")).to_be_visible()
    for place in (0, "document.body.scrollHeight"):
        tab.evaluate(f"scrollTo(0, {place})")
        assert boxes(tab)[1:] == [[approve[0], approve[1], width - 32, approve[3]]]
    assert reject[0] + reject[2] == width - 16


@pytest.mark.parametrize("width", [320, 390])
def test_buttons_for_several_do_not_wrap_and_stay_in_reach(
    ask: Ask, open_tab: OpenTab, served: str, width: int
) -> None:
    user = f"many {width}"
    ids = [ask(userId=user, context={"number": number}).rpartition("/")[2] for number in range(50)]
    body = "&".join(f"pick={each}" for each in ids)
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    page = web.post(f"{served}/inbox/compare", content=body, headers=form).text
    tab = open_tab("about:blank", viewport={"width": width, "height": 700})
    tab.route("**/inbox/compare", lambda route: route.fulfill(body=page, content_type="text/html"))
    tab.goto(f"{served}/inbox/compare")
    bar = tab.locator(".decide-bar")

    expect(tab.get_by_role("button", name="Approve all 50")).to_be_visible()
    assert set(bar.evaluate(LINES)) == {1}
    _, top, _, height = box(bar)
    assert top + height == 700


# The facts that begin a line, each with whether a dot is seen before it.
FIRST_OF_LINES = """(line) => {
  const clip = getComputedStyle(line).clipPath.split(" ").at(-1);
  const cut = line.getBoundingClientRect().x + parseFloat(clip);
  let last = -100;
  return [...line.children].flatMap((fact) => {
    const { x, y } = fact.getBoundingClientRect();
    const { content, width } = getComputedStyle(fact, "::before");
    const begins = y > last + 9;
    last = y;
    return begins ? [content !== "none" && x + parseFloat(width) > cut + 0.5] : [];
  });
}"""


@pytest.mark.parametrize("user", ["ann", "accounts-payable", "w" * 60])
def test_no_line_of_facts_begins_or_ends_with_a_dot(ask: Ask, open_tab: OpenTab, user: str) -> None:
    tab = open_tab(ask(userId=user))
    counts = set()

    for width in range(320, 1281, 40):
        tab.set_viewport_size({"width": width, "height": 700})
        dots = tab.locator(".line").evaluate(FIRST_OF_LINES)
        assert not any(dots), width
        counts.add(len(dots))

    assert len(counts) > 1


@pytest.mark.parametrize("width", [320, 390, 1280])
def test_buttons_are_in_reach_while_a_fault_is_said(
    ask: Ask, open_tab: OpenTab, width: int
) -> None:
    tab = open_tab(ask(context=VALUES), viewport={"width": width, "height": 700})
    places = boxes(tab)
    json_field(tab).fill("{")

    tab.get_by_role("button", name="Approve").press("Enter")

    expect(tab.locator(".notices")).to_contain_text("Nothing was recorded yet.")
    assert boxes(tab) == places
