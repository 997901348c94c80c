"""The health check, which also proves to another copy that this API has the same key."""

from pydantic_core import to_json
from starlette.requests import Request
from starlette.responses import Response

from loopin_mcp.api.access.browser import json_response
from loopin_mcp.errors import InvalidRequestError
from loopin_mcp.wire.models import Health
from loopin_mcp.wire.siblings import proof_of_key

LONGEST_CHALLENGE = 100


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
