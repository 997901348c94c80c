"""The keys that events are hashed with, which no database holds."""

import hmac
from collections.abc import Iterable
from hashlib import sha256
from typing import Any

from loopin_mcp.api.audit.digests import canonical

# How many interrupts that were found whole are remembered, each in some 200 bytes.
MOST_WHOLE = 20_000


class AuditKeys:
    """Makes hashes with the first key, and recognises those of every key.

    Without keys a hash is a plain SHA-256, which anyone can make. A key is derived from a secret.
    """

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        keys = [hmac.digest(each.encode(), b"LoopIn audit trail", "sha256") for each in secrets]
        self._keys = {hmac.digest(key, b"id", "sha256").hex()[:8]: key for key in keys}
        self._whole: dict[str, bytes] = {}

    @property
    def key_id(self) -> str | None:
        """The id of the key that makes hashes, or None if there are no keys."""
        return next(iter(self._keys), None)

    def hash_of(self, value: Any) -> str:  # noqa: ANN401 - this is the JSON edge
        """The hash of a JSON value's RFC 8785 form: an HMAC-SHA256, or without keys a SHA-256."""
        text = canonical(value).encode()
        key = next(iter(self._keys.values()), None)
        return _hash(text, key)

    def has_made(self, text: str, value: Any) -> bool:  # noqa: ANN401 - this is the JSON edge
        """Whether a text is the hash of a JSON value with one of the keys."""
        shown, made_of = text.encode(errors="replace"), canonical(value).encode()
        hashes = [_hash(made_of, key) for key in self._keys.values() or (None,)]
        return any(hmac.compare_digest(shown, known.encode()) for known in hashes)

    def remember_whole(self, interrupt_id: str, mark: bytes) -> None:
        """Remember that what is stored of an interrupt was found whole; `mark` is its digest."""
        self._whole[interrupt_id] = mark
        if len(self._whole) > MOST_WHOLE:
            del self._whole[next(iter(self._whole))]

    def is_known_whole(self, interrupt_id: str, mark: bytes) -> bool:
        """Whether exactly this was found whole before."""
        return self._whole.get(interrupt_id) == mark

    def fault_of(self, key_id: object) -> str | None:
        """Why hashes made with the key of this id cannot be checked here, or None."""
        if key_id in (self._keys or (None,)):
            return None
        if not self._keys:
            return "were made with a key: set LOOPIN_AUDIT_KEY, or the API's key, as it was"
        if key_id:
            return "were made with another key: list it in LOOPIN_AUDIT_KEY after the present one"
        return "were made without a key, so anyone can have written them: ask again"


def _hash(text: bytes, key: bytes | None) -> str:
    return (sha256(text).digest() if key is None else hmac.digest(key, text, "sha256")).hex()


NO_KEYS = AuditKeys()
