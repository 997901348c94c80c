"""Who is signed in to the pages: a signed cookie, and links that sign in once."""

import base64
import hmac
import secrets
from hashlib import sha256
from urllib.parse import urlsplit

from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import Response

from loopin_mcp.api.access.browser import is_visit
from loopin_mcp.api.access.keys import ANONYMOUS, Keys
from loopin_mcp.api.clock import Clock
from loopin_mcp.desktop import KEPT_S
from loopin_mcp.errors import ForbiddenError, UnauthorizedError

SESSION_S = 12 * 3600
LINK_S = KEPT_S
REVIEW_LINK = "review-link"


class _Session(BaseModel):
    """The content of the cookie: who is signed in, and until when."""

    subject: str
    until_ms: int


class Sessions:
    """Signs browsers in and out. `clock` gives epoch milliseconds.

    A cookie is signed with a key derived from its subject's own, so changing that key ends their
    sessions. If the API has no key, everyone is signed in.
    """

    def __init__(self, keys: Keys, clock: Clock, public_url: str) -> None:
        self.needs_key = bool(keys.deciders)
        self._keys = keys
        # Browsers also send a cookie to other ports of the host, so the key is for one URL only.
        purpose = f"loopin-mcp session\n{public_url}\n"
        self._signing_keys = {
            name: keys.signing_key(name, f"{purpose}{name}") for name in keys.deciders
        }
        self._clock = clock
        self._public_url = public_url
        self._secure = urlsplit(public_url).scheme == "https"
        # Cookies are not bound to a port: APIs on one host would sign each other out.
        name = f"loopin-{sha256(public_url.encode()).hexdigest()[:12]}"
        self._cookie = f"__Host-{name}" if self._secure else name
        self._links: dict[str, int] = {}

    def subject_of(self, request: Request) -> str | None:
        """Who is signed in to the pages in this browser, or None."""
        if not self.needs_key:
            return ANONYMOUS
        payload, _, signature = request.cookies.get(self._cookie, "").partition(".")
        for subject in self._signing_keys:
            if hmac.compare_digest(signature.encode(), self._signature(subject, payload).encode()):
                # Only a payload made here has this signature, so it is valid.
                session = _Session.model_validate_json(base64.urlsafe_b64decode(payload))
                return session.subject if session.until_ms > self._clock() else None
        return None

    def require_subject(self, request: Request) -> str:
        """Who is signed in to the pages in this browser.

        Raises:
            UnauthorizedError: Nobody is.
        """
        subject = self.subject_of(request)
        if subject is None:
            raise UnauthorizedError("You are not signed in")
        return subject

    def reviewer_of(self, request: Request) -> str:
        """Who may see and decide the interrupt whose link was opened.

        If there are reviewers, it is the one who is signed in; else the link is enough.

        Raises:
            UnauthorizedError: Nobody is signed in.
        """
        return self.require_subject(request) if self._keys.has_reviewers else REVIEW_LINK

    def sign_in(self, response: Response, subject: str) -> None:
        """Sign the browser that gets this response in, for twelve hours."""
        if self.needs_key:
            session = _Session(subject=subject, until_ms=self._clock() + SESSION_S * 1000)
            payload = base64.urlsafe_b64encode(session.model_dump_json().encode()).decode()
            self._set(response, f"{payload}.{self._signature(subject, payload)}", SESSION_S)

    def sign_out(self, response: Response) -> None:
        """Sign the browser that gets this response out."""
        self._set(response, "", 0)

    def renew(self, request: Request, response: Response) -> None:
        """Restart the twelve hours at a human's visit; requests by scripts do not count."""
        subject = self.subject_of(request)
        if subject and is_visit(request):
            self.sign_in(response, subject)

    def way_in(self) -> str:
        """A link to the inbox, which signs in if there are no reviewers."""
        return f"{self._public_url}/" if self._keys.has_reviewers else self.new_link()

    def new_link(self) -> str:
        """A fresh link that signs in one browser, within a minute, without a key.

        Raises:
            ForbiddenError: Reviewers have keys, and each signs in with their own.
        """
        if self._keys.has_reviewers:
            raise ForbiddenError("Reviewers sign in with their own keys, not with links")
        now = self._clock()
        self._links = {token: until for token, until in self._links.items() if until > now}
        token = secrets.token_urlsafe(32)
        self._links[token] = now + LINK_S * 1000
        return f"{self._public_url}/sign-in/{token}"

    def redeem(self, token: str) -> bool:
        """Whether the token of a link still signs in; from now on it does no more."""
        return self._links.pop(token, 0) > self._clock()

    def _signature(self, subject: str, payload: str) -> str:
        return hmac.new(self._signing_keys[subject], payload.encode(), "sha256").hexdigest()

    def _set(self, response: Response, value: str, max_age_s: int) -> None:
        response.set_cookie(
            self._cookie,
            value,
            max_age=max_age_s,
            path="/",
            secure=self._secure,
            httponly=True,
            samesite="strict",
        )
