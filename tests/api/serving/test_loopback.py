"""Listening on loopback, and machines on which that does not work."""

import resource
import sys

import pytest

from loopin_mcp.api.serving.loopback import check_loopback, listen_anywhere, listen_if_free
from loopin_mcp.api.serving.serving import port_of
from loopin_mcp.errors import ConfigurationError
from tests.support import PATIENCE_S

BROKEN = "Connections to 127.0.0.1 do not work here ({}), and LoopIn's local API needs them."


async def test_listener_can_be_reached_before_it_accepts() -> None:
    with listen_anywhere() as listener:
        await check_loopback(port_of(listener), PATIENCE_S)

        assert listen_if_free(port_of(listener)) is None


async def test_loopback_that_refuses_is_named_with_the_reason(free_port: int) -> None:
    with pytest.raises(ConfigurationError) as refusal:
        await check_loopback(free_port, PATIENCE_S)

    assert str(refusal.value).startswith(BROKEN.format("Connection refused"))


async def test_loopback_that_does_not_answer_in_time_is_named(free_port: int) -> None:
    with pytest.raises(ConfigurationError) as refusal:
        await check_loopback(free_port, 0)

    assert str(refusal.value).startswith(BROKEN.format("no answer"))


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such limit")
def test_loopback_on_which_nothing_can_listen_is_named() -> None:
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, before[1]))
    try:
        with pytest.raises(ConfigurationError) as refusal:
            listen_anywhere()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)

    assert str(refusal.value).startswith(BROKEN.format("Too many open files"))
