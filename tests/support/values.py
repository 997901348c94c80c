"""Reads the HTML of a request's values as a reviewer sees it."""

from collections.abc import Mapping
from html.parser import HTMLParser

from loopin_mcp.api.pages.values.shown import Value, shown_context
from loopin_mcp.wire.misleading import pieces
from loopin_mcp.wire.models import Interrupt


def asked(context: Mapping[str, object], *, is_call: bool = False) -> Interrupt:
    """A request with this context; as a tool's call, if it is one."""
    call = {"session": "s", "tool": "Bash", "digest": "0" * 64} if is_call else None
    fields = {"interruptId": "1", "status": "pending", "action": "Pay"}
    return Interrupt.model_validate(fields | {"context": context, "call": call})


def value_of(name: str, value: object, *, is_call: bool = False) -> Value:
    """How the only value of a context is shown."""
    [shown] = shown_context(asked({name: value}, is_call=is_call)).first
    return shown


def coded(text: str) -> str:
    """The text as a reviewer reads it, with codes for what could mislead."""
    return "".join(
        "".join(f"U+{ord(character):04X}" for character in part) if kind == "coded" else part
        for kind, part in pieces(text)
    )


class Read(HTMLParser):
    """`text` is all that is shown, `lines` the lines of code, `notes` what LoopIn says of them.

    A blank line is shown as such, or counted by a note. `tags` are all elements that there are.
    """

    def __init__(self, html: str) -> None:
        super().__init__()
        self.text = ""
        self.lines: list[str] = []
        self.notes: list[str] = []
        self.tags: list[str] = []
        self._open: list[tuple[str, str]] = []
        self._block: str | None = None
        # Markup would escape what is added to it.
        self.feed(str(html))
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        if tag not in ("br", "hr"):
            self._open.append((tag, dict(attrs).get("class") or ""))
        if tag == "code":
            self._block = ""
        if tag == "p" and self._open[-1][1] == "note":
            self.notes.append("")

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop()[0] == tag
        if tag == "code" and self._block is not None:
            self.lines += self._block.removesuffix("\n").split("\n")
            self._block = None
        if tag == "p" and self.notes and self.notes[-1].endswith("blank lines"):
            self.lines += [""] * int(self.notes[-1].split()[0].replace(",", ""))

    def handle_data(self, data: str) -> None:
        if ("pre", "numbers") in self._open:
            return
        if ("p", "note") in self._open:
            self.notes[-1] += data
            return
        self.text += data
        if self._block is not None:
            self._block += data
