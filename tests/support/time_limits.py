"""Ends tests that hang, with a change of pytest-timeout.

`tests/conftest.py` loads this file as a plugin of pytest.
"""

import signal
import sys
from collections.abc import Generator
from types import FrameType

import pytest

SETTINGS = pytest.StashKey[object]()


class TimedOut(BaseException):
    """The time of a test is over.

    Hypothesis would treat pytest's own failure as that of one example, and hang in others.
    """


@pytest.hookimpl(wrapper=True)
def pytest_timeout_set_timer(
    item: pytest.Item, settings: object
) -> Generator[None, object, object]:
    """Raise `TimedOut` once the time is over."""
    item.stash[SETTINGS] = settings
    is_set = yield
    if sys.platform != "win32" and callable(fail := signal.getsignal(signal.SIGALRM)):

        def give_up(number: int, frame: FrameType | None) -> None:
            try:
                fail(number, frame)
            except pytest.fail.Exception as failure:
                raise TimedOut(failure.msg) from None

        signal.signal(signal.SIGALRM, give_up)
    return is_set


@pytest.hookimpl(trylast=True)
def pytest_exception_interact(node: pytest.Item | pytest.Collector) -> None:
    """Give the fixtures of a test that failed as much time again, since they may hang as well."""
    if SETTINGS in node.stash:
        node.ihook.pytest_timeout_set_timer(item=node, settings=node.stash[SETTINGS])
