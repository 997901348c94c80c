"""The button beside a value puts exactly that value into the clipboard, by pointer and by keys."""

import json
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

Ask = Callable[..., str]
OpenTab = Callable[..., Page]

VALUES: dict[str, object] = {
    "plain": "GB29 NWBK 6016",
    "quoted": '<b>"&amp;"</b> \\n',
    "line": "one line, and its end\n",
    "lines": "  first\n\n\n\n\tlast  \n\n",
    "returns": "one\r\ntwo\r\n",
    "hidden": "pay\u200bpal \u202egnp.exe",
    "blanks": "   ",
    "empty": "",
    "script_sh": "set -e\necho 'done'\n",
    "note_md": "# Why\n\n**now** [here](https://example.com)\n",
    "change_diff": "--- a\n+++ b\n@@ -1 +1 @@\n-one\n+two\n",
    "long": "word " * 4000,
    "typed": {"$type": "diff", "text": "-one\n+two"},
    "nested": {"payee": {"name": "Zo\u00eb \u200b", "accounts": [{"iban": "GB29"}]}, "n": None},
    "rows": [{"sku": "A", "count": 1}, {"sku": "B", "count": 2}],
    "number": 4200.5,
    "truth": False,
    "nothing": None,
}
READ = "navigator.clipboard.readText()"
CLIPBOARD = ["clipboard-read", "clipboard-write"]


def copied(value: object) -> str:
    """What is copied of a value: a text as it is, and anything else as JSON."""
    if isinstance(value, dict) and "$type" in value:
        return str(value["text"])
    is_text = isinstance(value, str)
    return str(value) if is_text else json.dumps(value, indent=2, ensure_ascii=False)


@pytest.mark.parametrize("with_keys", [False, True])
def test_button_copies_exactly_its_value(ask: Ask, open_tab: OpenTab, *, with_keys: bool) -> None:
    tab = open_tab(ask(context=VALUES), permissions=CLIPBOARD)
    status = tab.locator("body > p[role=status]")
    found = {}

    for name in VALUES:
        tab.evaluate("navigator.clipboard.writeText('before')")
        button = tab.get_by_role("button", name=f"Copy {name}", exact=True)
        if with_keys:
            tab.keyboard.press("Tab")
            while not button.evaluate("(button) => button === document.activeElement"):
                tab.keyboard.press("Tab")
            tab.keyboard.press("Enter")
        else:
            button.click()
        expect(button).to_have_class("copy copied")
        expect(status).to_have_text("Copied")
        found[name] = tab.evaluate(READ)
        if with_keys:
            expect(button).to_be_focused()

    assert found == {name: copied(value) for name, value in VALUES.items()}


def test_page_without_a_clipboard_copies_too(ask: Ask, open_tab: OpenTab) -> None:
    tab = open_tab("about:blank", permissions=CLIPBOARD)
    tab.add_init_script("""
      window.copies = [];
      Object.defineProperty(navigator, "clipboard", { get: () => undefined });
      document.addEventListener("copy", () => {
        const { value, selectionStart, selectionEnd } = document.activeElement;
        window.copies.push(value.slice(selectionStart, selectionEnd));
      });
    """)
    tab.goto(ask(context=VALUES))

    for name in ("line", "hidden", "nested"):
        button = tab.get_by_role("button", name=f"Copy {name}", exact=True)
        button.press("Enter")
        expect(button).to_be_focused()
        expect(button).to_have_class("copy copied")

    copies = tab.evaluate("window.copies")
    assert copies == [copied(VALUES[name]) for name in ("line", "hidden", "nested")]
