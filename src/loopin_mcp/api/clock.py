"""The API's clock, in epoch milliseconds."""

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

Clock = Callable[[], int]

DAY_MS = 86_400_000

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# Without the time zone, which would be written as an offset.
_EPOCH_IN_UTC = _EPOCH.replace(tzinfo=None)


def epoch_ms() -> int:
    """The current time in milliseconds since 1970 in UTC."""
    return time.time_ns() // 1_000_000


def moment(epoch_ms: str | float | None) -> datetime:
    """Epoch milliseconds, such as a column holds, as a datetime in UTC."""
    return _EPOCH + timedelta(milliseconds=int(epoch_ms or 0))


def text_of(epoch_ms: str | float | None) -> str:
    """Epoch milliseconds in RFC 3339, in UTC with `Z`."""
    at = _EPOCH_IN_UTC + timedelta(milliseconds=int(epoch_ms or 0))
    return at.isoformat(timespec="milliseconds") + "Z"
