"""The health check, which also proves to another copy that this API has the same key."""

import hmac
import json
from collections.abc import Mapping

from starlette.requests import Request
from starlette.responses import Response

from loopin_mcp.api.access.browser import json_response
from loopin_mcp.errors import InvalidRequestError
from loopin_mcp.wire.models import Health

LONGEST_CHALLENGE = 100


def proof_of_key(api_key: str, challenge: str, port: int) -> str:
    """An HMAC-SHA256 that only a holder of the key can make, for one port.

    The port is part of it. Otherwise a stranger could relay the challenge to the real server at
    another port, and return its proof.
    """
    message = f"loopin-mcp health\n{port}\n{challenge}".encode()
    return hmac.new(api_key.encode(), message, "sha256").hexdigest()


def sibling_key(api_key: str, reviewers: Mapping[str, str]) -> str:
    """A key that only copies with the same API key and the same reviewers can derive."""
    if not reviewers:
        return api_key
    names = json.dumps(sorted(reviewers.items())).encode()
    return hmac.new(api_key.encode(), names, "sha256").hexdigest()


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
        return json_response(health.model_dump_json(by_alias=True))
