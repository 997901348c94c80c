"""Holds requests until their interrupt is settled, by this process or another."""

import contextlib
import logging
from collections.abc import Awaitable, Callable, Collection, Iterator

import anyio

from loopin_mcp.api.database.outages import Outage
from loopin_mcp.api.database.rows import Stored
from loopin_mcp.api.store.store import Store
from loopin_mcp.errors import LoopinError

# How many interrupts are read from the database at once.
LOOK_AT = 500
LOOK_AGAIN_S = 1.0

logger = logging.getLogger("loopin_mcp")


async def wait_for_settled(
    store: Store, interrupt_id: str, wait_s: float, gone: Callable[[], Awaitable[None]]
) -> Stored:
    """The interrupt once it is settled, or as it is after `wait_s` seconds.

    The wait also ends when the interrupt expires, when the API stops, and when `gone` returns
    because the client is gone.

    Raises:
        NotFoundError: No interrupt has this id.
    """
    deadline = anyio.current_time() + wait_s
    changes = store.changes
    with changes.waiting_for(interrupt_id) as waiter:
        interrupt = await store.read_interrupt(interrupt_id)
        while interrupt.is_pending and anyio.current_time() < deadline and not changes.closed:
            left_s = (interrupt.expires_ms - store.clock()) / 1000
            wake_at = min(deadline, anyio.current_time() + left_s)
            # It may be large, and thousands may wait.
            del interrupt
            if waiter.found is None:
                with waiter.until(wake_at):
                    await gone()
                    deadline = anyio.current_time()
            interrupt = waiter.found or await store.read_interrupt(interrupt_id)
    return interrupt


async def follow_changes(store: Store) -> None:
    """Wake the waits that changes of other processes concern, until cancelled."""
    outage = Outage(logger, "Changes of other processes")
    changed: Collection[str] | None = None
    is_read = True
    while True:
        with outage.watched():
            # A change is reported once, so one that could not be read is read again.
            if is_read:
                changed = await store.awaited.changed_elsewhere()
                is_read = False
            waited_for = store.changes.waited_for(changed)
            for ids in _portions(waited_for):
                async for interrupt in store.awaited.read(ids, only_settled=True):
                    store.changes.publish(interrupt)
            store.changes.publish()
            is_read = True
        if outage.lasts:
            await anyio.sleep(LOOK_AGAIN_S)


async def let_go(store: Store) -> None:
    """Answer all waits with the current state, and let no new ones begin."""
    changes = store.changes
    changes.closed = True
    try:
        # One by one, thousands of reads would take too long.
        with contextlib.suppress(LoopinError):
            for ids in _portions(changes.waited_for(None)):
                async for interrupt in store.awaited.read(ids):
                    changes.answer(interrupt)
    finally:
        changes.close()


def _portions(ids: list[str]) -> Iterator[list[str]]:
    return (ids[start : start + LOOK_AT] for start in range(0, len(ids), LOOK_AT))
