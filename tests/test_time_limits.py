"""A test that hangs fails."""

import signal
import sys
import threading
from collections.abc import Callable
from functools import partial

import anyio
import pytest
from anyio.from_thread import start_blocking_portal
from hypothesis import given
from hypothesis import strategies as st

from tests.support.time_limits import TimedOut

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such signals")


def hang(wait: Callable[[], object]) -> None:
    """Wait, while another thread triggers the time limit of this test."""
    test = threading.get_ident()
    threading.Thread(target=lambda: signal.pthread_kill(test, signal.SIGALRM)).start()
    wait()


def test_wait_for_a_thread_is_ended() -> None:
    with pytest.raises(TimedOut, match="Timeout"):
        hang(threading.Event().wait)


def test_wait_for_an_event_loop_in_a_thread_is_ended() -> None:
    def wait() -> None:
        with start_blocking_portal("asyncio") as portal:
            portal.call(anyio.sleep_forever)

    with pytest.raises(TimedOut):
        hang(wait)


def test_wait_in_an_event_loop_is_ended() -> None:
    with pytest.raises(TimedOut):
        hang(partial(anyio.run, anyio.sleep_forever))


def test_example_that_hangs_is_the_last_one() -> None:
    tried = []

    @given(number=st.integers())
    def try_numbers(number: int) -> None:
        tried.append(number)
        hang(threading.Event().wait)

    with pytest.raises(TimedOut):
        try_numbers()
    assert len(tried) == 1
