"""The clock that the API goes by: epoch milliseconds."""

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

Clock = Callable[[], int]

DAY_MS = 86_400_000

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def epoch_ms() -> int:
    """The time now, in milliseconds since 1970 in UTC."""
    return time.time_ns() // 1_000_000


def moment(epoch_ms: str | float | None) -> datetime:
    """The moment that epoch milliseconds stand for, such as a column holds them."""
    return _EPOCH + timedelta(milliseconds=int(epoch_ms or 0))
