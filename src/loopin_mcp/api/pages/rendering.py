"""What all pages share: templates and headers, and what they answer to an error."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import Protocol, TypeVar
from urllib.parse import urlencode

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from loopin_mcp.api.access.browser import PAGE_HEADERS, root_of
from loopin_mcp.api.access.guard import retry_headers
from loopin_mcp.api.access.sessions import Sessions
from loopin_mcp.api.audit.digests import payload_digest
from loopin_mcp.api.clock import moment
from loopin_mcp.api.pages.filters import (
    UNNAMED,
    absolute_time,
    differences,
    formatted,
    relative_time,
    summed_up,
    visible,
    who_decided,
)
from loopin_mcp.api.store.store import Store
from loopin_mcp.errors import APIError, UnauthorizedError
from loopin_mcp.version import __version__
from loopin_mcp.wire.plain_text import plain_text

PAGES = {"Inbox": "", "History": "history", "Analytics": "analytics"}


@dataclass(frozen=True)
class Link:
    """A link to a page, from the top; `is_here` on that page itself."""

    name: str
    target: str
    is_here: bool = False


@dataclass(frozen=True)
class Failure:
    """What a page says of an error, which takes the place of the braces in `text`."""

    heading: str
    text: str
    link: Link | None = None


# By the kind of error; the first that fits counts.
Failures = Mapping[type[APIError], Failure]


class Pages:
    """Makes pages of templates.

    Every template has `now`, `root`, which all links begin with, and `here`, the page's own link
    without its query. For somebody who is signed in it also has `navigation`, the links to the
    pages, `reviewer`, their name if they have one, and `signs_out`, whether to offer that.
    """

    def __init__(self, store: Store, sessions: Sessions) -> None:
        self._clock = store.clock
        self._root = root_of(store.public_url)
        self._sessions = sessions
        self._templates = _environment()

    def page(
        self, request: Request, template: str, status: int = 200, **models: object
    ) -> Response:
        """A template with its models, as an answer to this request."""
        subject = self._sessions.subject_of(request)
        page = self._templates.get_template(template).render(
            now=moment(self._clock()),
            root=self._root,
            here=f"{self._root}{_path_of(request)}",
            navigation=navigation_of(request) if subject else (),
            reviewer=None if subject in UNNAMED else subject,
            signs_out=self._sessions.needs_key,
            **models,
        )
        return HTMLResponse(page, status, PAGE_HEADERS)

    def redirect(self, target: str) -> Response:
        """Lead on to a page of our own, by its link from the top."""
        return RedirectResponse(f"{self._root}{target}", 303, PAGE_HEADERS)

    def failure(self, request: Request, error: APIError, failures: Failures) -> Response:
        """What to answer to an error: a page of one of the `failures`.

        Somebody who asks for a page and is not signed in is led to do so, and back.
        """
        is_signed_out = isinstance(error, UnauthorizedError)
        sign_in = Link("Sign in", way_to_sign_in(request))
        if is_signed_out and request.method != "POST":
            return self.redirect(sign_in.target)
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


class _HasPages(Protocol):
    _pages: Pages


_Self = TypeVar("_Self", bound=_HasPages)
_Endpoint = Callable[[_Self, Request], Awaitable[Response]]


def page(failures: Failures) -> Callable[[_Endpoint[_Self]], _Endpoint[_Self]]:
    """Have a method that makes a page answer errors with one of these failures."""

    def decorate(make: _Endpoint[_Self]) -> _Endpoint[_Self]:
        @wraps(make)
        async def answer(self: _Self, request: Request) -> Response:
            try:
                return await make(self, request)
            except APIError as error:
                return self._pages.failure(request, error, failures)

        return answer

    return decorate


def way_to_sign_in(request: Request) -> str:
    """The link to the sign-in page that leads back to the page that was asked for."""
    here = f"{_path_of(request)}?{request.url.query}".rstrip("?")
    return f"sign-in?{urlencode({'next': here})}"


def navigation_of(request: Request) -> tuple[Link, ...]:
    """The links to the pages that one has to be signed in for."""
    return tuple(
        Link(name, path, is_here=_path_of(request) == path) for name, path in PAGES.items()
    )


def _path_of(request: Request) -> str:
    """The path of a page from the top, as it was sent."""
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
    environment.filters |= {
        "visible": visible,
        "plain": plain_text,
        "absolute": absolute_time,
        "relative": relative_time,
        "who_decided": who_decided,
        "formatted": formatted,
        "payload_digest": payload_digest,
        "differences": differences,
        "summed_up": summed_up,
    }
    # A new version's style sheet is fetched anew.
    environment.globals["version"] = __version__
    return environment
