"""Says how far work has come that takes long."""

import time
from collections.abc import Callable

# Between two lines; shorter work says nothing.
EVERY_S = 2.0


class Meter:
    """Says now and then how much of something is done; `clock` gives seconds."""

    def __init__(
        self, say: Callable[[str], None], unit: str, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._say = say
        self._unit = unit
        self._clock = clock
        self._what = ""
        self._began = self._said = clock()
        self._done_before = 0

    def at(self, what: str, done: int, total: int) -> None:
        """So much of `what` is done now."""
        now = self._clock()
        if what != self._what:
            self._what, self._began, self._said, self._done_before = what, now, now, done
        if now - self._said < EVERY_S:
            return
        self._said = now
        rate = (done - self._done_before) / (now - self._began)
        left = f", {(total - done) / rate:,.0f} s left" if rate else ""
        self._say(
            f"{what}: {done:,} of {total:,} {self._unit} ({done / max(total, 1):.0%}), "
            f"{rate:,.0f} a second{left}"
        )
