"""Limits of the API: connections, new interrupts, waits and open files."""

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
# Files that the API itself opens: the database in each thread, callbacks, the program.
OWN_FILES = 250
# Enough for all connections; macOS allows a process fewer.
MOST_FILES = 10_240 if sys.platform == "darwin" else 22_500


@dataclass(frozen=True)
class Limits:
    """How many connections are allowed, and how long each may keep the API waiting."""

    connections: int = 20_000
    patience_s: float = 20.0
    # The bytes of incomplete requests, on all connections together.
    held_bytes: int = 128 * 1024 * 1024
    # The bytes of responses that clients have not read yet, on all connections together.
    unread_bytes: int = 64 * 1024 * 1024
    # How many connections are accepted at once, before they are counted.
    at_once: int = 512

    @classmethod
    def of_process(cls) -> Self:
        """Limits that fit the files this process may open; each waiting agent takes one."""
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
        """How many requests may wait at once; the other connections stay free."""
        return self.connections - min(2000, self.connections // 4)

    @property
    def mcp_requests(self) -> int:
        """How many requests of MCP may be in progress at once: one takes some 100 KB."""
        return min(2000, self.waits)


def raise_file_limit() -> None:
    """Let this process and its children open as many files as an API can use."""
    if sys.platform == "win32":
        return
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = MOST_FILES if hard == resource.RLIM_INFINITY else min(MOST_FILES, hard)
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, most), hard))


class CreateRate:
    """Limits the new interrupts of each caller in any minute."""

    def __init__(self, per_minute: int, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._per_minute = per_minute
        # The times of the last minute's interrupts; there is one caller for each key.
        self._recent: defaultdict[str, deque[float]] = defaultdict(deque)

    def count(self, caller: str) -> None:
        """Count one more.

        Raises:
            RateLimitedError: The limit of this minute is reached; this one does not count.
        """
        recent, now = self._recent[caller], self._now()
        while recent and now - recent[0] >= MINUTE_S:
            recent.popleft()
        if len(recent) >= self._per_minute:
            raise RateLimitedError(
                f"At most {self._per_minute} interrupts a minute may be created with this key: "
                "LOOPIN_RATE_LIMIT sets this limit",
                retry_after_s=recent[0] + MINUTE_S - now,
            )
        recent.append(now)


# The open pages of a person count apart from their calls.
Caller = tuple[Literal["calls", "pages"], str]


class Waits:
    """Counts the requests that wait right now: at most `most`, and three quarters of one caller."""

    def __init__(self, most: int) -> None:
        self.most = most
        self._of: Counter[Caller] = Counter()

    @contextmanager
    def one_of(self, caller: Caller) -> Iterator[bool]:
        """Count one more until the block ends; at the limit, count nothing and yield false."""
        if self._of.total() >= self.most or self._of[caller] >= self.most * 3 // 4:
            yield False
            return
        self._of[caller] += 1
        try:
            yield True
        finally:
            self._of[caller] -= 1

    def by_kind(self) -> dict[str, int]:
        """How many calls wait now, and how many pages."""
        found = dict.fromkeys(("calls", "pages"), 0)
        for (kind, _), count in self._of.items():
            found[kind] += count
        return found
