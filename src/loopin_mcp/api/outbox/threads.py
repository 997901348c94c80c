"""Runs blocking work in daemon threads."""

import asyncio
import contextlib
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

_T = TypeVar("_T")


async def in_daemon_thread(work: Callable[[], _T], at_end: Callable[[], None]) -> _T:
    """The result of `work` from a new thread, which does not keep the process alive.

    The caller can be cancelled. `at_end` is called on the event loop when the thread ends.

    Raises:
        RuntimeError: This process cannot start more threads.
    """
    loop = asyncio.get_running_loop()
    outcome: Future[_T] = Future()
    # A running future cannot be cancelled, so the thread can always set its result.
    outcome.set_running_or_notify_cancel()

    def run() -> None:
        try:
            outcome.set_result(work())
        except Exception as error:
            outcome.set_exception(error)
        # At the end of the process the loop may be closed already.
        with contextlib.suppress(RuntimeError):
            loop.call_soon_threadsafe(at_end)

    try:
        threading.Thread(target=run, daemon=True).start()
    except RuntimeError:
        at_end()
        raise
    return await asyncio.wrap_future(outcome)
