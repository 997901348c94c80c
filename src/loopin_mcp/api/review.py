"""The review page: GET shows an interrupt, POST decides it and redirects."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup
from pydantic import JsonValue, ValidationError
from pydantic_core import from_json
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from loopin_mcp.api.bodies import read_form
from loopin_mcp.api.interrupts import Clock, interrupt_id_of
from loopin_mcp.api.store import Store
from loopin_mcp.api.visible import visible, visible_json
from loopin_mcp.errors import (
    APIError,
    ConflictError,
    ForbiddenError,
    NotFoundError,
    UnavailableError,
)
from loopin_mcp.faults import faults
from loopin_mcp.models import Decision, Interrupt
from loopin_mcp.version import __version__

DECIDED_BY = "review-link"
FIELDS = ("decision", "reason", "modifiedParams")
HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; img-src 'self'; "
    "form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    # The last value a browser knows counts. With no-referrer alone it would send the form
    # with `Origin: null`, which a page of another origin can also bring about.
    "Referrer-Policy": "no-referrer, same-origin",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "X-Robots-Tag": "noindex, nofollow",
}
_DECIDERS = {
    DECIDED_BY: "Someone with the link to this page",
    "api-key": "A holder of the API key",
    "anonymous": "A caller of the API, which asks for no key",
}
_UNITS = (("day", 86_400), ("hour", 3_600), ("minute", 60))


@dataclass(frozen=True)
class Entry:
    """What the human typed into the form, and what is wrong with it by field name."""

    decision: str = ""
    reason: str = ""
    modified_params: str = ""
    faults: Mapping[str, str] = field(default_factory=dict)

    def checked(self) -> "Decision | Entry":
        """The decision, blank fields left out, or this entry with what is wrong with it."""
        typed: dict[str, Any] = {"decision": self.decision}
        wrong: dict[str, str] = {}
        if self.reason.strip():
            typed["reason"] = self.reason
        if self.modified_params.strip():
            try:
                typed["modifiedParams"] = _parameters(self.modified_params)
            except ValueError as error:
                wrong["modifiedParams"] = str(error)
        try:
            decision = Decision.model_validate(typed, by_alias=True, by_name=False)
        except ValidationError as error:
            return replace(self, faults=wrong | faults(error))
        return replace(self, faults=wrong) if wrong else decision


def _parameters(text: str) -> JsonValue:
    """What the JSON text holds.

    Raises:
        ValueError: It is not JSON, or a null, which as a field would count as left out.
    """
    try:
        value: JsonValue = from_json(text, allow_inf_nan=False)
    except ValueError as error:
        raise ValueError(f"is not valid JSON: {error}") from None
    if value is None:
        raise ValueError("must be a JSON object")
    return value


class Review:
    """The pages over a store. `clock` gives epoch milliseconds."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._templates = _environment()

    async def show_interrupt(self, request: Request) -> Response:
        """`GET /review/{interruptId}`."""
        try:
            return self._page(await self._interrupt(request), Entry())
        except NotFoundError as error:
            return self._error(error, "No such request", "Check the link: is it whole?")
        except APIError as error:
            return self._error(error, "This request cannot be shown", "Try again in a minute.")

    async def decide_interrupt(self, request: Request) -> Response:
        """`POST /review/{interruptId}`: records the form's decision, or shows why it cannot."""
        try:
            self._refuse_foreign_page(request)
            entry = _entry(await read_form(request, FIELDS))
            return await self._record(request, entry)
        except UnavailableError as error:
            return self._error(error, "Perhaps nothing was recorded", "Open the link again to see.")
        except APIError as error:
            return self._error(error, "Nothing was recorded", "Go back to the request to decide.")

    async def _record(self, request: Request, entry: Entry) -> Response:
        interrupt = await self._interrupt(request)
        checked = entry.checked()
        if isinstance(checked, Entry):
            return self._page(interrupt, checked, 400 if interrupt.is_pending else 409)
        try:
            await self._store.decide_interrupt(
                interrupt.interrupt_id, checked, self._clock(), DECIDED_BY
            )
        except ConflictError:
            return self._page(await self._interrupt(request), entry, 409)
        # A relative target keeps whatever prefix a proxy puts before this page.
        return RedirectResponse(quote(interrupt.interrupt_id), 303, HEADERS)

    async def _interrupt(self, request: Request) -> Interrupt:
        return await self._store.get_interrupt_status(interrupt_id_of(request), self._clock())

    def _refuse_foreign_page(self, request: Request) -> None:
        """Refuse a form that a page of another origin sent.

        Raises:
            ForbiddenError: The browser says so, by `Sec-Fetch-Site` or `Origin`.
        """
        hosts = (request.headers.get("host", ""), urlsplit(self._store.public_url).netloc)
        site = request.headers.get("sec-fetch-site", "same-origin")
        origin = request.headers.get("origin")
        # The scheme is left open: behind a proxy that ends TLS it is not known here.
        same_origin = origin is None or origin.partition(":")[2] in [f"//{own}" for own in hosts]
        if site not in ("same-origin", "none") or not same_origin:
            raise ForbiddenError("This form was sent by another web page, so nothing was recorded")

    def _page(self, interrupt: Interrupt, entry: Entry, status: int = 200) -> Response:
        now = datetime.fromtimestamp(0, UTC) + timedelta(milliseconds=self._clock())
        page = self._templates.get_template("review.html").render(
            interrupt=interrupt, entry=entry, now=now
        )
        return HTMLResponse(page, status, HEADERS)

    def _error(self, error: APIError, heading: str, hint: str) -> Response:
        page = self._templates.get_template("error.html").render(
            heading=heading, message=f"{error}.", hint=hint
        )
        return HTMLResponse(page, error.status, HEADERS)


def _entry(form: Mapping[str, str]) -> Entry:
    return Entry(form.get("decision", ""), form.get("reason", ""), form.get("modifiedParams", ""))


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
        "absolute": absolute_time,
        "relative": relative_time,
        "decider": decider,
        "formatted": formatted,
    }
    # A new version's style sheet is fetched anew.
    environment.globals["version"] = __version__
    return environment


def absolute_time(moment: datetime) -> str:
    """A moment as a human reads it, in UTC."""
    return f"{moment.astimezone(UTC):%d %B %Y, %H:%M:%S} UTC".lstrip("0")


def relative_time(moment: datetime, now: datetime) -> str:
    """The distance of a moment from now: "in 59 minutes", "3 days ago"."""
    seconds = round((moment - now).total_seconds())
    # Counted in a unit from two on and rounded down: it promises no time that is not there.
    fitting = ((name, length) for name, length in _UNITS if abs(seconds) >= 2 * length)
    name, length = next(fitting, ("second", 1))
    count = abs(seconds) // length
    distance = f"{count} {name}{'' if count == 1 else 's'}"
    return "now" if count == 0 else f"in {distance}" if seconds > 0 else f"{distance} ago"


def decider(interrupt: Interrupt) -> str:
    """Who decided, as far as it is known."""
    name = interrupt.decided_by or "anonymous"
    return _DECIDERS.get(name, name)


def formatted(value: JsonValue) -> Markup:
    """A value as HTML: text as it is, all else as JSON, and so with its quotes blank text."""
    return visible(value) if isinstance(value, str) and value.strip() else visible_json(value)
