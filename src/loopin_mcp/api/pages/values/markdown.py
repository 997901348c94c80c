"""Markdown as safe HTML, or as it was written if the HTML would leave anything out."""

import re
import string
from collections.abc import Iterator, Sequence
from functools import cache
from itertools import groupby
from typing import TYPE_CHECKING

from loopin_mcp.api.pages.filters import visible
from loopin_mcp.api.pages.values.budget import Budget
from loopin_mcp.api.pages.values.code import lines_of
from loopin_mcp.api.pages.values.folds import (
    FIRST_ROWS,
    MOST_ROWS,
    part,
    prose,
    rows_of,
    size_of,
)
from loopin_mcp.api.pages.values.marks import with_gaps
from loopin_mcp.wire.misleading import pieces

if TYPE_CHECKING:
    from markdown_it import MarkdownIt
    from markdown_it.token import Token

_HIDDEN = 'class="hidden-character"'
_NOT_COMPARED = re.compile(f"[\\s{re.escape(string.punctuation)}]+")
# The tag of each kind of token. A heading of an agent is none of the page.
_TAGS = {
    "paragraph": ("p", ' dir="auto"'),
    "heading": ("p", ' class="subheading" dir="auto"'),
    "blockquote": ("blockquote", ""),
    "bullet_list": ("ul", ""),
    "ordered_list": ("ol", ""),
    "list_item": ("li", ""),
    "table": ("table", ' class="grid"'),
    "thead": ("thead", ""),
    "tbody": ("tbody", ""),
    "tr": ("tr", ""),
    "th": ("th", ' scope="col" dir="auto"'),
    "td": ("td", ' dir="auto"'),
    "strong": ("strong", ""),
    "em": ("em", ""),
    "s": ("s", ""),
}
# More lines in a row without letters or digits are counted in the source.
_LONGEST_GAP = 20
_WITHIN_WORDS = frozenset(("strong", "em", "s"))


class _Writer:
    """Writes tokens as HTML, and collects the text that it has from the source."""

    def __init__(self) -> None:
        self.html = ""
        self.text = ""
        self._targets: list[tuple[int, str]] = []

    def write(self, tokens: Sequence["Token"]) -> None:
        """Add the HTML of tokens."""
        for token in tokens:
            name, _, end = token.type.rpartition("_")
            if name == "link":
                self._link(token)
            elif name in _TAGS and not token.hidden:
                self._tag(token, name, is_start=end == "open")
            elif name in _TAGS:
                self._add("\n", "<br>" if end == "close" else "")
            else:
                self._write(token)

    def _write(self, token: "Token") -> None:
        match token.type:
            case "inline":
                self.write(token.children or ())
            case "text":
                self._add(token.content)
            case "code_inline":
                self._add(token.content, f"<code>{visible(token.content)}</code>")
            case "softbreak" | "hardbreak":
                self._add("\n", "<br>")
            case "hr":
                self.html += "<hr>"
            case "image":
                self._image(token)
            case _:
                info = (
                    f'<p class="target">```{visible(token.info)}</p>' if token.info.strip() else ""
                )
                code = f"<pre><code>{with_gaps(visible(token.content))}</code></pre>"
                self._add(f"{token.info}\n{token.content}\n", info + code)

    def _add(self, text: str, html: str | None = None) -> None:
        self.text += text
        self.html += f"{visible(text)}" if html is None else html

    def _tag(self, token: "Token", name: str, *, is_start: bool) -> None:
        tag, attributes = _TAGS[name]
        if name not in _WITHIN_WORDS:
            self.text += "\n"
        if is_start and name == "list_item" and token.info:
            self.text += token.info
            attributes = f' value="{int(token.info)}"'
        self.html += f"<{tag}{attributes}>" if is_start else f"</{tag}>"

    def _link(self, token: "Token") -> None:
        """A link is its text, and its target and title unless that is the text."""
        if token.nesting == 1:
            title = token.attrs.get("title")
            target = " ".join(str(each) for each in (token.attrs["href"], title) if each)
            self._targets.append((len(self.text), target))
            return
        start, target = self._targets.pop()
        if self.text[start:] != target:
            self._add(f" {target}", f' <span class="target">({visible(target)})</span>')

    def _image(self, token: "Token") -> None:
        """An image is never loaded, since that would tell its server who reads here."""
        title = token.attrs.get("title")
        parts = [token.content, str(token.attrs["src"]), str(title or "")]
        words = visible(" — ".join(filter(None, parts)))
        self._add(" ".join(parts), f'<span class="target">Image: {words}</span>')


def markdown(label: str, text: str, budget: Budget) -> str:
    """Markdown as HTML, above its source; only the source if the HTML would leave anything out."""
    source = lines_of(text)
    written = prose(label, source)
    if budget.allows(len(text)) and (rendered := _rendered(source)):
        folded = f"<details><summary>Source</summary>{written}</details>"
        return f'<div class="markdown">{rendered}</div>{folded}'
    note = "Shown as it was written, so that nothing is left out."
    return f'<p class="note">{note}</p>{written}'


def _rendered(source: Sequence[str]) -> str:
    """The HTML of all blocks, the last of which fold if they are many."""
    written = "\n".join(source)
    writer, blocks = _Writer(), []
    for block in _blocks(_parser().parse(written)):
        writer.html = ""
        writer.write(block)
        blocks.append((writer.html, (block[0].map or [0])[0]))
    codes = sum(html.count(_HIDDEN) for html, _ in blocks)
    if _letters(writer.text) != _letters(written) or codes != _coded(writer.text):
        return ""
    if _longest_gap(source) > _LONGEST_GAP:
        return ""
    shown, at = "", 0
    if rows_of(source) > MOST_ROWS:
        ends = [start for _, start in blocks[1:]]
        at = next((end for end in ends if rows_of(source[:end]) >= FIRST_ROWS), 0)
        if not at:
            # One block is too long.
            return ""
        rest = "".join(html for html, start in blocks if start >= at)
        shown = part(f"Rest: {size_of(source[at:])}", rest)
    first = (html for html, start in blocks if not at or start < at)
    return "".join(first) + shown


@cache
def _parser() -> "MarkdownIt":
    # Its import takes a tenth of a second, which the start of the API need not wait for.
    from markdown_it import MarkdownIt

    parser = (
        MarkdownIt("commonmark", {"html": False})
        .enable(["table", "strikethrough"])
        # Entities stay as they are written, so that nothing in the text has another form.
        .disable("entity")
    )
    # Targets are shown and never followed.
    parser.normalizeLink = lambda url: url  # type: ignore[method-assign]
    parser.normalizeLinkText = lambda link: link  # type: ignore[method-assign]
    parser.validateLink = lambda url: True  # type: ignore[method-assign]
    return parser


def _blocks(tokens: Sequence["Token"]) -> Iterator[Sequence["Token"]]:
    """The tokens of each block of the document."""
    start = 0
    for end, token in enumerate(tokens, 1):
        if token.level == 0 and token.nesting != 1:
            yield tokens[start:end]
            start = end


def _longest_gap(source: Sequence[str]) -> int:
    """The most lines in a row that would push what follows away, since they show nothing."""
    runs = groupby(source, lambda line: not _letters(line))
    return max((sum(1 for _ in run) for is_gap, run in runs if is_gap), default=0)


def _letters(text: str) -> str:
    """What the HTML must not leave out: all but white space and punctuation."""
    return _NOT_COMPARED.sub("", text)


def _coded(text: str) -> int:
    """How many characters are shown by their codes; more if markup does not cut a word."""
    return sum(len(part) for kind, part in pieces(text) if kind == "coded")
