"""The rows of the inbox in a browser."""

from playwright.sync_api import Page

from tests.support import web


class Row:
    """A row of the list, by its action."""

    def __init__(self, tab: Page, action: str) -> None:
        self.whole = tab.locator("#rows > .row").filter(has_text=action)
        self.link = self.whole.locator("a.open")
        self.box = self.whole.get_by_role("checkbox")


def read(link: str) -> dict[str, object]:
    """The interrupt of a review link, as it is now."""
    answer: dict[str, object] = web.get(link.replace("/review/", "/interrupts/")).json()
    return answer
