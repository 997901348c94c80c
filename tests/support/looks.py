"""Checks the look of a page: on a phone and a desktop, light and dark."""

from pathlib import Path

from playwright.sync_api import Page, ViewportSize

SCREENSHOTS = Path(__file__).parents[2] / "screenshots"
PHONE: ViewportSize = {"width": 360, "height": 740}
DESKTOP: ViewportSize = {"width": 1280, "height": 900}
# The contrast ratios of all elements with text, as WCAG 2.2 defines them.
LOW_CONTRAST = """() => {
  const light = ([r, g, b]) => [r, g, b].map(c => c / 255)
    .map(c => c <= .04045 ? c / 12.92 : ((c + .055) / 1.055) ** 2.4)
    .reduce((sum, c, i) => sum + c * [.2126, .7152, .0722][i], 0);
  const numbers = colour => colour.match(/[\\d.]+/g).map(Number);
  const behind = element => {
    const colour = numbers(getComputedStyle(element).backgroundColor);
    return colour[3] === 0 ? behind(element.parentElement) : colour;
  };
  const shown = [...document.querySelectorAll("body *")].filter(element => element.checkVisibility()
    && [...element.childNodes].some(node => node.nodeType === 3 && node.data.trim()));
  return shown.flatMap(element => {
    const pair = [numbers(getComputedStyle(element).color), behind(element)].map(light).sort();
    const ratio = (Math.max(...pair) + .05) / (Math.min(...pair) + .05);
    return ratio < 4.5 ? [`${element.textContent}: ${ratio.toFixed(2)}`] : [];
  });
}"""


def look_at(tab: Page, name: str) -> None:
    """The page is readable in each look, and no wider than the screen; pictures are kept."""
    for size, viewport in (("phone", PHONE), ("desktop", DESKTOP)):
        tab.set_viewport_size(viewport)
        for scheme in ("light", "dark"):
            tab.emulate_media(color_scheme=scheme)
            tab.screenshot(path=SCREENSHOTS / f"{name}-{size}-{scheme}.png", full_page=True)
            assert tab.evaluate(LOW_CONTRAST) == [], (size, scheme)
            width = tab.evaluate("document.documentElement.scrollWidth")
            assert width == viewport["width"], (size, scheme)
