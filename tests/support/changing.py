"""The part of the review page that changes values, in a browser."""

from playwright.sync_api import Locator, Page


def open_fields(tab: Page) -> None:
    """Unfold the fields."""
    part = tab.locator("details.changes")
    if part.get_attribute("open") is None:
        part.locator("> summary").click()


def json_field(tab: Page) -> Locator:
    """The field for other changes as JSON, unfolded."""
    open_fields(tab)
    part = tab.locator("details.other")
    if part.get_attribute("open") is None:
        part.locator("> summary").click()
    return tab.get_by_label("Values as JSON")
