"""The API's clock, in epoch milliseconds."""

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

Clock = Callable[[], int]

DAY_MS = 86_400_000

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def epoch_ms() -> int:
    """The current time in milliseconds since 1970 in UTC."""
    return time.time_ns() // 1_000_000


def moment(epoch_ms: str | float | None) -> datetime:
    """Epoch milliseconds, such as a column holds, as a datetime in UTC."""
    return _EPOCH + timedelta(milliseconds=int(epoch_ms or 0))


def ms_of(at: datetime) -> int:
    """A datetime in epoch milliseconds, rounded down."""
    return (at - _EPOCH) // timedelta(milliseconds=1)
