"""Proves to an open page that the program which answers is the API that made the page."""

import hmac
import re
import secrets
from dataclasses import dataclass
from hashlib import sha256

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from loopin_mcp.api.access.browser import PAGE_HEADERS
from loopin_mcp.errors import NotFoundError

_TOKEN = re.compile(r"[0-9a-f]{32}")


@dataclass(frozen=True)
class PageSecret:
    """What one copy of a page shares with the API only."""

    page_id: str
    secret: str


class Proofs:
    """Makes the secrets of pages and the proofs of knowing them, for one address only.

    Otherwise a program on the port that a page knows could fetch the proof from the API at another.
    """

    def __init__(self, key: bytes, address: str) -> None:
        self._key = key
        self._address = address

    def new_secret(self) -> PageSecret:
        """The secret of a page that is made now."""
        page_id = secrets.token_hex(16)
        return PageSecret(page_id, self._secret_of(page_id))

    async def prove(self, request: Request) -> Response:
        """`GET /proofs/{page_id}/{challenge}`: the SHA-256 of the page's secret and a challenge."""
        page_id, challenge = request.path_params["page_id"], request.path_params["challenge"]
        # The bounded length also keeps a proof from being extended to a longer challenge.
        if not (_TOKEN.fullmatch(page_id) and _TOKEN.fullmatch(challenge)):
            raise NotFoundError("A proof takes a page's id and a challenge")
        proof = sha256(f"{self._secret_of(page_id)}{challenge}".encode()).hexdigest()
        return PlainTextResponse(proof, headers=PAGE_HEADERS)

    def _secret_of(self, page_id: str) -> str:
        return hmac.new(self._key, f"{self._address}\n{page_id}".encode(), "sha256").hexdigest()
