"""The clock that the API goes by: epoch milliseconds."""

import time
from collections.abc import Callable

Clock = Callable[[], int]


def epoch_ms() -> int:
    """The time now, in milliseconds since 1970 in UTC."""
    return time.time_ns() // 1_000_000
