"""Encrypts and signs Web Push messages, with the extra `notify`; no other file imports its parts.

See RFC 8030 (the protocol), RFC 8291 (the encryption) and RFC 8292 (VAPID, who sends).
"""

import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Sequence
from functools import cached_property
from importlib.util import find_spec
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from py_vapid import Vapid02  # type: ignore[import-untyped]  # it has no types

# Push services accept a day at most.
TOKEN_S = 12 * 3600
# A message is padded to this length, so that its size says nothing.
PADDED_BYTES = 2048
# The order of the curve P-256.
_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
_POINT_BYTES, _AUTH_BYTES = 65, 16


def is_installed() -> bool:
    """Whether this machine has the extra `notify`; nothing of it is imported."""
    return all(find_spec(name) for name in ("http_ece", "py_vapid"))


class VapidKeys:
    """The keys that prove to push services who sends: one for each secret, the first for new ones.

    Each is derived from a secret of the API and a part that the database has, so all processes on
    it have the same, and nobody else can make one who can only read the database.
    """

    def __init__(self, secrets: Sequence[str], stored: bytes) -> None:
        self._seeds = [
            hmac.digest(secret.encode(), b"LoopIn push\n" + stored, "sha512")
            for secret in secrets or ("",)
        ]

    @cached_property
    def _keys(self) -> dict[str, "Vapid02"]:
        from py_vapid import Vapid02

        keys = {}
        for seed in self._seeds:
            scalar = int.from_bytes(seed) % (_ORDER - 1) + 1
            key = Vapid02.from_raw(urlsafe_b64encode(scalar.to_bytes(32)))
            # Push services accept any URL as `sub`, and the library only some.
            key.conf = {"no-strict": True}
            keys[_public_of(key)] = key
        return keys

    @property
    def public_key(self) -> str:
        """The public key that browsers subscribe with now, in base64url."""
        return next(iter(self._keys))

    def knows(self, public_key: str) -> bool:
        """Whether messages to a subscription with this key can be signed."""
        return public_key in self._keys

    def authorization(self, public_key: str, endpoint: str, contact: str, now_s: int) -> str:
        """The header that proves to the push service of an endpoint who sends."""
        url = urlsplit(endpoint)
        claims = {"aud": f"{url.scheme}://{url.netloc}", "exp": now_s + TOKEN_S, "sub": contact}
        return str(self._keys[public_key].sign(claims)["Authorization"])


def _public_of(key: "Vapid02") -> str:
    """The public key in base64url, which the header of any signature has."""
    header = key.sign({"sub": "-", "aud": "https://-"})["Authorization"]
    return str(header.partition("k=")[2])


def encrypted(message: bytes, p256dh: str, auth: str) -> bytes:
    """A message that only the subscribed browser can read, padded to one length.

    Raises:
        ValueError: These are not the keys of a subscription.
    """
    import http_ece  # type: ignore[import-untyped]  # it has no types
    from py_vapid import Vapid02

    receiver, secret = _bytes(p256dh, _POINT_BYTES), _bytes(auth, _AUTH_BYTES)
    once = Vapid02()
    once.generate_keys()
    # JSON may end in blanks.
    padded = message.ljust(PADDED_BYTES)
    return bytes(
        http_ece.encrypt(padded, private_key=once.private_key, dh=receiver, auth_secret=secret)
    )


def _bytes(text: str, length: int) -> bytes:
    """The bytes in base64url, with or without padding.

    Raises:
        ValueError: They are not of this length.
    """
    found = urlsafe_b64decode(text.rstrip("=") + "==")
    if len(found) != length:
        raise ValueError(f"{length} bytes are needed")
    return found
