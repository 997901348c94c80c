"""Reads the `Prefer` header (RFC 7240)."""

from collections.abc import Iterable
from urllib.request import parse_http_list

LONGEST_WAIT_S = 60


def preferred_wait_s(headers: Iterable[str]) -> int | None:
    """The `wait` that is honoured, in seconds, or None where none is asked for.

    The first of several counts; one that is no number of seconds is ignored (section 2).
    """
    for preference in parse_http_list(", ".join(headers)):
        name, _, value = preference.partition(";")[0].partition("=")
        if name.strip().lower() == "wait":
            digits = value.strip().strip('"')
            usable = digits.isascii() and digits.isdigit()
            return min(int(digits[:9]), LONGEST_WAIT_S) if usable else None
    return None
