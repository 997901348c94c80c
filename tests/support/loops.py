"""Event loops on which time need not be waited for."""

import asyncio
import selectors
from typing import Any

Backend = tuple[str, dict[str, Any]]


class VirtualTimeSelector(selectors.DefaultSelector):
    """Moves `now` ahead, in seconds, where another would wait that long in vain."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(None if timeout is None else 0)
        if not ready and timeout is not None:
            self.now += timeout
        return ready


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """Time passes only where everything waits for it, and then at once.

    For tests whose other side is mocked: threads take time that this loop knows nothing of.
    """

    def __init__(self) -> None:
        self._clock = VirtualTimeSelector()
        super().__init__(self._clock)

    def time(self) -> float:
        return self._clock.now


class LeapingTimeLoop(asyncio.SelectorEventLoop):
    """Time passes as ever, and leaps where a test says so; what was due meanwhile comes next."""

    leapt_s = 0.0

    def time(self) -> float:
        return super().time() + self.leapt_s


def leap(seconds: float) -> None:
    """Let so much time pass at once, on a `LeapingTimeLoop`."""
    loop = asyncio.get_running_loop()
    assert isinstance(loop, LeapingTimeLoop)
    loop.leapt_s += seconds


ON_VIRTUAL_TIME: Backend = ("asyncio", {"loop_factory": VirtualTimeLoop})
WITH_LEAPING_TIME: Backend = ("asyncio", {"loop_factory": LeapingTimeLoop})
