"""Draws the icons of the installed app, with Chromium and Playwright."""

import shutil
from pathlib import Path

from playwright.sync_api import sync_playwright

ICONS = Path(__file__).parents[1] / "src" / "loopin_mcp" / "api" / "pages" / "static" / "app"
LOOP = (
    '<g fill="none" stroke="{ink}" stroke-width="3" stroke-linecap="round" stroke-linejoin="round">'
    '<path d="M22.5 11.2A8.2 8.2 0 1 0 24.2 16"/><path d="M12 16.2l3 3 6.5-7"/></g>'
)
ROUNDED = '<rect width="32" height="32" rx="{radius}" fill="#3b4fd8"/>'
# The name of each icon, its size, and its drawing: whether it has a background, how round that is.
DRAWINGS = {
    "icon-180.png": (180, 0, 1),
    "icon-192.png": (192, 8, 1),
    "icon-512.png": (512, 8, 1),
    # Systems cut off up to a tenth on each side.
    "maskable-512.png": (512, 0, 0.8),
    # Android fills this shape with a colour of its own.
    "badge-96.png": (96, None, 1.25),
}


def drawing(radius: int | None, scale: float) -> str:
    """The SVG of an icon."""
    back = "" if radius is None else ROUNDED.format(radius=radius)
    moved = f'<g transform="translate({16 - 16 * scale} {16 - 16 * scale}) scale({scale})">'
    loop = LOOP.format(ink="#fff")
    parts = f"{back}{moved}{loop}</g>"
    return f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32">{parts}</svg>\n'


def main() -> None:
    """Write all icons."""
    names = ("chromium-headless-shell", "chromium", "google-chrome")
    program = next(filter(None, map(shutil.which, names)), None)
    (ICONS / "icon.svg").write_text(drawing(8, 1), encoding="utf-8")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        for name, (size, radius, scale) in DRAWINGS.items():
            page = browser.new_page(viewport={"width": size, "height": size})
            svg = drawing(radius, scale)
            page.set_content(f"<style>body{{margin:0}}svg{{display:block}}</style>{svg}")
            page.screenshot(path=ICONS / name, omit_background=True)
        browser.close()


main()
