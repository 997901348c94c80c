"""The look of the analytics page: screenshots, contrast, width, roles and names."""

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, ViewportSize, expect

from tests.support import web
from tests.support.looks import DESKTOP, PHONE, look_at

OpenTab = Callable[..., Page]

ACTIONS = [
    "Transfer $4,200 to vendor account ending in 9821",
    "Delete 40 rows of customers",
    "Deploy build 118 to production",
    "העבר 4,200 ש״ח \u202eknaB livE\u202c " + "x" * 400,
    "Z" + "\u0301\u0336" * 200,
]
# The contrast ratios of shapes with a meaning, as WCAG 2.2 defines them.
FAINT_SHAPES = """() => {
  const light = ([r, g, b]) => [r, g, b].map(c => c / 255)
    .map(c => c <= .04045 ? c / 12.92 : ((c + .055) / 1.055) ** 2.4)
    .reduce((sum, c, i) => sum + c * [.2126, .7152, .0722][i], 0);
  const numbers = colour => light(colour.match(/[\\d.]+/g).map(Number));
  const card = numbers(getComputedStyle(document.querySelector("figure")).backgroundColor);
  return [...document.querySelectorAll("rect:not(.track, .slot)")].flatMap(shape => {
    const fill = numbers(getComputedStyle(shape).fill);
    const ratio = (Math.max(card, fill) + .05) / (Math.min(card, fill) + .05);
    return ratio < 3 ? [`${shape.getAttribute("class")}: ${ratio.toFixed(2)}`] : [];
  });
}"""
# The bars that leave their cell, or lie over a name.
COVERED_NAMES = """() => [...document.querySelectorAll(".bar-of")].filter(bar => {
  const cell = bar.parentElement.getBoundingClientRect(), it = bar.getBoundingClientRect();
  const text = document.createRange();
  text.selectNodeContents(bar.parentElement);
  text.setEndBefore(bar);
  return it.right > cell.right + 1 || [...text.getClientRects()].some(
    part => part.width > 1 && part.bottom > it.top + 3 && part.right > it.left + 1);
}).map(bar => bar.parentElement.textContent)"""


@pytest.fixture(scope="module")
def analytics(served: str) -> str:
    """The analytics page of an API with a few decided interrupts."""
    for place in range(40):
        action = ACTIONS[place % 7 % len(ACTIONS)]
        question = {
            "agentId": "billing-agent",
            "userId": action[:200] if place % 2 else "accounts-payable",
            "action": action,
            "context": {},
            "urgency": ("low", "medium", "high")[place % 3],
        }
        created = web.post(f"{served}/interrupts", json=question).raise_for_status().json()
        if place % 4:
            decision = {"decision": "rejected" if place % 5 == 0 else "approved"}
            path = f"{served}/interrupts/{created['interruptId']}/decide"
            web.post(path, json=decision).raise_for_status()
    return f"{served}/analytics"


@pytest.mark.parametrize(
    ("state", "query"),
    [("all", ""), ("one", "?user=accounts-payable&days=365"), ("unknown", "?user=x")],
)
def test_page_is_readable_in_every_state(
    analytics: str, open_tab: OpenTab, state: str, query: str
) -> None:
    look_at(open_tab(analytics + query), f"analytics-{state}")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_shapes_stand_out_from_their_card(analytics: str, open_tab: OpenTab, scheme: str) -> None:
    tab = open_tab(analytics, color_scheme=scheme)

    assert tab.locator("rect.approved").count() > 0
    assert tab.evaluate(FAINT_SHAPES) == []


@pytest.mark.parametrize("viewport", [PHONE, DESKTOP], ids=["phone", "desktop"])
@pytest.mark.parametrize("text_px", [16, 32])
def test_charts_grow_with_the_text(
    analytics: str, open_tab: OpenTab, viewport: ViewportSize, text_px: int
) -> None:
    tab = open_tab(analytics, viewport=viewport, bypass_csp=True)

    tab.add_style_tag(content=f"html {{ font-size: {text_px}px }}")

    assert tab.locator(".bar-of").count() > 0
    assert tab.evaluate(COVERED_NAMES) == []


def test_page_needs_no_script(analytics: str, open_tab: OpenTab) -> None:
    tab = open_tab(analytics, java_script_enabled=False)

    tab.get_by_role("combobox", name="User").fill("accounts-payable")
    tab.get_by_role("button", name="Show").click()
    tab.get_by_role("link", name="7 days").click()

    expect(tab.get_by_role("heading", level=1)).to_have_text("Analytics · accounts-payable")
    expect(tab.get_by_role("link", name="7 days")).to_have_attribute("aria-current", "true")
    expect(tab.get_by_role("img", name="Decisions per day")).to_be_visible()
    tab.get_by_role("link", name="Show all users").click()
    expect(tab.get_by_role("heading", level=1)).to_have_text("Analytics · All users")


def test_keyboard_opens_the_numbers(analytics: str, open_tab: OpenTab) -> None:
    tab = open_tab(analytics)

    tab.get_by_role("link", name="365 days").focus()
    tab.keyboard.press("Tab")
    tab.keyboard.press("Enter")

    expect(tab.get_by_role("table", name="Decisions over time")).to_be_visible()


def test_column_tells_its_numbers_to_the_pointer(analytics: str, open_tab: OpenTab) -> None:
    tab = open_tab(analytics)
    today = tab.locator(".columns g").last

    today.hover()

    numbers = re.compile(r"^\d+ \w+ \d+: \d+ approved, \d+ rejected$")
    expect(today.locator("title")).to_have_text(numbers)
    expect(today.locator(".slot")).not_to_have_css("fill", "rgba(0, 0, 0, 0)")


def test_screen_reader_reads_each_figure_once(analytics: str, open_tab: OpenTab) -> None:
    tab = open_tab(f"{analytics}?user=accounts-payable")

    expect(tab.get_by_role("region", name="By urgency")).to_match_aria_snapshot("""
        - region "By urgency":
          - heading "By urgency" [level=2]
          - paragraph: All requests.
          - table "By urgency":
            - rowgroup:
              - row "Urgency Number Share":
                - columnheader "Urgency"
                - columnheader "Number"
                - columnheader "Share"
            - rowgroup:
              - row "High 7 35%":
                - rowheader "High"
                - cell "7"
                - cell "35%"
              - row "Medium 6 30%"
              - row "Low 7 35%"
    """)
