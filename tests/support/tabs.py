"""What people do in a tab of a real browser."""

from playwright.sync_api import Page

from tests.support.visitors import ALICES_KEY


def press(tab: Page, name: str) -> None:
    """Press the button of this name."""
    tab.get_by_role("button", name=name).click()


def sign_in(tab: Page) -> None:
    """Sign in as Alice."""
    tab.get_by_label("Your key").fill(ALICES_KEY)
    press(tab, "Sign in")
