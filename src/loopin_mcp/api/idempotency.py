"""Reads the Idempotency-Key of a request (draft-ietf-httpapi-idempotency-key-header)."""

import re

from loopin_mcp.errors import InvalidRequestError

LONGEST_KEY = 255

# A string of RFC 9651, in which quotes and backslashes are escaped; many send it without quotes.
_QUOTED = r'"((?:[ !#-\[\]-~]|\\["\\])+)"'
_BARE = r"[!#-~]+"
_ESCAPED = re.compile(r"\\(.)")


def idempotency_key(values: list[str]) -> str | None:
    """The key that a request's headers give, or None where there are none.

    Raises:
        InvalidRequestError: There are several, or it is no such key.
    """
    if not values:
        return None
    text = values[0].strip()
    if quoted := re.fullmatch(_QUOTED, text):
        text = _ESCAPED.sub(r"\1", quoted[1])
    elif not re.fullmatch(_BARE, text):
        text = ""
    if len(values) > 1 or not 1 <= len(text) <= LONGEST_KEY:
        raise InvalidRequestError(
            f"Idempotency-Key must be one string of 1 to {LONGEST_KEY} printable ASCII characters "
            "in double quotes"
        )
    return text
