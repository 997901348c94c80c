"""The look of the inbox and of related pages: screenshots, contrast, width, names."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.api.pages.review.test_live import Ask, OpenTab, cancel, decide
from tests.api.pages.review.test_looks import QUESTIONS
from tests.support import KEY, ServedAPI
from tests.support.looks import PHONE, look_at


@pytest.fixture
def busy(ask_user: Ask, user: str) -> None:
    """An inbox with every kind of content."""
    for question in QUESTIONS.values():
        ask_user(**{"action": "Transfer $4,200"} | question | {"userId": user})
    ask_user("Please approve this. " * 90, urgency="high", agentId="a" * 200)
    ask_user("<b>Line one</b>\nLine two\n\n\nLine three", urgency="low", expiresIn=100)
    ask_user("Too long", context={"text": "x" * 17_000}, urgency="high")
    decide(ask_user("Done " + "w" * 400))
    decide(ask_user("Not done\u202e"), decision="rejected")
    cancel(ask_user("Never done"))


def as_it_is(_: Page) -> None: ...


def chosen(tab: Page) -> None:
    for box in tab.locator(".pick input:enabled").all()[:1]:
        box.check()
    expect(tab.get_by_role("button", name="Compare")).to_be_visible()


def helped(tab: Page) -> None:
    tab.keyboard.press("?")
    expect(tab.get_by_role("dialog")).to_be_visible()


@pytest.mark.parametrize("state", [as_it_is, chosen, helped])
@pytest.mark.usefixtures("busy")
def test_inbox_is_readable_in_every_state(
    open_inbox: OpenTab, state: Callable[[Page], None]
) -> None:
    tab = open_inbox()
    state(tab)

    look_at(tab, f"inbox-{state.__name__}")


def test_empty_inbox_and_history_are_readable(open_tab: OpenTab, served: str) -> None:
    for page in ("", "history"):
        tab = open_tab(f"{served}/{page}?q=nothing-like-this")
        expect(tab.get_by_text("Try fewer words, or clear the filters.")).to_be_visible()
        look_at(tab, f"empty-{page or 'inbox'}")


@pytest.mark.usefixtures("busy")
def test_history_is_readable(open_tab: OpenTab, served: str, user: str) -> None:
    tab = open_tab(f"{served}/history")

    expect(tab.get_by_role("link", name="Never done").first).to_be_visible()
    look_at(tab, "history")


def test_signing_in_is_readable(
    open_tab: OpenTab, tmp_path_factory: pytest.TempPathFactory
) -> None:
    api = ServedAPI(tmp_path_factory.mktemp("keyed"), {"API_KEY_SECRET": KEY})
    tab = open_tab(api.url)
    tab.get_by_label("API key").fill("wrong")
    tab.get_by_role("button", name="Sign in").click()
    expect(tab.get_by_role("alert")).to_be_visible()
    look_at(tab, "sign-in-wrong")
    tab.get_by_label("API key").fill(KEY)
    tab.get_by_role("button", name="Sign in").click()
    expect(tab.get_by_role("heading", name="Inbox")).to_be_visible()
    look_at(tab, "signed-in")
    api.stop()


@pytest.mark.usefixtures("busy")
@pytest.mark.parametrize("width", [320, 1280])
def test_inbox_has_no_sideways_scroll(open_inbox: OpenTab, width: int) -> None:
    tab = open_inbox(viewport={"width": width, "height": 740})

    assert tab.evaluate("document.documentElement.scrollWidth") == width


@pytest.mark.usefixtures("busy")
def test_buttons_and_fields_are_large_enough_for_a_finger(open_inbox: OpenTab) -> None:
    tab = open_inbox(viewport=PHONE, has_touch=True)

    sizes = [
        box
        for each in tab.locator("main")
        .locator("button, input:not([type=checkbox]), label.pick, select, a.open")
        .all()
        if (box := each.bounding_box())
    ]

    assert len(sizes) > 10
    assert [box for box in sizes if box["height"] < 44 or box["width"] < 44] == []


@pytest.mark.usefixtures("busy")
def test_offers_cover_neither_the_way_to_other_pages_nor_the_search(
    open_inbox: OpenTab, ask_user: Ask
) -> None:
    tab = open_inbox(viewport=PHONE)
    newer = tab.get_by_role("button", name="1 new")

    ask_user("Pay at once", urgency="high")

    expect(newer).to_be_visible()
    box, search = newer.bounding_box(), tab.get_by_role("search").bounding_box()
    assert box
    assert search
    assert box["y"] > search["y"] + search["height"]
    assert box["y"] + box["height"] < PHONE["height"]


@pytest.mark.usefixtures("busy")
def test_screen_reader_meets_search_list_and_outcomes_by_name(open_inbox: OpenTab) -> None:
    tab = open_inbox()

    assert tab.get_by_role("heading").all_inner_texts()[:2] == ["Inbox", "Recently settled"]
    for landmark in (
        tab.get_by_role("search"),
        tab.get_by_role("searchbox", name="Search"),
        tab.get_by_role("combobox", name="For"),
        tab.get_by_role("combobox", name="Agent"),
        tab.get_by_role("combobox", name="Urgency"),
        tab.get_by_role("region", name="Waiting requests"),
        tab.get_by_role("region", name="Recently settled"),
        tab.get_by_role("region", name="Selected request"),
        tab.get_by_role("checkbox", name="Line one"),
        tab.get_by_role("navigation", name="Pages"),
    ):
        expect(landmark).to_be_visible()
