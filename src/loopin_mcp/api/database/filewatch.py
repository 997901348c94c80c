"""Says when it is worth looking whether a file has changed; by inotify(7) where there is one."""

import ctypes
import os
import sys
from functools import partial
from pathlib import Path
from typing import Protocol

import anyio

LOOK_S = 0.05
# A file is written before what was written counts, and in between may lie an fsync.
LOOK_AGAIN_S = (0.002, 0.002, 0.004, 0.008, 0.016, 0.032, 0.064, 0.128, 0.256)
# A write that was not told of, as on some shared file systems, is found all the same.
LOOK_ANYWAY_S = 1.0

_IN_MODIFY = 0x2


class FileWatch(Protocol):
    """Gives hints that a file may have changed; there may be more hints than changes."""

    async def hint(self) -> None:
        """Return when it is worth looking again."""
        ...

    def close(self) -> None:
        """Watch no more."""
        ...


class Polling:
    """Hints again and again."""

    async def hint(self) -> None:
        """See `FileWatch.hint`."""
        await anyio.sleep(LOOK_S)

    def close(self) -> None:
        """See `FileWatch.close`."""


class Inotify:
    """Hints when the file was written, and for a moment after."""

    def __init__(self, path: Path) -> None:
        libc = ctypes.CDLL(None, use_errno=True)
        self._descriptor = _checked(libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC))
        watched = (self._descriptor, os.fsencode(path), _IN_MODIFY)
        self._watch_path = partial(libc.inotify_add_watch, *watched)
        self._pauses_s = iter(LOOK_AGAIN_S)
        try:
            _checked(self._watch_path())
        except OSError:
            self.close()
            raise

    async def hint(self) -> None:
        """See `FileWatch.hint`."""
        # There may be another file at the path by now.
        self._watch_path()
        with anyio.move_on_after(next(self._pauses_s, LOOK_ANYWAY_S)):
            await anyio.wait_readable(self._descriptor)
            os.read(self._descriptor, 4096)
            self._pauses_s = iter(LOOK_AGAIN_S)
            await anyio.sleep(next(self._pauses_s))

    def close(self) -> None:
        """See `FileWatch.close`."""
        os.close(self._descriptor)


def watch(path: Path) -> FileWatch:
    """The best watch there is for a file."""
    try:
        return Inotify(path) if sys.platform == "linux" else Polling()
    except OSError:
        # A user may have only so many of them.
        return Polling()


def _checked(result: int) -> int:
    """What a call of the C library gave.

    Raises:
        OSError: It failed.
    """
    if result < 0:
        raise OSError(ctypes.get_errno(), "inotify")
    return result
