"""Code in lines with numbers, in colours if it is short enough for that to be quick."""

from collections.abc import Sequence
from functools import lru_cache

from pygments.lexer import Lexer
from pygments.lexers import get_lexer_by_name
from pygments.token import Token

from loopin_mcp.api.pages.values.budget import Budget
from loopin_mcp.api.pages.values.folds import Lines, in_boxes, numbered
from loopin_mcp.api.pages.values.marks import LONGEST_LINE, code_line, escaped, is_plain

# The lexers whose time grows with the text and not with its square. That of Java needs a minute
# for 16 KB of line feeds; those of HTML, Ruby and XML also look far ahead.
COLOURED = frozenset(
    ("bash", "sql", "json", "python", "javascript", "typescript", "go", "rust", "yaml", "toml")
) | {"ini", "css"}
# The class of a token in the HTML; the first that contains it counts.
_CLASSES = (
    (Token.Comment, "c"),
    (Token.Keyword, "k"),
    (Token.Operator.Word, "k"),
    (Token.Literal.String, "s"),
    (Token.Literal.Number, "n"),
    (Token.Name.Tag, "k"),
    (Token.Name.Builtin, "f"),
    (Token.Name.Function, "f"),
    (Token.Name.Class, "f"),
    (Token.Name.Attribute, "f"),
    (Token.Name.Variable, "v"),
)


def code(label: str, text: str, language: str, budget: Budget) -> str:
    """Code as HTML: in a box with numbers, or a short line by itself."""
    texts = lines_of(text)
    htmls = _coloured(texts, language, budget)
    if len(texts) == 1 and len(text) <= LONGEST_LINE:
        return f'<code class="one">{htmls[0]}</code>'
    lines = Lines(label, texts, lambda start, end: _joined(htmls[start:end]), numbered(texts))
    return in_boxes(lines)


def _joined(htmls: Sequence[str]) -> str:
    # Browsers draw no line after the last line feed, so a blank last line needs one more.
    return "\n".join(htmls if htmls[-1] else [*htmls, ""])


def lines_of(text: str) -> list[str]:
    """The lines of a text; a line feed at its end begins no other line."""
    lines = text.replace("\r\n", "\n").split("\n")
    return lines[:-1] if len(lines) > 1 and not lines[-1] else lines


def _coloured(texts: list[str], language: str, budget: Budget) -> list[str]:
    """Each line as HTML. Only colours depend on the language, and marked lines have none."""
    whole = "\n".join(texts)
    is_coloured = language in COLOURED and max(map(len, texts)) <= LONGEST_LINE
    if not is_coloured or not budget.allows(len(whole)):
        return [code_line(text) for text in texts]
    return [
        "".join(map(_span, parts)) if is_plain(text) else code_line(text)
        for text, parts in zip(texts, _tokens(whole, language), strict=True)
    ]


def _tokens(whole: str, language: str) -> list[list[tuple[str, str]]]:
    """The classes and texts of the tokens of each line."""
    lines: list[list[tuple[str, str]]] = [[]]
    # Unlike `get_tokens`, this gives the text as it is.
    for _, kind, value in _lexer(language).get_tokens_unprocessed(whole):
        first, *others = value.split("\n")
        lines[-1].append((_class_of(kind), first))
        lines.extend([(_class_of(kind), other)] for other in others)
    return lines


def _span(token: tuple[str, str]) -> str:
    name, text = token
    return f'<span class="{name}">{escaped(text)}</span>' if name and text else escaped(text)


@lru_cache
def _lexer(language: str) -> Lexer:
    return get_lexer_by_name(language)


@lru_cache(maxsize=512)
def _class_of(kind: object) -> str:
    return next((name for outer, name in _CLASSES if kind in outer), "")
