"""For tests of waiting: waits that never end, and a wait for waiters."""

import anyio
import anyio.lowlevel

from loopin_mcp.api.store.store import Store


async def never() -> None:
    await anyio.sleep_forever()


async def until_waited_for(store: Store, count: int = 1) -> None:
    """Wait until somebody waits for so many interrupts."""
    while len(store.changes.waited_for(None)) != count:
        await anyio.lowlevel.checkpoint()
