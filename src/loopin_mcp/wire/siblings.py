"""How copies of the API on one machine prove to each other that they have the same key."""

import hmac
import json
from collections.abc import Mapping


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
