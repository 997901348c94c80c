"""How text is searched: word by word, without regard to case, accents' encoding or width."""

import json

from loopin_mcp.models import NewInterrupt
from loopin_mcp.plain import folded

LONGEST_SEARCHED = 10_000
MOST_WORDS = 10
# LIKE's own escape is the backslash in PostgreSQL and none in SQLite.
ESCAPE = "!"


def searched_text(interrupt: NewInterrupt) -> str:
    """What a search for words looks through."""
    context = json.dumps(interrupt.context, ensure_ascii=False)
    parts = (interrupt.agent_id, interrupt.user_id, interrupt.action, context)
    return folded("\n".join(parts))[:LONGEST_SEARCHED]


def patterns(words: str) -> list[str]:
    """A LIKE pattern for each word, in which `%` and `_` stand for themselves."""
    return [f"%{_escaped(word)}%" for word in folded(words).split()[:MOST_WORDS]]


def _escaped(word: str) -> str:
    for mark in (ESCAPE, "%", "_"):
        word = word.replace(mark, ESCAPE + mark)
    return word
