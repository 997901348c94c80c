"""Work that blocks, in threads that nobody has to wait for."""

import asyncio
import contextlib
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

_T = TypeVar("_T")


async def in_daemon_thread(work: Callable[[], _T], at_end: Callable[[], None]) -> _T:
    """The result of `work`, from a thread of its own that does not keep the process alive.

    A caller may stop waiting. `at_end` is called on the event loop once the thread has ended.

    Raises:
        RuntimeError: This process may start no more threads.
        Exception: `work` raised it.
    """
    loop = asyncio.get_running_loop()
    outcome: Future[_T] = Future()
    # From now on nobody can cancel it, so that the thread can always conclude it.
    outcome.set_running_or_notify_cancel()

    def run() -> None:
        try:
            outcome.set_result(work())
        except Exception as error:
            outcome.set_exception(error)
        # A process that ends closes its loop before all threads have ended.
        with contextlib.suppress(RuntimeError):
            loop.call_soon_threadsafe(at_end)

    try:
        threading.Thread(target=run, daemon=True).start()
    except RuntimeError:
        at_end()
        raise
    return await asyncio.wrap_future(outcome)
