"""Says that the API is well, and proves to a sibling that it holds the same key."""

import hmac

from starlette.requests import Request
from starlette.responses import Response

from loopin_mcp.errors import InvalidRequestError
from loopin_mcp.models import Health

LONGEST_CHALLENGE = 100


def proof_of_key(api_key: str, challenge: str, port: int) -> str:
    """An HMAC-SHA256 that only a holder of the key can make, for one port.

    The port is part of it so that a stranger cannot pass the question on to the real server
    at another port and pass its answer back.
    """
    message = f"loopin-mcp health\n{port}\n{challenge}".encode()
    return hmac.new(api_key.encode(), message, "sha256").hexdigest()


class HealthCheck:
    """`GET /health`, with a proof for `?challenge=` where a key is set."""

    def __init__(self, version: str, api_key: str | None, port: int) -> None:
        self._version = version
        self._api_key = api_key
        self._port = port

    async def get_health(self, request: Request) -> Response:
        """The service's name and state."""
        challenge = request.query_params.get("challenge", "")
        if len(challenge) > LONGEST_CHALLENGE:
            raise InvalidRequestError(f"challenge must be at most {LONGEST_CHALLENGE} characters")
        proof = None
        if challenge and self._api_key:
            proof = proof_of_key(self._api_key, challenge, self._port)
        health = Health(status="ok", service="loopin-api", version=self._version, proof=proof)
        return Response(health.model_dump_json(by_alias=True), media_type="application/json")
