"""Searches: their words, their conditions and their parameters."""

import json
from typing import Annotated, Literal
from urllib.parse import urlencode

from pydantic import Field

from loopin_mcp.api.database.steps import Value
from loopin_mcp.wire.models import Interrupt, NewInterrupt, Wire
from loopin_mcp.wire.plain_text import folded

LONGEST_SEARCHED = 10_000
MOST_WORDS = 10
# LIKE's own escape is the backslash in PostgreSQL and none in SQLite.
ESCAPE = "!"

_Text = Annotated[str, Field(max_length=200, pattern=r"^[^\x00]*$")]


def searched_text(interrupt: NewInterrupt | Interrupt) -> str:
    """What a search for words looks through."""
    context = json.dumps(interrupt.context, ensure_ascii=False)
    parts = (interrupt.agent_id, interrupt.user_id, interrupt.action, context)
    return folded("\n".join(map(str, parts)))[:LONGEST_SEARCHED]


def patterns(words: str) -> list[str]:
    """A LIKE pattern for each word, in which `%` and `_` stand for themselves."""
    return [f"%{_escaped(word)}%" for word in folded(words).split()[:MOST_WORDS]]


def _escaped(word: str) -> str:
    for mark in (ESCAPE, "%", "_"):
        word = word.replace(mark, ESCAPE + mark)
    return word


class Search(Wire):
    """Which interrupts are looked for; what is empty does not matter."""

    q: _Text = ""
    user: _Text = ""
    agent: _Text = ""
    urgency: Literal["", "low", "medium", "high"] = ""
    status: Literal["", "approved", "rejected", "expired", "cancelled"] = ""

    @property
    def narrows(self) -> bool:
        """Whether it leaves any out."""
        return self != Search()

    def query(self, **more: str) -> str:
        """This search, and more, as a query; empty where there is nothing to say."""
        said = {name: value for name, value in (self.model_dump() | more).items() if value}
        return f"?{urlencode(said)}" if said else ""


def waiting(search: Search) -> str:
    """The conditions of what waits, which is never much beside what is settled."""
    # Joined to nothing, lest the index lead through all that this agent has ever asked.
    agent = " AND agent_id || '' = :agent" if search.agent else ""
    return (" AND user_id = :user" if search.user else "") + agent + _matching(search)


def indexed(search: Search) -> str:
    """The condition of what is settled that an index answers in the order of the list."""
    if search.user:
        return " AND user_id = :user"
    return " AND agent_id = :agent" if search.agent else ""


def others(search: Search) -> str:
    """The conditions that one settled interrupt after the other is held against."""
    agent = " AND agent_id = :agent" if search.user and search.agent else ""
    status = " AND status = :status" if search.status else ""
    return agent + status + _matching(search)


def _matching(search: Search) -> str:
    urgency = " AND urgency = :urgency" if search.urgency else ""
    words = " AND ".join(
        f"search_text LIKE :word_{word} ESCAPE '{ESCAPE}'"
        for word in range(len(patterns(search.q)))
    )
    return urgency + (f" AND (interrupt_id = :id OR {words})" if words else "")


def params_of(search: Search) -> dict[str, Value]:
    """The parameters of the conditions."""
    words = {f"word_{place}": pattern for place, pattern in enumerate(patterns(search.q))}
    return {**search.model_dump(exclude={"q"}), "id": search.q.strip().lower(), **words}
