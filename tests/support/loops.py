"""Event loops on which time passes instantly."""

import asyncio
import selectors
from typing import Any

Backend = tuple[str, dict[str, Any]]


class VirtualTimeSelector(selectors.DefaultSelector):
    """Moves `now` (in seconds) ahead instead of waiting when nothing is ready."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(None if timeout is None else 0)
        if not ready and timeout is not None:
            self.now += timeout
        return ready


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """Time passes only when all tasks wait for it, and then instantly.

    For tests that mock the other side: this loop does not see the time that threads take.
    """

    def __init__(self) -> None:
        self._clock = VirtualTimeSelector()
        super().__init__(self._clock)

    def time(self) -> float:
        return self._clock.now


class LeapingTimeLoop(asyncio.SelectorEventLoop):
    """Time passes normally, and leaps when a test calls `leap`; timers that became due then run."""

    leapt_s = 0.0

    def time(self) -> float:
        return super().time() + self.leapt_s


def leap(seconds: float) -> None:
    """Let this much time pass at once, on a `LeapingTimeLoop`."""
    loop = asyncio.get_running_loop()
    assert isinstance(loop, LeapingTimeLoop)
    loop.leapt_s += seconds


ON_VIRTUAL_TIME: Backend = ("asyncio", {"loop_factory": VirtualTimeLoop})
WITH_LEAPING_TIME: Backend = ("asyncio", {"loop_factory": LeapingTimeLoop})
