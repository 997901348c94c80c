"""What all pages share: their templates, headers, and how times and values are shown."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from loopin_mcp.api.access.browser import HEADERS, root_of
from loopin_mcp.api.audit.digests import payload_digest
from loopin_mcp.api.clock import Clock, moment
from loopin_mcp.api.pages.filters import (
    UNNAMED,
    absolute_time,
    decider,
    differences,
    formatted,
    relative_time,
    summed_up,
    visible,
)
from loopin_mcp.errors import APIError
from loopin_mcp.version import __version__
from loopin_mcp.wire.plain_text import plain_text

PAGES = {"Inbox": "", "History": "history", "Analytics": "analytics"}


@dataclass(frozen=True)
class Link:
    """A link to a page; `is_here` on that page itself."""

    name: str
    target: str
    is_here: bool = False


class Pages:
    """Makes pages of templates. `clock` gives epoch milliseconds.

    Every template has `now`, and `root`, the way from the page to the top. For somebody who is
    signed in it also has `navigation`, the links to the pages, `reviewer`, their name if they
    have one, and `signs_out`, whether to offer that.
    """

    def __init__(
        self, clock: Clock, subject_of: Callable[[Request], str | None], *, signs_out: bool
    ) -> None:
        self._clock = clock
        self._subject_of = subject_of
        self._signs_out = signs_out
        self._templates = _environment()

    def page(
        self, request: Request, template: str, status: int = 200, **models: object
    ) -> Response:
        """A template with its models, as an answer to this request."""
        subject = self._subject_of(request)
        page = self._templates.get_template(template).render(
            now=moment(self._clock()),
            root=root_of(request),
            navigation=navigation_of(request) if subject else (),
            reviewer=None if subject in UNNAMED else subject,
            signs_out=self._signs_out,
            **models,
        )
        return HTMLResponse(page, status, HEADERS)

    def error(
        self,
        request: Request,
        error: APIError,
        heading: str,
        hint: str,
        link: Link | None = None,
    ) -> Response:
        """A page that says what went wrong and what to do next, with a link to where."""
        return self.page(
            request,
            "error.html",
            error.status,
            heading=heading,
            message=f"{error}.",
            hint=hint,
            link=link,
        )


def navigation_of(request: Request) -> tuple[Link, ...]:
    """The links to the pages that one has to be signed in for."""
    return tuple(
        Link(name, f"{root_of(request)}{path}", request.scope["path"] == f"/{path}")
        for name, path in PAGES.items()
    )


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
        "decider": decider,
        "formatted": formatted,
        "payload_digest": payload_digest,
        "differences": differences,
        "summed_up": summed_up,
    }
    # A new version's style sheet is fetched anew.
    environment.globals["version"] = __version__
    return environment
