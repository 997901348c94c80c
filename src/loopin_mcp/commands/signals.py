"""What signals do to a command: the first one ends its work, a second Ctrl+C ends the process."""

import os
import signal
from collections.abc import Awaitable, Callable
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

import anyio

if TYPE_CHECKING:
    import asyncio

_T = TypeVar("_T")


class Stop:
    """Handles Ctrl+C, SIGTERM and SIGHUP alike: the first one lets the command clean up.

    After that only Ctrl+C has an effect: it ends the process at once. `timeout` sends SIGTERM
    twice, and the end of a terminal SIGHUP.
    """

    def __init__(self) -> None:
        self._first: int | None = None
        self.end: Callable[[], object] = _interrupt

    @classmethod
    def on_signals(cls) -> "Stop":
        """One that handles the signals of this process."""
        stop = cls()
        for number in _handled():
            signal.signal(number, stop)
        return stop

    @property
    def exit_code(self) -> int:
        """What shells expect of a command that was ended by the first signal."""
        return 128 + (self._first or signal.SIGINT)

    def __call__(self, number: int, _: object) -> None:
        """Handle a signal."""
        if self._first is None:
            self._first = number
            self.end()
        elif number == signal.SIGINT:
            os._exit(128 + number)


def run(work: Callable[..., Awaitable[_T]], *arguments: object, **options: Any) -> _T:  # noqa: ANN401 - as anyio says
    """Run `work` as `anyio.run` does; the first signal cancels it.

    Raises:
        KeyboardInterrupt: A signal did.
    """
    # Commands that need no event loop begin sooner without it.
    import asyncio

    handler = signal.getsignal(signal.SIGINT)
    stop = handler if isinstance(handler, Stop) else Stop()

    async def stoppable() -> _T:
        task = asyncio.current_task()
        assert task is not None
        stop.end = partial(_cancel, task)
        try:
            return await work(*arguments)
        finally:
            stop.end = _interrupt

    try:
        return anyio.run(stoppable, **options)
    except asyncio.CancelledError as error:
        raise KeyboardInterrupt from error


def _cancel(task: "asyncio.Task[Any]") -> None:
    task.cancel()
    # It may be waiting for an event.
    task.get_loop().call_soon_threadsafe(lambda: None)


def end_at_once() -> None:
    """Let these signals end the process at once."""
    for number in _handled():
        signal.signal(number, signal.SIG_DFL)


def _handled() -> set[int]:
    numbers = {signal.SIGINT, signal.SIGTERM, getattr(signal, "SIGHUP", signal.SIGTERM)}
    # A shell ignores SIGINT for what it starts in the background, and `nohup` SIGHUP for good.
    kept = {each for each in numbers if signal.getsignal(each) is not signal.SIG_IGN}
    return kept | {signal.SIGINT}


def _interrupt() -> None:
    raise KeyboardInterrupt
