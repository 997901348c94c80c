"""Reads a page's HTML: the text of its elements by tag."""

from html.parser import HTMLParser

import httpx

from loopin_mcp.api.audit.digests import payload_digest
from loopin_mcp.api.store.store import Store
from tests.support import AGENT, new_interrupt

_VOID = ("meta", "link", "img", "input", "br", "hr")
_EXACT = ("th", "td", "values-td", "key", "textarea")


class Page(HTMLParser):
    """`page["td"]` is the text of each cell, in order, and so with every tag.

    `page["alert"]` and `page["fault"]` hold what bears that role or class, and
    `page["difference-tr"]` the rows of the tables that show what was changed, by their class. A
    template, which no browser shows, is left out.
    """

    def __init__(self, answer: httpx.Response) -> None:
        super().__init__()
        self._texts: dict[str, list[list[str]]] = {}
        self._open: list[list[str]] = []
        self._in_template = False
        self._tables = [""]
        self.attributes: list[dict[str, str | None]] = []
        self.feed(answer.text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._in_template |= tag == "template"
        if self._in_template:
            return
        attributes = dict(attrs)
        self.attributes.append({"": tag, **attributes})
        if tag not in _VOID:
            self._open.append([])
            if tag == "table":
                self._tables.append(f"{attributes.get('class', '')}-".lstrip("-"))
            in_table = self._tables[-1] + tag if tag in ("tr", "th", "td") else tag
            for kind in (in_table, attributes.get("role"), attributes.get("class")):
                self._texts.setdefault(kind or "", []).append(self._open[-1])

    def handle_endtag(self, tag: str) -> None:
        if not self._in_template:
            self._open.pop()
            if tag == "table":
                self._tables.pop()
        self._in_template &= tag != "template"

    def handle_data(self, data: str) -> None:
        if not self._in_template:
            for text in self._open:
                text.append(data)

    def __getitem__(self, kind: str) -> list[str]:
        """The texts of a tag, without the line feed right after a textarea's tag."""
        texts = ["".join(text) for text in self._texts.get(kind, [])]
        if kind == "textarea":
            return [text.removeprefix("\n") for text in texts]
        return texts if kind in _EXACT else [" ".join(text.split()) for text in texts]

    @property
    def facts(self) -> dict[str, str]:
        """The text beside each label."""
        return dict(zip(self["dt"], self["dd"], strict=True))

    @property
    def rows(self) -> dict[str, str]:
        """The table of the context, without headings."""
        if names := self["key"]:
            return dict(zip(names, self["values-td"], strict=True))
        names = [name for name in self["th"] if name not in ("Name", "Value")]
        return dict(zip(names, self["td"], strict=True))

    def element(self, **attributes: str) -> dict[str, str | None]:
        """The attributes of the only element that has these; its tag is under ""."""
        [found] = [each for each in self.attributes if attributes.items() <= each.items()]
        return found


async def ask(store: Store, **changes: object) -> str:
    """Create an interrupt; returns the path of its review page."""
    created = await store.create_interrupt(new_interrupt(**changes), AGENT)
    return f"/review/{created.interrupt_id}"


async def decide(api: httpx.AsyncClient, path: str, **form: str) -> httpx.Response:
    """Send the page's form, without following its redirect."""
    return await api.post(path, data=form)


async def digest_of(store: Store, interrupt_id: str) -> str:
    """The digest of what an interrupt asks."""
    return payload_digest(await store.get_interrupt_status(interrupt_id))
