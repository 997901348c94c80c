"""What may be sent again, and when."""

import random
from collections.abc import Iterator

from loopin_mcp.errors import LoopinError, RateLimitedError, UnavailableError, UnreachableError

LONGEST_BACKOFF_S = 8.0

_PASSING = (429, 502, 503, 504)


class NotConnectedError(UnreachableError):
    """The request cannot have arrived."""


class BrokenError(UnreachableError):
    """The request may have arrived."""


def delay_before_retry(error: LoopinError, method: str, attempt: int) -> float | None:
    """Seconds to wait before trying again, or None where that is of no use or not safe."""
    if method != "GET" and not isinstance(error, NotConnectedError):
        return None
    backoff_s = min(0.5 * 2**attempt, LONGEST_BACKOFF_S)
    delay_s: float = random.uniform(0.5, 1) * backoff_s  # noqa: S311 - jitter
    if isinstance(error, RateLimitedError | UnavailableError):
        asked_s = error.retry_after_s or 0
        if error.status not in _PASSING or asked_s > LONGEST_BACKOFF_S:
            return None
        delay_s = max(delay_s, asked_s)
    return delay_s


def polling_delays() -> Iterator[float]:
    """Seconds between two looks: one at first, growing to five."""
    delay_s = 1.0
    while True:
        yield delay_s
        delay_s = min(delay_s * 1.5, 5.0)
