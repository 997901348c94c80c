"""Answers over HTTP: a success, a refusal, or something that is not from a LoopIn API."""

import contextlib
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Self, TypeVar
from urllib.parse import SplitResult, parse_qs, urlsplit, urlunsplit

from pydantic import BaseModel, TypeAdapter, ValidationError

from loopin_mcp.errors import APIError, ConflictError, RateLimitedError, UnavailableError, error_for

MAX_SENTENCE = 500
# A longer header is not a list of pages, and would take long to search.
MAX_LINK = 4096

# Frameworks and proxies send these in their own words, and mean the same.
_FROM_ANYONE = (401, 403, 413, 429)
# These are temporary if the API says when to try again.
_PASSING = (ConflictError, RateLimitedError, UnavailableError)

_Shape = TypeVar("_Shape")
_MARKUP = re.compile(r"<[a-zA-Z/!?]")
_KINDS = ("text/html", "text/plain", "text/xml", "application/xml", "application/xhtml+xml")
_PLAIN_PATH = re.compile(r"[\w/.-]{0,100}")
_NEXT_LINK = re.compile(r"<([^>]*)>\s*;[^,]*\brel=\"?next\b")


class _Refusal(BaseModel):
    error: str
    code: str | None = None


@dataclass(frozen=True)
class Answer:
    """One HTTP answer to `request` ("GET https://…"); `headers` are case-insensitive."""

    request: str
    status: int
    headers: Mapping[str, str]
    body: bytes
    api_key: str | None = field(default=None, repr=False)

    @property
    def now(self) -> datetime:
        """The server's clock, to compare its times with; ours if it sends no Date."""
        return _http_date(self.headers.get("date")) or datetime.now(UTC)

    @property
    def next_cursor(self) -> str | None:
        """The cursor that the `Link: …; rel="next"` header holds (RFC 8288)."""
        link = _NEXT_LINK.search(self.headers.get("link", "")[:MAX_LINK])
        return parse_qs(_parts(link[1]).query).get("cursor", [None])[0] if link else None

    @property
    def was_held(self) -> bool:
        """Whether the API heeded `Prefer: wait` (RFC 7240, section 3)."""
        return "wait" in self.headers.get("preference-applied", "").lower()

    def success(self) -> Self:
        """This answer, if it is a success.

        Raises:
            APIError: It is not; the subclass says what it is.
        """
        if self.status in (200, 201):
            return self
        if 300 <= self.status < 400:
            raise APIError(
                f"{self.request} is redirected to {self._redirect_target()} (HTTP {self.status}), "
                "and redirects are not followed, so that the key goes nowhere else. If the LoopIn "
                "API is there, use that address.",
                self.status,
                is_foreign=True,
                request=self.request,
            )
        raise self._refusal()

    def read(self, shape: type[_Shape]) -> _Shape:
        """The body as a wire shape.

        Raises:
            APIError: The body is not that shape, so this is not a LoopIn API.
        """
        # Not raised in an except block: the cause would quote the body, which may quote the key.
        with contextlib.suppress(ValidationError):
            return TypeAdapter(shape).validate_json(self.body)
        raise self.not_loopin(self._description())

    def not_loopin(self, found: str) -> APIError:
        """The error that says what came instead of a LoopIn answer."""
        return APIError(
            f"{self.request} answered {found} (HTTP {self.status}), which is not an answer of a "
            "LoopIn API. Check the address and any proxy before it." + self._doubt(),
            self.status,
            is_foreign=True,
            request=self.request,
        )

    def _refusal(self) -> APIError:
        sentence, code = self._sentence()
        kind = error_for(self.status, code)
        if not sentence and self.status < 500 and self.status not in _FROM_ANYONE:
            said = str(self.not_loopin(self._description()))
            return kind(said, self.status, is_foreign=True, request=self.request)
        parts = [f"{sentence or 'The request failed'} (HTTP {self.status} from {self.request})."]
        retry_after_s = self._retry_after_s() if kind in _PASSING else None
        if retry_after_s is not None:
            parts.append(f"Try again in {retry_after_s:.0f} s.")
        said = " ".join(parts) + self._doubt()
        return kind(said, self.status, retry_after_s, request=self.request)

    def _doubt(self) -> str:
        # A temporary conflict is with the same request, which is still under way.
        is_under_way = self.status == 409 and self._retry_after_s() is not None
        is_refused = 300 <= self.status < 500 and not is_under_way
        return "" if is_refused else doubt(self.request.partition(" ")[0])

    def _sentence(self) -> tuple[str, str | None]:
        """The API's own words and its code for the error.

        The words are made safe to show: one line, no markup, no key, bounded.
        """
        try:
            refusal = _Refusal.model_validate_json(self.body)
        except ValidationError:
            return "", None
        text = refusal.error.strip()
        # More than is shown, so that a whole key is found; less than the megabytes that may come.
        line = text[: 4 * MAX_SENTENCE].splitlines()[0] if text else ""
        shown = "".join(c for c in line if unicodedata.category(c)[0] != "C")
        if _MARKUP.search(shown):
            return "", None
        return self._redacted(shown)[:MAX_SENTENCE].rstrip("."), refusal.code

    def _redacted(self, text: str) -> str:
        return text.replace(self.api_key, "[key]") if self.api_key else text

    def _description(self) -> str:
        kind = self.headers.get("content-type", "").partition(";")[0].strip().lower()
        if not self.body.strip():
            return "nothing"
        if kind.endswith("json"):
            return "JSON of another kind, or cut short,"
        return kind if kind in _KINDS else "something unknown"

    def _redirect_target(self) -> str:
        target = _parts(self.headers.get("location", ""))
        # A path may hold the encoded key, or words that are meant for the model.
        path = target.path if _PLAIN_PATH.fullmatch(target.path) else "/…"
        shown = urlunsplit((target.scheme, target.netloc.rpartition("@")[2], path, "", ""))
        return self._redacted(shown)[:200] if shown and shown.isprintable() else "nowhere"

    def _retry_after_s(self) -> float | None:
        """Seconds from `Retry-After`, which holds seconds or a date (RFC 9110, 10.2.3)."""
        value = self.headers.get("retry-after", "").strip()
        if value.isascii() and value.isdigit():
            return float(value[:9])
        moment = _http_date(value)
        return max(0.0, (moment - self.now).total_seconds()) if moment else None


def doubt(method: str) -> str:
    """What to add to the failure of a write, which may have taken effect all the same."""
    if method == "GET":
        return ""
    return (
        " It is not known whether it took effect: look with list_pending_interrupts or "
        "get_interrupt_status before you call again."
    )


def _parts(url: str) -> SplitResult:
    """The parts of a URL from a server; all empty if it is not a URL."""
    try:
        parts = urlsplit(url)
        parts.port  # noqa: B018 - reading it checks it
        return parts
    except ValueError:
        return urlsplit("")


def _http_date(value: str | None) -> datetime | None:
    try:
        moment = parsedate_to_datetime(value or "")
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
