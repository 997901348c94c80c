"""The inbox with its decision forms, and the history of settled requests."""

from dataclasses import dataclass
from typing import Annotated

from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from loopin_mcp.api.access.browser import PAGE_HEADERS
from loopin_mcp.api.access.sessions import Sessions
from loopin_mcp.api.pages.filters import fits_in_list
from loopin_mcp.api.pages.rendering import Failure, Link, Pages, page
from loopin_mcp.api.pages.review import NOT_RECORDED, Review
from loopin_mcp.api.pages.review_model import STATES
from loopin_mcp.api.rest.requests import check, interrupt_id_of
from loopin_mcp.api.store.inbox_lists import History, Queue
from loopin_mcp.api.store.search import Search
from loopin_mcp.api.store.store import Store
from loopin_mcp.errors import APIError, NotFoundError, TamperedError, UnavailableError
from loopin_mcp.wire.models import Interrupt, Wire

PAGE = 50
RECENT = 8

URGENCIES = {"": "Any", "high": "High", "medium": "Medium", "low": "Low"}
STATUSES = {"": "Any", **{status: state for status, state in STATES.items() if status != "pending"}}
_WAYS = {
    "inbox": "in the inbox",
    "mcp": "via an MCP server",
    "review-link": "via the review link",
    "api-key": "with the API key",
    "anonymous": "anonymous",
}
_WHOLE = Link("Open the inbox", "")
_HEADING = "This list cannot be shown"
_NOT_SHOWN = {
    UnavailableError: Failure(_HEADING, "{}. Try again in a minute.", _WHOLE),
    APIError: Failure(_HEADING, "{}. Start from the full list.", _WHOLE),
}


class Place(Wire):
    """The part of a list to show, and the request that was just decided."""

    cursor: str | None = None
    done: Annotated[str | None, Field(pattern=r"^[^\x00]*$")] = None


@dataclass(frozen=True)
class Blank:
    """The text in place of an empty list."""

    heading: str
    hint: str


_NOTHING_WAITS = Blank("You're all caught up", "New requests appear here automatically.")
_NOTHING_SETTLED = Blank("Nothing settled yet", "Decisions appear here once they are made.")
_NOTHING_FOUND = Blank("Nothing found", "Try fewer words, or clear the filters.")
_NOTHING_LEFT = Blank("Nothing left here", "These requests have been settled.")


@dataclass(frozen=True)
class Choices:
    """The choices of the filters, which always include the current one."""

    users: tuple[str, ...]
    agents: tuple[str, ...]
    urgencies = URGENCIES
    statuses = STATUSES


@dataclass(frozen=True)
class InboxPage:
    """The model of the inbox."""

    search: Search
    place: Place
    choices: Choices
    waiting: Queue
    recent: History
    done: Interrupt | None

    @property
    def title(self) -> str:
        """The page's title, which begins with the number of requests in the list."""
        return f"({self.waiting.count}) Inbox" if self.waiting.count else "Inbox"

    @property
    def summary(self) -> str:
        """How many requests are waiting, or were found, in words."""
        number = f"{self.waiting.count:,}" if self.waiting.count else "Nothing"
        return f"{number} {'found' if self.search.narrows else 'waiting'}"

    @property
    def outcome(self) -> str | None:
        """The outcome of the request that was just decided."""
        return STATES[self.done.status] if self.done and not self.done.is_pending else None

    @property
    def empty(self) -> Blank | None:
        """The text in place of the list, or None if it is not empty."""
        if self.waiting.interrupts:
            return None
        if self.waiting.count:
            return _NOTHING_LEFT
        return _NOTHING_FOUND if self.search.narrows else _NOTHING_WAITS

    @property
    def no_recent(self) -> str:
        """The text in place of the settled requests, if there are none."""
        return "No settled request matches." if self.search.narrows else "Nothing yet."


@dataclass(frozen=True)
class HistoryPage:
    """The model of the history."""

    search: Search
    place: Place
    choices: Choices
    history: History

    @property
    def empty(self) -> Blank:
        """The text in place of the list, if it is empty."""
        return _NOTHING_FOUND if self.search.narrows or self.place.cursor else _NOTHING_SETTLED

    @property
    def way_on(self) -> str:
        """The name of the link to the next part."""
        return "Keep searching" if self.history.looked_back_to else "Older"


class Inbox:
    """The inbox and the history, for people who are signed in."""

    def __init__(self, store: Store, sessions: Sessions, pages: Pages, review: Review) -> None:
        self._store = store
        self._sessions = sessions
        self._pages = pages
        self._review = review

    @page(_NOT_SHOWN)
    async def show_inbox(self, request: Request) -> Response:
        """`GET /`."""
        search, place = self._asked(request)
        overview = self._store.overview
        model = InboxPage(
            search,
            place,
            await self._choices(search),
            await overview.list_pending(search, limit=PAGE, cursor=place.cursor),
            await overview.list_settled(search, limit=RECENT),
            await self._done(place),
        )
        return await self._show(request, "inbox.html", model)

    @page(_NOT_SHOWN)
    async def show_history(self, request: Request) -> Response:
        """`GET /history`."""
        search, place = self._asked(request)
        history = await self._store.overview.list_settled(search, limit=PAGE, cursor=place.cursor)
        model = HistoryPage(search, place, await self._choices(search), history)
        return await self._show(request, "history.html", model)

    @page(NOT_RECORDED)
    async def decide_interrupt(self, request: Request) -> Response:
        """`POST /inbox/{interruptId}`: decides, and returns to the list."""
        asked = dict(request.query_params)
        place = {"cursor": check(Place, asked).cursor or "", "done": interrupt_id_of(request)}
        target = check(Search, asked).query(**place)
        require = self._sessions.require_subject
        answer = await self._review.record(request, require, "inbox", target)
        if answer.status_code == 303 and "return=minimal" in request.headers.get("prefer", ""):
            # The script asks for the outcome only (RFC 7240). If it followed the redirect and the
            # list failed, it would treat the decision as not recorded.
            return Response(status_code=204, headers=PAGE_HEADERS)
        return answer

    def _asked(self, request: Request) -> tuple[Search, Place]:
        self._sessions.require_subject(request)
        asked = dict(request.query_params)
        return check(Search, asked), check(Place, asked)

    async def _show(
        self, request: Request, template: str, model: InboxPage | HistoryPage
    ) -> Response:
        return await self._pages.show(
            request, template, page=model, way_of=way_of, is_short=fits_in_list
        )

    async def _choices(self, search: Search) -> Choices:
        names = await self._store.overview.list_names()
        return Choices(_with(search.user, names.users), _with(search.agent, names.agents))

    async def _done(self, place: Place) -> Interrupt | None:
        if place.done is None:
            return None
        try:
            return await self._store.get_interrupt_status(place.done)
        except (NotFoundError, TamperedError):
            return None


def way_of(interrupt: Interrupt) -> str:
    """Who decided it, or how if that is not known; empty if nobody did."""
    name = interrupt.decided_by or ""
    if name not in _WAYS:
        return name and f"by {name}"
    return _WAYS.get(interrupt.decided_via or "", _WAYS[name])


def _with(chosen: str, names: tuple[str, ...]) -> tuple[str, ...]:
    return names if chosen in ("", *names) else (*names, chosen)
