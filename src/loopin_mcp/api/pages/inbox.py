"""The inbox, its updates, and the history of settled requests."""

from dataclasses import dataclass, field

from starlette.requests import Request
from starlette.responses import Response

from loopin_mcp.api.access.actors import Actor
from loopin_mcp.api.access.browser import refuse_foreign_page
from loopin_mcp.api.access.sessions import Sessions
from loopin_mcp.api.pages.changes.decision_form import Entry
from loopin_mcp.api.pages.filters import UNNAMED
from loopin_mcp.api.pages.rendering import Failure, Link, Pages, page
from loopin_mcp.api.pages.review import NOT_RECORDED
from loopin_mcp.api.pages.review_model import STATES, ReviewPage
from loopin_mcp.api.pages.together import kind_of
from loopin_mcp.api.rest.requests import check, interrupt_id_of, read_form
from loopin_mcp.api.store.history.settled import History
from loopin_mcp.api.store.inbox_lists import InboxLists, Shown, Waiting
from loopin_mcp.api.store.search import Search
from loopin_mcp.api.store.store import Store
from loopin_mcp.errors import APIError, UnavailableError
from loopin_mcp.wire.fields import JSONObject
from loopin_mcp.wire.models import NewInterrupt, Wire
from loopin_mcp.wire.standing import StandingApproval

PAGE = 50
RECENT = 8
# An open inbox learns the outcomes of no more requests than these.
MOST_SHOWN = 1000

URGENCIES = {"": "Any", "high": "High", "medium": "Medium", "low": "Low"}
STATUSES = {"": "Any", **{status: state for status, state in STATES.items() if status != "pending"}}
_WHOLE = Link("Open the inbox", "")
_HEADING = "This list cannot be shown"
_NOT_SHOWN = {
    UnavailableError: Failure(_HEADING, "{}. Try again in a minute.", _WHOLE),
    APIError: Failure(_HEADING, "{}. Start from the full list.", _WHOLE),
}


# What a reviewer can send to themselves while LoopIn has had no request.
_TEST_AGENT = "LoopIn"
_TEST_ACTION = "Try LoopIn with this test request"
_TEST_CONTEXT: JSONObject = {"note": "This is a test. Approve or reject it: nothing else happens."}
_TEST_EXPIRES_S = 3600
UNNAMED_USER = "you"


class Place(Wire):
    """The part of a list to show."""

    cursor: str | None = None


@dataclass(frozen=True)
class Blank:
    """The text in place of an empty list."""

    heading: str
    hint: str


_NOTHING_WAITS = Blank("You're all caught up", "New requests appear here automatically.")
_NEVER_ANY = Blank("No requests yet", "They appear here as soon as an agent asks.")
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
    """The model of the inbox, or of an update of a page that has `shown` some of it already."""

    search: Search
    place: Place
    lists: InboxLists
    shown: Shown = field(default_factory=Shown)
    choices: Choices | None = None
    standing: tuple[StandingApproval, ...] = ()

    @property
    def title(self) -> str:
        """The page's title, which begins with the number of requests in the list."""
        return f"({self.lists.count}) Inbox" if self.lists.count else "Inbox"

    @property
    def summary(self) -> str:
        """How many requests are waiting, or were found, in words."""
        number = f"{self.lists.count:,}" if self.lists.count else "Nothing"
        return f"{number} {'found' if self.search.narrows else 'waiting'}"

    @property
    def is_new(self) -> bool:
        """Whether LoopIn has had no request at all."""
        return not self.lists.is_used

    @property
    def empty(self) -> Blank | None:
        """The text in place of the list, or None if it is not empty."""
        if self.lists.listed:
            return None
        if self.lists.count:
            return _NOTHING_LEFT
        if self.is_new:
            return _NEVER_ANY
        return _NOTHING_FOUND if self.search.narrows else _NOTHING_WAITS

    @property
    def no_recent(self) -> str:
        """The text in place of the settled requests, if there are none."""
        return "No settled request matches." if self.search.narrows else "Nothing yet."

    @property
    def has_other_recent(self) -> bool:
        """Whether the settled requests differ from those shown."""
        return self.lists.recent != self.shown.settled

    @property
    def gone(self) -> tuple[ReviewPage, ...]:
        """The requests shown as waiting that were settled meanwhile."""
        return tuple(
            ReviewPage(each.interrupt, Entry(), (), each.fault) for each in self.lists.gone
        )


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

    def __init__(self, store: Store, sessions: Sessions, pages: Pages) -> None:
        self._store = store
        self._sessions = sessions
        self._pages = pages

    @page(_NOT_SHOWN)
    async def show_inbox(self, request: Request) -> Response:
        """`GET /`."""
        search, place = self._asked(request)
        lists, choices = await self._lists(search, place), await self._choices(search)
        standing = await self._store.approvals.list_standing()
        model = InboxPage(search, place, lists, Shown(), choices, standing)
        return await self._show(request, "inbox/inbox.html", model)

    @page(_NOT_SHOWN)
    async def show_changes(self, request: Request) -> Response:
        """`POST /`: how the inbox differs from a page that shows the requests in this form."""
        search, place = self._asked(request)
        form = await read_form(request, ("waiting", "settled"))
        shown = Shown(_ids(form.get("waiting", "")), _ids(form.get("settled", "")))
        model = InboxPage(search, place, await self._lists(search, place, shown), shown)
        return await self._show(request, "inbox/changes.html", model)

    @page(_NOT_SHOWN)
    async def show_history(self, request: Request) -> Response:
        """`GET /history`."""
        search, place = self._asked(request)
        history = await self._store.history.list_settled(search, limit=PAGE, cursor=place.cursor)
        model = HistoryPage(search, place, await self._choices(search), history)
        return await self._pages.show(request, "history/history.html", page=model)

    @page(NOT_RECORDED)
    async def end_standing(self, request: Request) -> Response:
        """`POST /inbox/{interruptId}/end`: ends a standing approval, and returns to the list."""
        refuse_foreign_page(request, self._store.public_url)
        actor = Actor(self._sessions.require_subject(request), "inbox")
        await self._store.approvals.end_standing(interrupt_id_of(request), actor)
        return self._pages.redirect(request, "")

    @page(NOT_RECORDED)
    async def send_test_request(self, request: Request) -> Response:
        """`POST /inbox/test`: creates a harmless request, unless there has been any."""
        refuse_foreign_page(request, self._store.public_url)
        subject = self._sessions.require_subject(request)
        if not (await self._lists(Search(), Place())).is_used:
            test = NewInterrupt(
                agent_id=_TEST_AGENT,
                user_id=UNNAMED_USER if subject in UNNAMED else subject,
                action=_TEST_ACTION,
                context=_TEST_CONTEXT,
                urgency="low",
                expires_in=_TEST_EXPIRES_S,
            )
            await self._store.create_interrupt(test, Actor(subject, "inbox"))
        return self._pages.redirect(request, "")

    def _asked(self, request: Request) -> tuple[Search, Place]:
        self._sessions.require_subject(request)
        asked = dict(request.query_params)
        return check(Search, asked), check(Place, asked)

    async def _show(self, request: Request, template: str, model: InboxPage) -> Response:
        return await self._pages.show(request, template, page=model, alike=alike)

    async def _lists(self, search: Search, place: Place, shown: Shown | None = None) -> InboxLists:
        return await self._store.overview.list_inbox(
            search, limit=PAGE, recent=RECENT, cursor=place.cursor, shown=shown
        )

    async def _choices(self, search: Search) -> Choices:
        names = await self._store.overview.list_names()
        return Choices(_with(search.user, names.users), _with(search.agent, names.agents))


def alike(waiting: Waiting) -> str | None:
    """What a request has in common with those like it; None if it is decided by itself."""
    return None if waiting.fault else kind_of(waiting.interrupt)


def _with(chosen: str, names: tuple[str, ...]) -> tuple[str, ...]:
    return names if chosen in ("", *names) else (*names, chosen)


def _ids(text: str) -> tuple[str, ...]:
    """The ids in a field; databases refuse some unprintable characters, such as NUL."""
    return tuple(filter(str.isprintable, text.split()[:MOST_SHOWN]))
