"""Listens on loopback, for the embedded API, and says if that cannot work."""

import os
import socket

import anyio

from loopin_mcp.api.serving.serving import listen
from loopin_mcp.errors import ConfigurationError
from loopin_mcp.settings.base_urls import LOOPBACK


def listen_if_free(port: int) -> socket.socket | None:
    """A listener on a port, or None if another program uses it."""
    try:
        return listen(LOOPBACK, port)
    except OSError:
        return None


def listen_anywhere() -> socket.socket:
    """A listener on any free port.

    Raises:
        ConfigurationError: This machine's loopback cannot be used.
    """
    try:
        return listen(LOOPBACK, 0)
    except OSError as error:
        raise _refusal(error) from error


async def check_loopback(port: int, timeout_s: float) -> None:
    """Make sure that a listener of this process can be reached, unlike in some sandboxes.

    Raises:
        ConfigurationError: It cannot.
    """
    try:
        with anyio.fail_after(timeout_s):
            stream = await anyio.connect_tcp(LOOPBACK, port)
    except OSError as error:
        raise _refusal(error) from error
    await stream.aclose()


def _refusal(error: OSError) -> ConfigurationError:
    cause = error.__cause__ if isinstance(error.__cause__, OSError) else error
    reason = os.strerror(cause.errno) if cause.errno else "no answer"
    return ConfigurationError(
        f"Connections to {LOOPBACK} do not work here ({reason}), and LoopIn's "
        "local API needs them. Allow them in the sandbox or container that runs the MCP "
        "server."
    )
