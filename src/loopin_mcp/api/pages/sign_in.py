"""Signing in with a key or a one-time link, and signing out."""

import re

from pydantic_core import to_json
from starlette.requests import Request
from starlette.responses import Response

from loopin_mcp.api.access.browser import json_response, refuse_foreign_page
from loopin_mcp.api.access.keys import API_KEY, Door
from loopin_mcp.api.access.sessions import LINK_S, Sessions
from loopin_mcp.api.clock import moment
from loopin_mcp.api.pages.rendering import Failure, Link, Pages, page
from loopin_mcp.api.rest.requests import read_form
from loopin_mcp.api.store.store import Store
from loopin_mcp.errors import APIError, NotFoundError
from loopin_mcp.wire.models import SignInLink

# Where signing in may lead to: our own pages, relative to the root.
_NEXT = re.compile(
    r"(?:history|analytics|notifications|(?:review|inbox)/[\w-]+)?(?:\?[^\x00-\x20\x7f]*)?",
    re.ASCII,
)
_WRONG = "That key is not valid. Check it and try again."
_OF_AGENTS = "That is the agents' key. Sign in with your own reviewer key."
_NOT_SIGNED_IN = {APIError: Failure("Not signed in", "{}. Reload the page and try again.")}
_NOT_SIGNED_OUT = {APIError: Failure("Still signed in", "{}. Reload the page and try again.")}
_LINK_IS_USED = {
    APIError: Failure(
        "This link no longer works",
        "{}. Run loopin-mcp inbox for a new one.",
        Link("Sign in with the key", "sign-in"),
    )
}


class SignIn:
    """The sign-in page, and the links that sign in the holder of the embedded API's key."""

    def __init__(self, store: Store, sessions: Sessions, pages: Pages, door: Door) -> None:
        self._store = store
        self._sessions = sessions
        self._pages = pages
        self._door = door

    async def show_sign_in(self, request: Request) -> Response:
        """`GET /sign-in`."""
        if self._sessions.subject_of(request):
            return self._pages.redirect(request, _next_of(request))
        return self._pages.sign_in(request, _next_of(request), 200)

    @page(_NOT_SIGNED_IN)
    async def sign_in(self, request: Request) -> Response:
        """`POST /sign-in`: signs in people who may decide, and leads back to where they were."""
        refuse_foreign_page(request, self._store.public_url)
        form = await read_form(request, ("key",))
        holder = await self._door.holder_of(form.get("key", "").strip(), request.client)
        if holder is None:
            return self._pages.sign_in(request, _next_of(request), fault=_WRONG)
        if not self._door.keys.may_decide(holder):
            return self._pages.sign_in(request, _next_of(request), fault=_OF_AGENTS)
        return await self._sessions.sign_in(holder, _next_of(request))

    @page(_NOT_SIGNED_OUT)
    async def sign_out(self, request: Request) -> Response:
        """`POST /sign-out`."""
        refuse_foreign_page(request, self._store.public_url)
        answer = self._pages.redirect(request, "sign-in")
        await self._sessions.sign_out(request, answer)
        return answer

    @page(_LINK_IS_USED)
    async def open_link(self, request: Request) -> Response:
        """`GET /sign-in/{token}`: signs in once, within a minute after the link was created."""
        # A HEAD request, such as for a preview, must not use up the link.
        fresh = request.method == "GET" and self._sessions.redeem(request.path_params["token"])
        if fresh:
            return await self._sessions.sign_in(API_KEY, "")
        if self._sessions.subject_of(request):
            return self._pages.redirect(request, "")
        raise NotFoundError("Sign-in links work once, within a minute")

    async def create_sign_in_link(self, _request: Request) -> Response:
        """`POST /sign-in-links`."""
        link = SignInLink(
            url=self._sessions.new_link(), expires_at=moment(self._store.clock() + LINK_S * 1000)
        )
        return json_response(to_json(link, by_alias=True), 201)


def _next_of(request: Request) -> str:
    """Where signing in leads to, relative to the root; the inbox if `next` is not our own page."""
    target = request.query_params.get("next", "")
    return target if _NEXT.fullmatch(target) else ""
