"""The review page: GET shows an interrupt, POST decides it and redirects."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from pydantic import JsonValue, ValidationError
from pydantic_core import from_json
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from loopin_mcp.api.bodies import read_form
from loopin_mcp.api.interrupts import Clock, interrupt_id_of
from loopin_mcp.api.store import Store
from loopin_mcp.api.visible import visible
from loopin_mcp.errors import APIError, ConflictError, ForbiddenError
from loopin_mcp.models import Decision, Interrupt, faults

DECIDED_BY = "review-link"
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
    DECIDED_BY: "on this review page",
    "api-key": "through the API, by a holder of its key",
    "anonymous": "through the API",
}
_UNITS = (("day", 86_400), ("hour", 3_600), ("minute", 60), ("second", 1))


@dataclass(frozen=True)
class Entry:
    """What the human typed into the form, and what is wrong with it by field name."""

    decision: str = ""
    reason: str = ""
    modified_params: str = ""
    faults: Mapping[str, str] = field(default_factory=dict)

    def parsed(self) -> Decision:
        """The decision this makes; blank fields count as left out.

        Raises:
            ValidationError: A field does not fit.
            ValueError: The modified parameters are not JSON.
        """
        typed: dict[str, Any] = {"decision": self.decision}
        if self.reason.strip():
            typed["reason"] = self.reason
        if self.modified_params.strip():
            typed["modifiedParams"] = from_json(self.modified_params, allow_inf_nan=False)
        return Decision.model_validate(typed, by_alias=True, by_name=False)

    def checked(self) -> "Decision | Entry":
        """The decision, or this entry with what is wrong with it."""
        try:
            return self.parsed()
        except ValidationError as error:
            wrong = faults(error)
        except ValueError as error:
            wrong = {"modifiedParams": f"is not valid JSON: {error}"}
        return Entry(self.decision, self.reason, self.modified_params, wrong)


class Review:
    """The pages over a store. `clock` gives epoch milliseconds."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._templates = _environment()

    async def show_interrupt(self, request: Request) -> Response:
        """`GET /review/{interruptId}`."""
        try:
            interrupt = await self._interrupt(request)
        except APIError as error:
            return self._error(error.status, f"{error}.")
        return self._page(interrupt, Entry())

    async def decide_interrupt(self, request: Request) -> Response:
        """`POST /review/{interruptId}`: records the form's decision, or shows why it cannot."""
        try:
            self._refuse_foreign_page(request)
            form = await read_form(request)
            interrupt = await self._interrupt(request)
        except APIError as error:
            return self._error(error.status, f"{error}.")
        entry = Entry(
            form.get("decision", ""), form.get("reason", ""), form.get("modifiedParams", "")
        ).checked()
        if isinstance(entry, Entry):
            return self._page(interrupt, entry, 400)
        try:
            await self._store.decide_interrupt(
                interrupt.interrupt_id, entry, self._clock(), DECIDED_BY
            )
        except ConflictError:
            return self._page(
                await self._interrupt(request), Entry(), 409, not_recorded=entry.decision
            )
        # A relative target keeps whatever prefix a proxy puts before this page.
        return RedirectResponse(quote(interrupt.interrupt_id), 303, HEADERS)

    async def _interrupt(self, request: Request) -> Interrupt:
        return await self._store.get_interrupt_status(interrupt_id_of(request), self._clock())

    def _refuse_foreign_page(self, request: Request) -> None:
        """Refuse a form that a page of another origin sent.

        Raises:
            ForbiddenError: The browser says so, by `Sec-Fetch-Site` or `Origin`.
        """
        own = {request.headers.get("host", ""), urlsplit(self._store.public_url).netloc}
        site = request.headers.get("sec-fetch-site", "same-origin")
        origin = request.headers.get("origin")
        same_origin = origin is None or urlsplit(origin).netloc in own
        if site not in ("same-origin", "none") or not same_origin:
            raise ForbiddenError("This form was sent by another web page, so nothing was recorded")

    def _page(
        self, interrupt: Interrupt, entry: Entry, status: int = 200, not_recorded: str = ""
    ) -> Response:
        now = datetime.fromtimestamp(0, UTC) + timedelta(milliseconds=self._clock())
        page = self._templates.get_template("review.html").render(
            interrupt=interrupt, entry=entry, now=now, not_recorded=not_recorded
        )
        return HTMLResponse(page, status, HEADERS)

    def _error(self, status: int, message: str) -> Response:
        page = self._templates.get_template("error.html").render(
            heading=HTTPStatus(status).phrase, message=message
        )
        return HTMLResponse(page, status, HEADERS)


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
        "rows": rows,
        "json_text": json_text,
    }
    return environment


def absolute_time(moment: datetime) -> str:
    """A moment as a human reads it, in UTC."""
    return f"{moment.astimezone(UTC):%d %B %Y, %H:%M:%S} UTC".lstrip("0")


def relative_time(moment: datetime, now: datetime) -> str:
    """The distance of a moment from now in its largest unit: "in 2 hours", "5 minutes ago"."""
    seconds = int((moment - now).total_seconds())
    for name, length in _UNITS:
        count = abs(seconds) // length
        if count:
            distance = f"{count} {name}{'s' if count > 1 else ''}"
            return f"in {distance}" if seconds > 0 else f"{distance} ago"
    return "now"


def decider(interrupt: Interrupt) -> str:
    """How the interrupt was decided, as far as it is known."""
    name = interrupt.decided_by or "anonymous"
    return _DECIDERS.get(name, f"by {name}")


def rows(context: Mapping[str, JsonValue]) -> list[tuple[str, str]] | None:
    """The names and values of a flat object, or None where it is nested."""
    if any(isinstance(value, dict | list) for value in context.values()):
        return None
    return [
        (name, value if isinstance(value, str) else json_text(value))
        for name, value in context.items()
    ]


def json_text(value: JsonValue) -> str:
    """JSON formatted to be read."""
    return json.dumps(value, indent=2, ensure_ascii=False)
