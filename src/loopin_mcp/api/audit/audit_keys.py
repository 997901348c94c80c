"""The keys that events are hashed with, which no database holds."""

import hmac
from collections.abc import Iterable, Iterator
from hashlib import sha256
from typing import Any

from loopin_mcp.api.audit.digests import canonical


class AuditKeys:
    """Makes hashes with the first key, and recognises those of every key.

    Without keys a hash is a plain SHA-256, which anyone can make. A key is derived from a secret.
    """

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        keys = [hmac.digest(each.encode(), b"LoopIn audit trail", "sha256") for each in secrets]
        self._keys = {hmac.digest(key, b"id", "sha256").hex()[:8]: key for key in keys}

    @property
    def key_id(self) -> str | None:
        """The id of the key that makes hashes, or None if there are no keys."""
        return next(iter(self._keys), None)

    def hash_of(self, value: Any) -> str:  # noqa: ANN401 - this is the JSON edge
        """The hash of a JSON value's RFC 8785 form: an HMAC-SHA256, or without keys a SHA-256."""
        return next(self._hashes(value))

    def has_made(self, text: str, value: Any) -> bool:  # noqa: ANN401 - this is the JSON edge
        """Whether a text is the hash of a JSON value with one of the keys."""
        shown = text.encode(errors="replace")
        return any(hmac.compare_digest(shown, known.encode()) for known in self._hashes(value))

    def fault_of(self, key_id: object) -> str | None:
        """Why hashes made with the key of this id cannot be checked here, or None."""
        if key_id in (self._keys or (None,)):
            return None
        if not self._keys:
            return "were made with a key: set LOOPIN_AUDIT_KEY, or the API's key, as it was"
        if key_id:
            return "were made with another key: list it in LOOPIN_AUDIT_KEY after the present one"
        return "were made without a key, so anyone can have written them: ask again"

    def _hashes(self, value: Any) -> Iterator[str]:  # noqa: ANN401 - this is the JSON edge
        text = canonical(value).encode()
        if not self._keys:
            yield sha256(text).hexdigest()
        for key in self._keys.values():
            yield hmac.digest(key, text, "sha256").hex()


NO_KEYS = AuditKeys()
