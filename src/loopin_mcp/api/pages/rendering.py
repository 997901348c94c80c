"""What all pages share: templates, headers and error pages."""

import secrets
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import partial, wraps
from pathlib import Path
from typing import Protocol, TypeVar
from urllib.parse import urlencode

import anyio.to_thread
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from pydantic_core import from_json
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from loopin_mcp.api.access.browser import PAGE_HEADERS, numbered, redirect, root_of
from loopin_mcp.api.access.guard import retry_headers
from loopin_mcp.api.access.proofs import Proofs
from loopin_mcp.api.access.sessions import Sessions
from loopin_mcp.api.audit.digests import payload_digest
from loopin_mcp.api.clock import moment
from loopin_mcp.api.pages.changes.differences import differences, summed_up
from loopin_mcp.api.pages.filters import (
    UNNAMED,
    absolute_time,
    beginning,
    brief,
    clock_after,
    fits_in_list,
    formatted,
    held_command,
    relative_time,
    visible,
    visible_name,
    way_of,
    who_decided,
)
from loopin_mcp.api.pages.values.shown import shown_context
from loopin_mcp.api.store.store import Store
from loopin_mcp.errors import APIError, UnauthorizedError
from loopin_mcp.version import __version__
from loopin_mcp.wire.plain_text import plain_text

_FILTERS: dict[str, Callable[..., object]] = {
    "visible": visible,
    "named": visible_name,
    "beginning": beginning,
    "brief": brief,
    "brief_name": partial(brief, show=visible_name),
    "plain": plain_text,
    "absolute": absolute_time,
    "relative": relative_time,
    "clock_after": clock_after,
    "held_command": held_command,
    "who_decided": who_decided,
    "way_of": way_of,
    "fits_in_list": fits_in_list,
    "granted": lambda name: UNNAMED.get(name, name),
    "formatted": formatted,
    "shown": shown_context,
    "payload_digest": payload_digest,
    "differences": differences,
    "summed_up": summed_up,
}

PAGES = {
    "Inbox": "",
    "History": "history",
    "Analytics": "analytics",
    "Notifications": "notifications",
}


@dataclass(frozen=True)
class Link:
    """A link to a page, relative to the root; `is_here` on that page itself."""

    name: str
    target: str
    is_here: bool = False


@dataclass(frozen=True)
class Failure:
    """The text of an error page; the error's message replaces the braces in `text`."""

    heading: str
    text: str
    link: Link | None = None


# Of refusals without a page of their own, by their status.
NOT_SERVED = 421
_REFUSED = ("LoopIn cannot answer this", "{}.")
_REFUSALS = {
    401: ("This page does not exist", "Programs that call this address need an API key."),
    404: ("This page does not exist", "The link may be incomplete, or from another LoopIn."),
    405: ("This page does not exist", "Programs use this address in another way."),
    500: ("LoopIn has a fault", "What happened is in its log. Try again in a minute."),
}

# By the class of the error; the first one that fits counts.
Failures = Mapping[type[APIError], Failure]


class Pages:
    """Renders the templates.

    Every template has `now`, the `root` of all links, `home` (the same without the place of a
    session), `here` (the page's own link without its query), `proof` (see `Proofs`), `signs_out`
    (whether people can sign out) and `is_signed_out`. If somebody is signed in, it also has
    `navigation`, the links to the pages, `reviewer`, their name if they have one, and `place`.
    """

    def __init__(self, store: Store, sessions: Sessions, proofs: Proofs, *, embedded: bool) -> None:
        self._clock = store.clock
        self._public_url = store.public_url
        self._sessions = sessions
        self._proofs = proofs
        self._embedded = embedded
        self._templates = _environment()

    async def show(
        self, request: Request, template: str, status: int = 200, **models: object
    ) -> Response:
        """A `page` for a human, whose visit renews their session."""
        # Long texts take time to render, which must not delay other requests.
        make = partial(self.page, request, template, status, **models)
        answer = await anyio.to_thread.run_sync(make)
        await self._sessions.renew(request)
        return answer

    def page(
        self, request: Request, template: str, status: int = 200, **models: object
    ) -> Response:
        """The response with a template and its models."""
        path, root = _path_of(request), self._root(request)
        subject, session = self._sessions.subject_of(request), self._sessions.session_of(request)
        page = self._templates.get_template(template).render(
            now=moment(self._clock()),
            root=root,
            home=root_of(self._public_url),
            here=f"{root}{path}",
            place=session.place if session else None,
            is_signed_out=request.method == "GET" and self._sessions.is_signed_out(request),
            # TLS proves it already.
            proof=None if self._sessions.is_secure else self._proofs.new_secret(),
            navigation=[
                Link(name, target, is_here=target == path)
                for name, target in PAGES.items()
                if subject
            ],
            reviewer=None if subject in UNNAMED else subject,
            signs_out=self._sessions.needs_key,
            embedded=self._embedded,
            public_url=self._public_url,
            **models,
        )
        return HTMLResponse(page, status, PAGE_HEADERS)

    def sign_in(
        self, request: Request, target: str, status: int = 401, fault: str = ""
    ) -> Response:
        """The sign-in page, which leads to a target; `fault` says what was wrong with a key."""
        if address := numbered(request, self._public_url):
            return redirect(address)
        return self.page(
            request,
            "sign_in.html",
            status,
            query=urlencode({"next": target}),
            fault=fault,
            of_reviewers=self._sessions.has_reviewers,
        )

    def redirect(self, request: Request, target: str) -> Response:
        """Redirect to one of our pages, by its path relative to the root."""
        return redirect(f"{self._root(request)}{target}")

    def failure(self, request: Request, error: APIError, failures: Failures) -> Response:
        """The response to an error: a page with one of the `failures`.

        If somebody opens a page and is not signed in, it is the sign-in page, which leads back.
        """
        is_signed_out = isinstance(error, UnauthorizedError)
        here = f"{_path_of(request)}?{request.url.query}".rstrip("?")
        if is_signed_out and request.method != "POST":
            return self.sign_in(request, here)
        sign_in = Link("Sign in", f"sign-in?{urlencode({'next': here})}")
        failure = next(failures[kind] for kind in failures if isinstance(error, kind))
        answer = self.page(
            request,
            "error.html",
            error.status,
            heading=failure.heading,
            text=failure.text.format(error),
            link=sign_in if is_signed_out else failure.link,
        )
        answer.headers.update(retry_headers(error))
        return answer

    def in_browser(self, request: Request, refused: Response) -> Response:
        """A refusal as a page if a browser shows it, and otherwise as it is.

        A host name that is not known gets no page: it may be another one's.
        """
        status = refused.status_code
        is_shown = "text/html" in request.headers.get("accept", "")
        if not is_shown or status == NOT_SERVED:
            return refused
        heading, text = _REFUSALS.get(status, _REFUSED)
        error = from_json(bytes(refused.body))["error"]
        inbox = Link("Open the inbox", "")
        answer = self.page(
            request, "error.html", status, heading=heading, text=text.format(error), link=inbox
        )
        kept = ("retry-after", "allow", "connection")
        answer.headers.update(
            {name: value for name, value in refused.headers.items() if name in kept}
        )
        return answer

    def _root(self, request: Request) -> str:
        session = self._sessions.session_of(request)
        return root_of(self._public_url, session.place if session else None)


class _HasPages(Protocol):
    _pages: Pages


_Self = TypeVar("_Self", bound=_HasPages)
_Endpoint = Callable[[_Self, Request], Awaitable[Response]]


def page(failures: Failures) -> Callable[[_Endpoint[_Self]], _Endpoint[_Self]]:
    """Make an endpoint respond to errors with one of these failures."""

    def decorate(make: _Endpoint[_Self]) -> _Endpoint[_Self]:
        @wraps(make)
        async def answer(self: _Self, request: Request) -> Response:
            try:
                return await make(self, request)
            except APIError as error:
                return self._pages.failure(request, error, failures)

        return answer

    return decorate


def _path_of(request: Request) -> str:
    """The path of a page relative to the root, as it was sent."""
    path: str = request.scope["path"]
    return path.removeprefix("/")


def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).with_name("templates"), encoding="utf-8"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= _FILTERS
    # In the links of static files, so that browsers load those of a new version, and none that
    # another program had them keep while it had the port.
    environment.globals["version"] = f"{__version__}-{secrets.token_hex(8)}"
    return environment
