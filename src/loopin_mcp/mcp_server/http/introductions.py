"""Session ids that hold how a host introduced itself, so that every copy of the server knows it.

Hosts before 2026-07-28 introduce themselves only in `initialize`, and then send the session id of
its answer with every request. A host can write one itself, and so could say anything in
`initialize` too: nothing depends on its secrecy, and nothing is kept of a session.
"""

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from secrets import token_urlsafe
from typing import Any, Literal

from mcp_types import InitializeRequestParams
from pydantic import BaseModel, ValidationError

SESSION_ID = b"mcp-session-id"
_LONGEST_ID = 4096
# Of what a host may say, only this is used.
_KEPT: dict[str, Any] = {
    "protocol_version": True,
    "capabilities": {"elicitation"},
    "client_info": {"name", "title", "version"},
}
_LONGEST_TEXT = 200


class _Initialize(BaseModel):
    method: Literal["initialize"]
    params: InitializeRequestParams


def session_id(body: bytes) -> str | None:
    """A new session id for the host that sent this body; None if it is not `initialize`."""
    # Most requests are not, and reading them once more would take time.
    if b'"initialize"' not in body:
        return None
    try:
        request = _Initialize.model_validate_json(body)
    except ValidationError:
        return None
    said = request.params.model_dump(by_alias=True, exclude_none=True, include=_KEPT)
    client = said["clientInfo"]
    said["clientInfo"] = {name: text[:_LONGEST_TEXT] for name, text in client.items()}
    return urlsafe_b64encode(json.dumps([token_urlsafe(16), said]).encode()).decode()


def introduced_by(session: str) -> InitializeRequestParams | None:
    """How the host introduced itself; None if this server did not make the session id."""
    try:
        _, said = json.loads(urlsafe_b64decode(session[:_LONGEST_ID]))
        return InitializeRequestParams.model_validate(said, by_name=False)
    except (ValueError, TypeError, RecursionError):
        return None
