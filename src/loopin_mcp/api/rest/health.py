"""Whether this API is up, whether it can serve, and its proof to another copy of the same key."""

import asyncio
import logging

import anyio
from pydantic_core import to_json
from starlette.requests import Request
from starlette.responses import Response

from loopin_mcp.api.access.browser import json_response
from loopin_mcp.api.database.outages import Outage
from loopin_mcp.api.store.store import Store
from loopin_mcp.errors import InvalidRequestError, UnavailableError
from loopin_mcp.wire.models import Health
from loopin_mcp.wire.siblings import proof_of_key

LONGEST_CHALLENGE = 100
# Within this time, one check of the database answers all who ask.
FRESH_S = 1.0
# Probes often wait only for a few seconds.
ANSWER_S = 2.0

logger = logging.getLogger("loopin_mcp")


class HealthCheck:
    """`GET /health`, with a proof for `?challenge=` if there is a `proof_key`.

    Anyone can get such a proof, so the key must be one that cannot be guessed.
    """

    def __init__(self, version: str, port: int, proof_key: str | None = None) -> None:
        self._version = version
        self._port = port
        self._proof_key = proof_key

    async def get_health(self, request: Request) -> Response:
        """The service's name and state."""
        challenge = request.query_params.get("challenge", "")
        if len(challenge) > LONGEST_CHALLENGE:
            raise InvalidRequestError(f"challenge must be at most {LONGEST_CHALLENGE} characters")
        proof = None
        if challenge and self._proof_key:
            proof = proof_of_key(self._proof_key, challenge, self._port)
        health = Health(status="ok", service="loopin-api", version=self._version, proof=proof)
        return json_response(to_json(health, by_alias=True))


class Readiness:
    """`GET /ready`: whether this process can serve every call, also those that change something.

    Anyone may ask, so the reason is only in the log.
    """

    def __init__(self, store: Store, answer_s: float = ANSWER_S) -> None:
        self._store = store
        self._answer_s = answer_s
        self._outage = Outage(logger, "Readiness checks", "fail", "succeed again")
        self._check: asyncio.Task[None] | None = None
        self._fresh_until = 0.0

    async def get_readiness(self, _request: Request) -> Response:
        """Success if this API can serve now."""
        if self._store.changes.closed:
            raise UnavailableError("Not ready: the API is stopping", retry_after_s=1)
        if not await self._is_checked() or self._outage.lasts:
            raise UnavailableError(
                "Not ready: the database takes no changes right now; the API's log says why",
                retry_after_s=1,
            )
        return json_response(b'{"status":"ready"}')

    async def _is_checked(self) -> bool:
        """Whether the database was just checked; a check that hangs is not begun again."""
        if self._check is None or (self._check.done() and anyio.current_time() > self._fresh_until):
            self._check = asyncio.create_task(self._look())
        done, _ = await asyncio.wait([self._check], timeout=self._answer_s)
        return bool(done)

    async def _look(self) -> None:
        with self._outage.watched():
            await self._store.require_writable()
        self._fresh_until = anyio.current_time() + FRESH_S
