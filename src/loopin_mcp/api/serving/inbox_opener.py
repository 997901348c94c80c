"""Opens the inbox in the browser when an interrupt is created, unless it is open already."""

import logging
import math
from collections.abc import Callable

import anyio.to_thread

from loopin_mcp.api.access.sessions import Sessions
from loopin_mcp.api.pages.live import Live
from loopin_mcp.api.store.store import Store

# How long a new page may take to connect, and how long a closed inbox is not opened again.
REST_S = 60

logger = logging.getLogger("loopin_mcp")


async def open_when_created(
    store: Store, sessions: Sessions, live: Live, start: Callable[[str], None]
) -> None:
    """Open the inbox with `start` whenever an interrupt is created, until cancelled.

    This opens nothing while an inbox page is connected, nor within a minute of the last time.
    """
    rests_until = -math.inf
    created = store.changes.created.next
    while True:
        await created.wait()
        created = store.changes.created.next
        if live.connected or store.clock() < rests_until:
            continue
        rests_until = store.clock() + REST_S * 1000
        try:
            await anyio.to_thread.run_sync(start, sessions.way_in())
        except OSError as error:
            logger.warning("The inbox cannot be opened in a browser: %s", error.strerror)
