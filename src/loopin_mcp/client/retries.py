"""The policy of retries: which requests are sent again, and when."""

import random
from collections.abc import Iterator
from contextlib import contextmanager

from loopin_mcp.client.transport import BrokenError, NotConnectedError, Outgoing
from loopin_mcp.errors import (
    APIError,
    ConflictError,
    LoopinError,
    UnavailableError,
    UnreachableError,
)

LONGEST_BACKOFF_S = 8.0

# Sent by a proxy whose API is away, or by an API that is not ready yet.
_AWAY = (502, 503, 504)


def delay_before_retry(error: LoopinError, outgoing: Outgoing, attempt: int) -> float | None:
    """Seconds to wait before trying again, or None if that is useless or not safe."""
    if not _may_be_sent_again(error, outgoing):
        return None
    backoff_s = min(0.5 * 2**attempt, LONGEST_BACKOFF_S)
    delay_s: float = random.uniform(0.5, 1) * backoff_s  # noqa: S311 - jitter
    asked_s = (error.retry_after_s or 0) if isinstance(error, APIError) else 0
    # Clients that an outage refused at one time must not all come back at one time.
    return None if asked_s > LONGEST_BACKOFF_S else asked_s + delay_s


def _may_be_sent_again(error: LoopinError, outgoing: Outgoing) -> bool:
    has_key = outgoing.idempotency_key is not None
    match error:
        case NotConnectedError():
            return True
        case BrokenError() | APIError(status=429 | 502 | 503 | 504):
            return has_key or outgoing.method == "GET"
        # A read that timed out would probably time out again. A temporary conflict is with an
        # earlier request of the same key, which is still in progress.
        case UnreachableError() | ConflictError(retry_after_s=float()):
            return has_key
    return False


@contextmanager
def outlasting_outages() -> Iterator[None]:
    """Ignore that the API does not answer, or only a proxy does: it may be restarting."""
    try:
        yield
    except (UnreachableError, UnavailableError) as error:
        if isinstance(error, UnavailableError) and error.status not in _AWAY:
            raise


def polling_delays() -> Iterator[float]:
    """Seconds between two polls: one at first, growing to five."""
    delay_s = 1.0
    while True:
        yield delay_s
        delay_s = min(delay_s * 1.5, 5.0)
