"""Reads the Idempotency-Key of a request (draft-ietf-httpapi-idempotency-key-header)."""

import re

from loopin_mcp.errors import InvalidRequestError

LONGEST_KEY = 255

# A string of RFC 9651, in which quotes and backslashes are escaped; many send it without quotes.
_QUOTED = re.compile(r'"((?:[\x20\x21\x23-\x5b\x5d-\x7e]|\\["\\])*)"')
_BARE = re.compile(r"[\x21\x23-\x7e]+")
_ESCAPED = re.compile(r"\\(.)")


def idempotency_key(values: list[str]) -> str | None:
    """The key that a request's headers give, or None where there are none.

    Raises:
        InvalidRequestError: There are several, or it is no such key.
    """
    if not values:
        return None
    text = values[0].strip()
    if quoted := _QUOTED.fullmatch(text):
        text = _ESCAPED.sub(r"\1", quoted[1])
    elif not _BARE.fullmatch(text):
        text = ""
    if len(values) > 1 or not 1 <= len(text) <= LONGEST_KEY:
        raise InvalidRequestError(
            f"Idempotency-Key must be one string of 1 to {LONGEST_KEY} printable ASCII characters "
            "in double quotes"
        )
    return text
