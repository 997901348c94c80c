"""The review page: GET shows an interrupt, POST decides it and redirects."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import replace

import anyio
import anyio.to_thread
from starlette.background import BackgroundTask
from starlette.requests import Request
from starlette.responses import Response

from loopin_mcp.api.access.actors import Actor
from loopin_mcp.api.access.browser import is_visit, refuse_foreign_page
from loopin_mcp.api.access.sessions import REVIEW_LINK, Sessions
from loopin_mcp.api.audit.digests import payload_digest
from loopin_mcp.api.pages.changes.decision_form import STANDING_LENGTHS, Entry, read_entry
from loopin_mcp.api.pages.history.unusual import Panel
from loopin_mcp.api.pages.rendering import Failure, Pages, page
from loopin_mcp.api.pages.review_model import ReviewPage
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

_NOT_SHOWN = {
    NotFoundError: Failure(
        "Request not found", "This request does not exist. The link may be incomplete."
    ),
    APIError: Failure("This request cannot be shown", "{}. Try again in a minute."),
}
NOT_RECORDED = {
    UnauthorizedError: Failure("Nothing was recorded", "{}. Sign in to decide."),
    UnavailableError: Failure(
        "We could not confirm your decision", "{}. Check the request before trying again."
    ),
    NotFoundError: Failure(
        "Nothing was recorded", "This request does not exist. The link may be incomplete."
    ),
    APIError: Failure("Nothing was recorded", "{}. Go back to the request to decide."),
}

# What is shown beside a request may not delay it longer.
LONGEST_LOOK_S = 0.5

logger = logging.getLogger("loopin_mcp")


async def record_views(store: Store, interrupt_ids: Sequence[str], actor: Actor) -> None:
    """Record that these requests were opened; if that fails, they were shown all the same."""
    try:
        for interrupt_id in interrupt_ids:
            await store.record_view(interrupt_id, actor)
    except LoopinError as error:
        logger.warning("Cannot record that a request was opened: %s", error)


class Review:
    """The review page. If reviewers have keys, it requires them to sign in first."""

    def __init__(
        self, store: Store, sessions: Sessions, pages: Pages, reasons: tuple[str, ...]
    ) -> None:
        self._store = store
        self._sessions = sessions
        self._pages = pages
        self._reasons = reasons

    @page(_NOT_SHOWN)
    async def show_interrupt(self, request: Request) -> Response:
        """`GET /review/{interruptId}`."""
        name = self._sessions.reviewer_of(request)
        model = await self._model(request, Entry())
        answer = await self._page(request, model)
        if model.is_decidable and is_visit(request):
            actor = Actor(name, "review-page")
            answer.background = BackgroundTask(
                record_views, self._store, [interrupt_id_of(request)], actor
            )
        return answer

    @page(NOT_RECORDED)
    async def decide_interrupt(self, request: Request) -> Response:
        """`POST /review/{interruptId}`: records the form's decision, or shows why it cannot."""
        target = f"review/{request.path_params['interrupt_id']}"
        return await self.record(request, self._sessions.reviewer_of, "review-page", target)

    async def record(
        self, request: Request, name_of: Callable[[Request], str], channel: str, target: str
    ) -> Response:
        """Record the form's decision and redirect to `target`, or show the form again."""
        refuse_foreign_page(request, self._store.public_url)
        actor = Actor(name_of(request), channel)
        refusal = await self._record(request, await read_entry(request), actor)
        return refusal or self._pages.redirect(request, target)

    async def _record(self, request: Request, entry: Entry, actor: Actor) -> Response | None:
        """The page with what is wrong, or None if the decision was recorded."""
        model = await self._model(request, entry)
        interrupt = model.interrupt
        if entry.payload_digest not in ("", payload_digest(interrupt)):
            # The fields are by place, and would be those of other values.
            other = replace(model, entry=replace(entry, values={}))
            return await self._page(request, other, 409)
        checked = entry.checked(interrupt)
        if isinstance(checked, Entry):
            status = 400 if interrupt.is_pending else 409
            return await self._page(request, replace(model, entry=checked), status)
        if interrupt.urgency == "high" and entry.confirmed != entry.decision:
            asked = replace(entry, faults={"confirmed": "asks for it once more"})
            return await self._page(request, replace(model, entry=asked), 409)
        try:
            await self._store.decide_interrupt(interrupt.interrupt_id, checked, actor, entry.grant)
        except ConflictError:
            return await self._page(request, await self._model(request, entry), 409)
        return None

    async def _model(self, request: Request, entry: Entry) -> ReviewPage:
        interrupt, trail = await self._store.get_trail(interrupt_id_of(request))
        fault = await anyio.to_thread.run_sync(trail.fault)
        answered = await self._store.deliveries.last_answer(interrupt.interrupt_id)
        return ReviewPage(interrupt, entry, trail.events, fault, answered)

    async def _beside(self, request: Request, model: ReviewPage) -> ReviewPage:
        """The model with what was asked and decided before, for those who may see all requests."""
        subject = self._sessions.subject_of(request)
        model = replace(model, reasons=self._reasons)
        if subject is None:
            return model
        if not model.is_decidable:
            return replace(model, queue=await self._store.overview.queue())
        names = (subject,) if self._sessions.has_reviewers else (subject, REVIEW_LINK)
        with anyio.move_on_after(LONGEST_LOOK_S):
            # Whatever fails here must not keep the request from being shown.
            try:
                given = await self._store.precedents.recent_reasons(*names)
                model = replace(model, reasons=tuple(dict.fromkeys((*given, *self._reasons))))
                found = await self._store.precedents.unusual(model.interrupt)
                panel = Panel(model.interrupt, found)
                await anyio.to_thread.run_sync(lambda: panel.differences)
                return replace(model, unusual=panel)
            except Exception as error:
                logger.warning("Cannot show what is unusual about a request: %r", error)
        return model

    async def _page(self, request: Request, model: ReviewPage, status: int = 200) -> Response:
        model = await self._beside(request, model)
        return await self._pages.show(
            request,
            "review.html",
            status,
            page=model,
            interrupt=model.interrupt,
            entry=model.entry,
            standing_lengths=STANDING_LENGTHS,
        )
