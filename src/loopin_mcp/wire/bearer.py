"""Bearer tokens: https://www.rfc-editor.org/rfc/rfc6750#section-2.1."""

from collections.abc import Sequence


def bearer_token(authorization: Sequence[str]) -> str:
    """The token in the Authorization headers of a request, or nothing if there is none in ASCII.

    If there are two headers, a proxy in front may have checked the other one, so their token is
    one that nobody has.
    """
    scheme, _, token = ", ".join(authorization).partition(" ")
    return token.strip() if scheme.lower() == "bearer" and token.isascii() else ""
