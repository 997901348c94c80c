"""What all pages share: their templates, headers, and how times and values are shown."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup
from pydantic import JsonValue
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from loopin_mcp.api.actors import SYSTEM
from loopin_mcp.api.browser import HEADERS, root_of
from loopin_mcp.api.clock import Clock, moment
from loopin_mcp.api.differences import differences, summed_up
from loopin_mcp.api.payloads import payload_digest
from loopin_mcp.api.visible import visible, visible_json
from loopin_mcp.errors import APIError
from loopin_mcp.models import Interrupt
from loopin_mcp.plain import plain_text
from loopin_mcp.version import __version__

PAGES = {"Inbox": "", "History": "history", "Analytics": "analytics"}
# Those of whom it is known alone what they showed. Once, "inbox" was a name too.
_UNNAMED = {
    "review-link": "Someone with the link",
    "api-key": "A holder of the API key",
    "inbox": "Someone signed in to the inbox",
    "anonymous": "Someone without a key, since none is asked for",
    SYSTEM.name: "LoopIn",
}
_CHANNELS = {
    "review-page": "on this page",
    "inbox": "in the inbox",
    "api": "by a call of the API",
    "mcp": "through an MCP server",
}
_UNITS = (("day", 86_400), ("hour", 3_600), ("minute", 60))


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
            reviewer=None if subject in _UNNAMED else subject,
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


def absolute_time(time: datetime) -> str:
    """A moment as a human reads it, in UTC."""
    return f"{time.astimezone(UTC):%d %B %Y, %H:%M:%S} UTC".lstrip("0")


def relative_time(time: datetime, now: datetime) -> str:
    """The distance of a moment from now: "in 59 minutes", "3 days ago"."""
    seconds = round((time - now).total_seconds())
    # Counted in a unit from two on and rounded down: it promises no time that is not there.
    fitting = ((name, length) for name, length in _UNITS if abs(seconds) >= 2 * length)
    name, length = next(fitting, ("second", 1))
    count = abs(seconds) // length
    distance = f"{count} {name}{'' if count == 1 else 's'}"
    return "now" if count == 0 else f"in {distance}" if seconds > 0 else f"{distance} ago"


def decider(interrupt: Interrupt) -> str:
    """Who decided and by which way, as far as it is known."""
    return doer(interrupt.decided_by or "anonymous", interrupt.decided_via or "")


def doer(name: str, channel: str) -> str:
    """Who did something and by which way, as far as it is known."""
    return ", ".join(filter(None, (_UNNAMED.get(name, name), _CHANNELS.get(channel))))


def formatted(value: JsonValue) -> Markup:
    """A value as HTML: text as it is, all else as JSON, and so with its quotes blank text."""
    return visible(value) if isinstance(value, str) and value.strip() else visible_json(value)
