"""Who is signed in to the pages: sessions, and links that sign in once."""

import contextlib
import hmac
import re
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import sha256
from typing import Protocol
from urllib.parse import urlsplit

import anyio
from starlette.requests import Request
from starlette.responses import Response

from loopin_mcp.api.access.browser import is_visit, redirect, root_of
from loopin_mcp.api.access.keys import ANONYMOUS, Keys
from loopin_mcp.api.clock import Clock
from loopin_mcp.desktop import KEPT_S
from loopin_mcp.errors import ForbiddenError, UnauthorizedError, UnavailableError

IDLE_S = 12 * 3600
LONGEST_S = 7 * 24 * 3600
# A visit this soon after the last one is not stored.
NOTED_S = 60
LINK_S = KEPT_S
REVIEW_LINK = "review-link"


@dataclass(frozen=True)
class SessionRow:
    """A session as the database has it: nothing in it signs anybody in."""

    place_digest: str
    subject: str
    seal: str
    created_ms: int
    used_ms: int

    def is_current(self, now: int) -> bool:
        """Whether it has not ended by its age, nor by inactivity."""
        return now < min(self.created_ms + LONGEST_S * 1000, self.used_ms + IDLE_S * 1000)


class SessionRows(Protocol):
    """The stored sessions."""

    async def add(self, row: SessionRow) -> None:
        """Store a new session."""
        ...

    async def get(self, place_digest: str) -> SessionRow | None:
        """The session at a place, or None."""
        ...

    async def use(self, place_digest: str, now: int) -> None:
        """Store that a session is used now."""
        ...

    async def delete(self, place_digest: str) -> None:
        """Delete a session."""
        ...

    async def delete_all(self) -> None:
        """Delete all sessions."""
        ...


@dataclass(frozen=True)
class Session:
    """The session of a request: who is signed in, and the place in the path of its pages."""

    place: str
    row: SessionRow


class Sessions:
    """Signs browsers in and out. `clock` gives epoch milliseconds.

    A session has two secrets: its place, which stands in the path of its pages, and a cookie for
    that path only. Browsers send a cookie to every port of a host, but no other port knows the
    path. The stored seal of both is made with a key derived from the subject's own, so changing
    that key ends their sessions. If the API has no key, everyone is signed in.
    """

    def __init__(self, keys: Keys, rows: SessionRows, clock: Clock, public_url: str) -> None:
        self.needs_key = bool(keys.deciders)
        self._rows = rows
        # What one address was given does not count at another on the same database.
        purpose = f"loopin-mcp session\n{public_url}\n"
        self._sealing_keys = {
            name: keys.signing_key(name, f"{purpose}{name}") for name in keys.deciders
        }
        self._clock = clock
        self._public_url = public_url
        self.has_reviewers = keys.has_reviewers
        self.is_secure = urlsplit(public_url).scheme == "https"
        self._ended = anyio.Event()
        self._links: dict[str, int] = {}

    async def start(self) -> None:
        """End all sessions, unless TLS proves to browsers whom they talk to.

        Without it, someone else may have had the port before, and been given sessions.
        """
        if self.needs_key and not self.is_secure:
            await self._rows.delete_all()

    async def find(self, place: str, cookies: Iterable[bytes]) -> Session | None:
        """The session at a place whose cookie is among those of a request, or None."""
        values = self._own(place, cookies)
        row = await self._rows.get(_digest(place)) if values else None
        if row is None or not row.is_current(self._clock()):
            return None
        seals = [self._seal(row.subject, place, value, row.created_ms) for value in values]
        # Texts would have to be ASCII.
        is_sealed = any(hmac.compare_digest(s.encode(), row.seal.encode()) for s in seals if s)
        return Session(place, row) if is_sealed else None

    def session_of(self, request: Request) -> Session | None:
        """The session of this request; `Places` has found it."""
        found = request.scope.get("session")
        return found if isinstance(found, Session) else None

    def subject_of(self, request: Request) -> str | None:
        """Who is signed in to the pages in this browser, or None."""
        if not self.needs_key:
            return ANONYMOUS
        session = self.session_of(request)
        return session.row.subject if session else None

    def is_signed_out(self, request: Request) -> bool:
        """Whether this browser could sign in, and is not; false if that is not known."""
        return self.needs_key and request.scope.get("session") is None

    def require_subject(self, request: Request) -> str:
        """Who is signed in to the pages in this browser.

        Raises:
            UnauthorizedError: Nobody is.
            UnavailableError: The sessions cannot be read right now.
        """
        subject = self.subject_of(request)
        if subject is None:
            raise request.scope.get("session") or UnauthorizedError("You are not signed in")
        return subject

    def reviewer_of(self, request: Request) -> str:
        """Who may see and decide the interrupt whose link was opened.

        If there are reviewers, it is the one who is signed in; else the link is enough, and it is
        the holder of the API key if they are signed in.

        Raises:
            UnauthorizedError: Nobody is signed in.
            UnavailableError: The sessions cannot be read right now.
        """
        if self.has_reviewers:
            return self.require_subject(request)
        session = self.session_of(request)
        return session.row.subject if session else REVIEW_LINK

    async def sign_in(self, subject: str, target: str) -> Response:
        """Sign a browser in, and lead it to a page, by its path relative to the root.

        Raises:
            UnavailableError: The session cannot be stored right now.
        """
        if not self.needs_key:
            return redirect(f"{root_of(self._public_url)}{target}")
        place, value, now = secrets.token_urlsafe(32), secrets.token_urlsafe(32), self._clock()
        seal = self._seal(subject, place, value, now)
        await self._rows.add(SessionRow(_digest(place), subject, seal, now, now))
        response = redirect(f"{root_of(self._public_url, place)}{target}")
        self._set_cookie(response, place, value, LONGEST_S)
        return response

    async def sign_out(self, request: Request, response: Response) -> None:
        """End the session of this request.

        Raises:
            UnavailableError: The session cannot be deleted right now.
        """
        if session := self.session_of(request):
            await self._rows.delete(session.row.place_digest)
            self._set_cookie(response, session.place, "", 0)
            self._ended.set()
            self._ended = anyio.Event()

    async def renew(self, request: Request) -> None:
        """Restart the twelve hours at a human's visit; requests by scripts do not count."""
        session, now = self.session_of(request), self._clock()
        if session and is_visit(request) and now - session.row.used_ms > NOTED_S * 1000:
            # The page is shown all the same.
            with contextlib.suppress(UnavailableError):
                await self._rows.use(session.row.place_digest, now)

    async def until_ended(self, session: Session | None, look_s: float) -> None:
        """Return once a session has ended; look every `look_s` seconds if it ended elsewhere."""
        row = session.row if session else None
        if row is None:
            await anyio.sleep_forever()
        while row and row.is_current(self._clock()):
            with anyio.move_on_after(look_s):
                await self._ended.wait()
            row = await self._rows.get(row.place_digest)

    def way_in(self) -> str:
        """A link to the inbox, which signs in if there are no reviewers."""
        return f"{self._public_url}/" if self.has_reviewers else self.new_link()

    def new_link(self) -> str:
        """A fresh link that signs in one browser, within a minute, without a key.

        Raises:
            ForbiddenError: Reviewers have keys, and each signs in with their own.
        """
        if self.has_reviewers:
            raise ForbiddenError("Reviewers sign in with their own keys, not with links")
        now = self._clock()
        self._links = {token: until for token, until in self._links.items() if until > now}
        token = secrets.token_urlsafe(32)
        self._links[token] = now + LINK_S * 1000
        return f"{self._public_url}/sign-in/{token}"

    def redeem(self, token: str) -> bool:
        """Whether the token of a link still signs in; from now on it does no more."""
        return self._links.pop(token, 0) > self._clock()

    def _seal(self, subject: str, place: str, value: str, created_ms: int) -> str:
        """Empty if the subject may no longer decide."""
        key = self._sealing_keys.get(subject)
        text = f"{place}\n{value}\n{created_ms}".encode()
        return hmac.new(key, text, "sha256").hexdigest() if key else ""

    def _own(self, place: str, cookies: Iterable[bytes]) -> list[str]:
        """The values of this place's cookie. Other ports may set as many others as they like."""
        one = re.compile(rf"(?:^|;) ?{self._cookie_at(place)}=([\w-]+)(?=;|$)".encode())
        return [value.decode() for cookie in cookies for value in one.findall(cookie)]

    def _cookie_at(self, place: str) -> str:
        """The cookie's name, which nobody can guess who does not know the place."""
        return f"{'__Secure-' if self.is_secure else ''}loopin-{_digest(f'name {place}')[:16]}"

    def _set_cookie(self, response: Response, place: str, value: str, max_age_s: int) -> None:
        response.set_cookie(
            self._cookie_at(place),
            value,
            max_age=max_age_s,
            path=root_of(self._public_url, place),
            secure=self.is_secure,
            httponly=True,
            samesite="lax",
        )


def _digest(text: str) -> str:
    return sha256(text.encode()).hexdigest()
