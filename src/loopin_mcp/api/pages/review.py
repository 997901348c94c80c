"""The review page: GET shows an interrupt, POST decides it and redirects."""

import logging
from functools import partial

import anyio.to_thread
from starlette.background import BackgroundTask
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from loopin_mcp.api.access.actors import Actor
from loopin_mcp.api.access.browser import HEADERS, is_visit, refuse_foreign_page
from loopin_mcp.api.access.sessions import Sessions
from loopin_mcp.api.audit.digests import payload_digest
from loopin_mcp.api.pages.decision_form import Entry, read_entry
from loopin_mcp.api.pages.rendering import Link, Pages
from loopin_mcp.api.pages.review_model import ReviewPage, Trail
from loopin_mcp.api.rest.requests import interrupt_id_of
from loopin_mcp.api.store.store import Store
from loopin_mcp.errors import (
    APIError,
    ConflictError,
    LoopinError,
    NotFoundError,
    UnauthorizedError,
    UnavailableError,
)
from loopin_mcp.wire.models import Interrupt

logger = logging.getLogger("loopin_mcp")


class Review:
    """The review page over a store.

    Where reviewers have keys, a link shows and decides nothing before they have signed in.
    """

    def __init__(self, store: Store, sessions: Sessions, pages: Pages) -> None:
        self._store = store
        self._sessions = sessions
        self._pages = pages

    async def show_interrupt(self, request: Request) -> Response:
        """`GET /review/{interruptId}`."""
        name = self._sessions.reviewer_of(request)
        if name is None:
            return self._sessions.redirect_to_sign_in(request)
        try:
            interrupt = await self._interrupt(request)
            answer = await self._page(request, interrupt, Entry())
            self._sessions.renew(request, answer)
            if interrupt.is_pending and is_visit(request):
                # To record it must not keep the page from showing.
                answer.background = BackgroundTask(self._record_view, request, name)
            return answer
        except NotFoundError as error:
            heading, hint = "No such request", "Check the link: is it whole?"
            return self._pages.error(request, error, heading, hint)
        except APIError as error:
            heading, hint = "This request cannot be shown", "Try again in a minute."
            return self._pages.error(request, error, heading, hint)

    async def decide_interrupt(self, request: Request) -> Response:
        """`POST /review/{interruptId}`: records the form's decision, or shows why it cannot."""
        name, target = self._sessions.reviewer_of(request), request.path_params["interrupt_id"]
        return await self.record(request, name, "review-page", target)

    async def record(
        self, request: Request, name: str | None, channel: str, target: str
    ) -> Response:
        """Record the form's decision by `name` and lead on to `target`, or show why it cannot.

        Without a name it is nobody's, since they have to sign in. `target` is relative, so that
        it keeps whatever prefix a proxy puts before this page.
        """
        try:
            refuse_foreign_page(request, self._store.public_url)
            if name is None:
                raise UnauthorizedError("You are not signed in any more")
            entry = await read_entry(request)
            refusal = await self._record(request, entry, Actor(name, channel))
            return refusal or RedirectResponse(target, 303, HEADERS)
        except UnauthorizedError as error:
            link = Link("Sign in", self._sessions.way_to_sign_in(request))
            heading, hint = "Nothing was recorded", "Sign in to decide."
            return self._pages.error(request, error, heading, hint, link)
        except UnavailableError as error:
            heading, hint = "Perhaps nothing was recorded", "Open the link again to see."
            return self._pages.error(request, error, heading, hint)
        except APIError as error:
            heading, hint = "Nothing was recorded", "Go back to the request to decide."
            return self._pages.error(request, error, heading, hint)

    async def _record(self, request: Request, entry: Entry, actor: Actor) -> Response | None:
        """The page with what is wrong, or None where the decision is recorded."""
        interrupt = await self._interrupt(request)
        if entry.payload_digest not in ("", payload_digest(interrupt)):
            return await self._page(request, interrupt, entry, 409)
        checked = entry.checked()
        if isinstance(checked, Entry):
            status = 400 if interrupt.is_pending else 409
            return await self._page(request, interrupt, checked, status)
        try:
            await self._store.decide_interrupt(interrupt.interrupt_id, checked, actor)
        except ConflictError:
            return await self._page(request, await self._interrupt(request), entry, 409)
        return None

    async def _record_view(self, request: Request, name: str) -> None:
        actor = Actor(name, "review-page")
        try:
            await self._store.record_view(interrupt_id_of(request), actor)
        except LoopinError as error:
            logger.warning("That a request was opened could not be recorded: %s", error)

    async def _interrupt(self, request: Request) -> Interrupt:
        return await self._store.get_interrupt_status(interrupt_id_of(request))

    async def _page(
        self, request: Request, interrupt: Interrupt, entry: Entry, status: int = 200
    ) -> Response:
        trail = Trail(interrupt, await self._store.list_events(interrupt.interrupt_id))
        page = ReviewPage(interrupt, entry, trail)
        make = partial(self._pages.page, page=page, interrupt=interrupt, entry=entry, trail=trail)
        # Long texts take their time, and those who wait for a decision must not wait for that.
        return await anyio.to_thread.run_sync(make, request, "review.html", status)
