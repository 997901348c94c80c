"""Searches in the inbox: their words, SQL conditions and parameters."""

import json
import re
from datetime import date, datetime
from typing import Annotated, Literal
from urllib.parse import urlencode

from pydantic import AfterValidator, Field

from loopin_mcp.api.clock import DAY_MS
from loopin_mcp.api.database.steps import Value
from loopin_mcp.wire.models import Interrupt, NewInterrupt, Wire
from loopin_mcp.wire.plain_text import folded

LONGEST_SEARCHED = 10_000
MOST_WORDS = 10
# Named in each LIKE, since PostgreSQL's default is the backslash and SQLite has none.
ESCAPE = "!"

_text = json.JSONEncoder(ensure_ascii=False).encode
_SPECIAL = re.compile(f"[{ESCAPE}%_]")
_Text = Annotated[str, Field(max_length=200, pattern=r"^[^\x00]*$")]


def _day(text: str) -> str:
    if text and not re.fullmatch(r"\d{4}-\d\d-\d\d", text, re.ASCII):
        raise ValueError("must be a day such as 2025-06-13")
    try:
        return text and date.fromisoformat(text).isoformat()
    except ValueError:
        raise ValueError("must be a day that exists") from None


_Day = Annotated[str, AfterValidator(_day)]


def searched_text(interrupt: NewInterrupt | Interrupt, reason: str | None = None) -> str:
    """The text that a search for words looks through; a reason is in it, however long it is."""
    context = _text(interrupt.context)
    parts = (reason or "", interrupt.agent_id, interrupt.user_id, interrupt.action, context)
    return folded("\n".join(map(str, parts)))[:LONGEST_SEARCHED]


def _patterns(words: str) -> dict[str, str]:
    """By parameter, a LIKE pattern for each word; `%` and `_` in words are literal."""
    escaped = _SPECIAL.sub(rf"{ESCAPE}\g<0>", folded(words)).split()[:MOST_WORDS]
    return {f"word_{place}": f"%{word}%" for place, word in enumerate(escaped)}


class Search(Wire):
    """The filters of a list; empty fields do not filter.

    The days, which are in UTC and both included, count for settled interrupts only.
    """

    q: _Text = ""
    user: _Text = ""
    agent: _Text = ""
    urgency: Literal["", "low", "medium", "high"] = ""
    status: Literal["", "approved", "rejected", "expired", "cancelled"] = ""
    since: _Day = Field(default="", validation_alias="from", serialization_alias="from")
    until: _Day = Field(default="", validation_alias="to", serialization_alias="to")

    @property
    def narrows(self) -> bool:
        """Whether any filter is set."""
        return self != Search()

    @property
    def days_ms(self) -> tuple[int | None, int | None]:
        """When the first day begins, and when the last one is over; None without one."""
        first = _start(self.since) if self.since else None
        return first, _start(self.until) + DAY_MS if self.until else None

    def query(self, **more: str) -> str:
        """This search and `more` as a URL's query with its `?`, or nothing if all are empty."""
        fields = self.model_dump(mode="json", by_alias=True)
        given = {name: value for name, value in (fields | more).items() if value}
        return f"?{urlencode(given)}" if given else ""


def _start(day: str) -> int:
    """When a day begins in UTC, in epoch milliseconds."""
    return round(datetime.fromisoformat(f"{day}T00:00:00+00:00").timestamp()) * 1000


def waiting(search: Search) -> str:
    """The conditions for pending interrupts."""
    user = " AND user_id = :user" if search.user else ""
    # The concatenation prevents the use of the agent's index, which has all settled ones too.
    agent = " AND agent_id || '' = :agent" if search.agent else ""
    return user + agent + _matching(search)


def indexed(search: Search) -> str:
    """The condition for settled interrupts that an index serves in the order of the list."""
    if search.user:
        return " AND user_id = :user"
    return " AND agent_id = :agent" if search.agent else ""


def others(search: Search) -> str:
    """The conditions for settled interrupts that no index serves."""
    agent = " AND agent_id = :agent" if search.user and search.agent else ""
    status = " AND status = :status" if search.status else ""
    return agent + status + _matching(search)


def _matching(search: Search) -> str:
    urgency = " AND urgency = :urgency" if search.urgency else ""
    words = " AND ".join(
        f"search_text LIKE :{word} ESCAPE '{ESCAPE}'" for word in _patterns(search.q)
    )
    return urgency + (f" AND (interrupt_id = :id OR {words})" if words else "")


def params_of(search: Search) -> dict[str, Value]:
    """The parameters of the conditions."""
    fields = search.model_dump(exclude={"q", "since", "until"})
    return {**fields, "id": search.q.strip().lower(), **_patterns(search.q)}
