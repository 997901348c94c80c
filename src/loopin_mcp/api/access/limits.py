"""How much the API takes in and holds at once: heads of requests, new interrupts, waits."""

import contextlib
import sys
import time
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal, Self

from loopin_mcp.errors import RateLimitedError

MINUTE_S = 60.0
# Files that the API itself has open: the database for each thread, callbacks, the program.
OWN_FILES = 250
# As many as all connections take; macOS lets a process have no more than some.
MOST_FILES = 10_240 if sys.platform == "darwin" else 22_500


@dataclass(frozen=True)
class Limits:
    """How many connections there may be, and how long each may keep the API waiting."""

    connections: int = 20_000
    patience_s: float = 20.0
    # Of requests that are incomplete, on all connections together.
    held_bytes: int = 128 * 1024 * 1024
    # How many connections are accepted at once, before any of them can be counted.
    at_once: int = 512

    @classmethod
    def of_process(cls) -> Self:
        """What this process may open files for by now; every agent that waits takes one."""
        if sys.platform == "win32":
            return cls()
        import resource

        files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        room = max(files - OWN_FILES, 20)
        at_once = min(cls.at_once, room // 16)
        # Asyncio accepts `at_once` connections before any is counted, and may do so again before
        # those that are cut for them are closed. Without a file for one, it would accept nothing
        # for a second.
        return cls(connections=min(cls.connections, room - 4 * at_once), at_once=at_once)

    @property
    def waits(self) -> int:
        """How many requests may wait at once, which leaves connections to all others."""
        return self.connections - min(2000, self.connections // 4)

    @property
    def waits_each(self) -> int:
        """How many of one caller may."""
        return self.waits * 3 // 4


def raise_file_limit() -> None:
    """Let this process, and what it starts, open as many files as an API can use."""
    if sys.platform == "win32":
        return
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = MOST_FILES if hard == resource.RLIM_INFINITY else min(MOST_FILES, hard)
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, most), hard))


class CreateRate:
    """At most so many new interrupts of each caller in any minute."""

    def __init__(self, per_minute: int, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._per_minute = per_minute
        # When those of the last minute were; callers are as many as there are keys.
        self._recent: defaultdict[str, deque[float]] = defaultdict(deque)

    def count(self, caller: str) -> None:
        """Count one more.

        Raises:
            RateLimitedError: There were as many in the last minute; this one does not count.
        """
        recent, now = self._recent[caller], self._now()
        while recent and now - recent[0] >= MINUTE_S:
            recent.popleft()
        if len(recent) >= self._per_minute:
            raise RateLimitedError(
                f"At most {self._per_minute} interrupts a minute may be created with this key: "
                "RATE_LIMIT sets how many",
                retry_after_s=recent[0] + MINUTE_S - now,
            )
        recent.append(now)


# Pages are counted beside the calls of whoever reads them.
Caller = tuple[Literal["calls", "pages"], str]


class Waits:
    """Who waits right now; so many may at once, and so many of one caller."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._of: Counter[Caller] = Counter()

    @contextmanager
    def one_of(self, caller: Caller) -> Iterator[bool]:
        """Count one more for as long as the block lasts; false, and not counted, if too many do."""
        if self._of.total() >= self._limits.waits or self._of[caller] >= self._limits.waits_each:
            yield False
            return
        self._of[caller] += 1
        try:
            yield True
        finally:
            self._of[caller] -= 1
