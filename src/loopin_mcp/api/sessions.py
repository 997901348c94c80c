"""Who is signed in to the pages: a signed cookie, and links that sign in once."""

import base64
import hmac
import secrets
from hashlib import sha256
from urllib.parse import urlencode, urlsplit

from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from loopin_mcp.api.clock import Clock
from loopin_mcp.api.pages import HEADERS, root_of

SESSION_S = 12 * 3600
LINK_S = 60


class _Session(BaseModel):
    """What the cookie says: until when it holds, and for whom where that is known."""

    until_ms: int
    subject: str | None = None


class Sessions:
    """Signs browsers in and out. `clock` gives epoch milliseconds.

    The cookie is signed with a key made of `api_key`, so that changing that ends every session.
    Without one, everybody is signed in.
    """

    def __init__(self, api_key: str | None, clock: Clock, public_url: str) -> None:
        self.asks = api_key is not None
        self._signing_key = hmac.digest((api_key or "").encode(), b"loopin-mcp session", "sha256")
        self._clock = clock
        self._public_url = public_url
        self._secure = urlsplit(public_url).scheme == "https"
        # Cookies know no ports: APIs on one host would sign each other out.
        name = f"loopin-{sha256(public_url.encode()).hexdigest()[:12]}"
        self._cookie = f"__Host-{name}" if self._secure else name
        self._links: dict[str, int] = {}

    def is_signed_in(self, request: Request) -> bool:
        """Whether this browser may see the pages that are not public."""
        if not self.asks:
            return True
        payload, _, signature = request.cookies.get(self._cookie, "").partition(".")
        if not hmac.compare_digest(signature.encode(), self._signature(payload).encode()):
            return False
        # Only what was made here bears the signature, so that it can be read.
        session = _Session.model_validate_json(base64.urlsafe_b64decode(payload))
        return session.until_ms > self._clock()

    def ask(self, request: Request) -> Response:
        """The way to the sign-in page, and from there back to the page that was asked for."""
        page = request.scope["path"].removeprefix("/")
        target = urlencode({"next": f"{page}?{request.url.query}".rstrip("?")})
        return RedirectResponse(f"{root_of(request)}sign-in?{target}", 303, HEADERS)

    def sign_in(self, response: Response) -> None:
        """Sign the browser that gets this response in, for twelve hours."""
        if self.asks:
            session = _Session(until_ms=self._clock() + SESSION_S * 1000)
            payload = base64.urlsafe_b64encode(session.model_dump_json().encode()).decode()
            self._set(response, f"{payload}.{self._signature(payload)}", SESSION_S)

    def sign_out(self, response: Response) -> None:
        """Sign the browser that gets this response out."""
        self._set(response, "", 0)

    def renew(self, request: Request, response: Response) -> None:
        """Begin the twelve hours anew for a human's visit; what a script loads does not count."""
        if request.headers.get("sec-fetch-dest", "document") == "document":
            self.sign_in(response)

    def new_link(self) -> str:
        """A fresh link that signs in one browser, within a minute."""
        now = self._clock()
        self._links = {token: until for token, until in self._links.items() if until > now}
        token = secrets.token_urlsafe(32)
        self._links[token] = now + LINK_S * 1000
        return f"{self._public_url}/sign-in/{token}"

    def redeem(self, token: str) -> bool:
        """Whether the token of a link still signs in; from now on it does no more."""
        return self._links.pop(token, 0) > self._clock()

    def _signature(self, payload: str) -> str:
        return hmac.new(self._signing_key, payload.encode(), "sha256").hexdigest()

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
